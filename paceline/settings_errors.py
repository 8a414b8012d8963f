"""What can be wrong with the front door's settings; each error says where it stands.

``where`` is ``config.yaml:3``, ``environment PACELINE_BROKER_URL`` or ``option --broker``.
"""

from wire.errors import CodedError


class SettingsUnreadableError(CodedError):
    """The settings file, or one that it names, cannot be read at all."""

    code = "settings.unreadable"
    exit_code = 3

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; name a readable file, or correct its permissions"


class SettingsSyntaxError(CodedError):
    """The file is not YAML, or uses more of YAML than settings may."""

    code = "settings.syntax"
    exit_code = 3

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; correct the file"


class UnknownSettingError(CodedError):
    """A key that means nothing, probably a slip of the pen."""

    code = "settings.unknown_key"
    exit_code = 3

    def __init__(self, where: str, key: str, *, nearest: str | None, known: str) -> None:
        super().__init__(where, key, nearest, known)
        self.where = where
        self.key = key
        self.nearest = nearest
        self.known = known

    def __str__(self) -> str:
        expected = f"did you mean {self.nearest}?" if self.nearest else f"known: {self.known}"
        return f"{self.where}: {self.key:.120}: unknown key; {expected}"


class BadSettingError(CodedError):
    """A value of the wrong type or form."""

    code = "settings.bad_value"
    exit_code = 3

    def __init__(self, where: str, key: str, *, expected: str, got: str) -> None:
        super().__init__(where, key, expected, got)
        self.where = where
        self.key = key
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: expected {self.expected}, got {self.got}"
