"""What can be wrong with a fleet file; each error says where, such as ``fleet.yaml:3``."""

from typing import ClassVar

from wire.errors import CodedError


class FleetFileError(CodedError):
    """A fleet file that cannot be used."""

    code = "fleet.unreadable"
    exit_code: ClassVar[int] = 3

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; correct it, or name another file"


class FleetKeyError(FleetFileError):
    """A key that means nothing, probably a slip of the pen."""

    code = "fleet.unknown_key"

    def __init__(self, where: str, key: str, *, nearest: str | None, known: str) -> None:
        expected = f"did you mean {nearest}?" if nearest else f"known: {known}"
        super().__init__(where, f"{key:.120}: unknown key; {expected}")
        self.key = key
        self.nearest = nearest

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


class FleetValueError(FleetFileError):
    """A value of the wrong type, unit or size."""

    code = "fleet.bad_value"

    def __init__(self, where: str, key: str, *, expected: str, got: str) -> None:
        super().__init__(where, f"{key}: expected {expected}, got {got}")
        self.key = key
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"
