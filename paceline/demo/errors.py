"""Errors of the demo's own parts: its model, its broker, its children."""

from wire.errors import CodedError


class ModelUnavailableError(CodedError):
    """The demo's model is not in the cache and could not be fetched."""

    code = "demo.model_unavailable"
    retryable = True
    exit_code = 6

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(package, reason)
        self.package = package
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the demo's model: package {self.package} could not be fetched ({self.reason});"
            " go online once, or name a model of your own with --model FILE"
        )


class ModelMismatchError(CodedError):
    """What the package brought is not the model that was recorded."""

    code = "demo.model_mismatch"
    exit_code = 8

    def __init__(self, file: str, *, expected: str, actual: str) -> None:
        super().__init__(file, expected, actual)
        self.file = file
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return (
            f"the demo's model: {self.file} is not the recorded one (sha256"
            f" {self.actual[:12]}, expected {self.expected[:12]}); it was thrown away,"
            " check where your packages come from or name a model with --model FILE"
        )


class CacheUnusableError(CodedError):
    """The folder that keeps fetched models cannot be written."""

    code = "demo.cache_unusable"
    exit_code = 3

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"cache {self.folder}: cannot be written ({self.reason});"
            " name another folder in PACELINE_CACHE"
        )


class NoBrokerError(CodedError):
    """There is no broker that the demo could start."""

    code = "demo.no_broker"
    exit_code = 6

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted

    def __str__(self) -> str:
        return (
            f"broker: none to start ({self.wanted} is not installed);"
            " install mosquitto, or paceline[demo] with pip"
        )


class BrokerFailedError(CodedError):
    """A broker was started and does not serve."""

    code = "demo.broker_failed"
    retryable = True
    exit_code = 6

    def __init__(self, name: str, problem: str, log_tail: str) -> None:
        super().__init__(name, problem, log_tail)
        self.name = name
        self.problem = problem
        self.log_tail = log_tail

    def __str__(self) -> str:
        said = self.log_tail.strip().replace("\n", " | ") or "nothing"
        return f"broker {self.name}: {self.problem} (it said: {said[-400:]}); try again"


class ChildNotStartedError(CodedError):
    """A child process could not be started."""

    code = "demo.child_not_started"
    exit_code = 1

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(command, reason)
        self.command = command
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.command}: cannot be started ({self.reason}); check the installation"
