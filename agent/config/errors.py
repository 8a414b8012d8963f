"""What can be wrong with a configuration; each error says where it stands.

``where`` is ``agent.yaml:3``, ``environment PACELINE_BROKER_URL`` or ``option broker.url``.
"""

from typing import ClassVar

from wire.errors import CodedError


class ConfigError(CodedError):
    """A configuration that cannot be used."""

    code = "config.invalid"
    exit_code: ClassVar[int] = 3


class ConfigUnreadableError(ConfigError):
    """The configuration file cannot be read at all."""

    code = "config.unreadable"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; name a readable YAML file with --config"


class ConfigSyntaxError(ConfigError):
    """The file is not YAML, or uses more of YAML than a configuration may."""

    code = "config.syntax"

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; correct the file"


class UnknownKeyError(ConfigError):
    """A key that means nothing, probably a slip of the pen."""

    code = "config.unknown_key"

    def __init__(self, where: str, key: str, *, nearest: str | None, known: str) -> None:
        super().__init__(where, key, nearest, known)
        self.where = where
        self.key = key
        self.nearest = nearest
        self.known = known

    def __str__(self) -> str:
        expected = f"did you mean {self.nearest}?" if self.nearest else f"known: {self.known}"
        return f"{self.where}: {self.key:.120}: unknown key; {expected}"


class ConfigValueError(ConfigError):
    """A value of the wrong type, unit or size."""

    code = "config.bad_value"

    def __init__(self, where: str, key: str, *, expected: str, got: str) -> None:
        super().__init__(where, key, expected, got)
        self.where = where
        self.key = key
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: expected {self.expected}, got {self.got}"
