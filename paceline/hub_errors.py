"""What can be wrong with what the command line says of a hub."""

from wire.errors import CodedError


class HubMissingError(CodedError):
    """The libraries of the hub are not installed."""

    code = "hub.not_installed"
    exit_code = 3

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing

    def __str__(self) -> str:
        return f"hub: {self.missing} is not installed; run: pip install 'paceline[fleet]'"


class BadHubOptionError(CodedError):
    """An option of ``paceline hub serve`` has no usable value."""

    code = "hub.bad_option"
    exit_code = 2

    def __init__(self, option: str, got: str, expected: str) -> None:
        super().__init__(option, got, expected)
        self.option = option
        self.got = got
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.option}: {self.got!r:.80} cannot be used; expected {self.expected}"


class HubSilentError(CodedError):
    """No hub answers there."""

    code = "hub.unreachable"
    exit_code = 6

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(address, problem)
        self.address = address
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.address}: no hub answers ({self.problem}); start one with `paceline hub serve`,"
            " or name it with --hub"
        )


class HubRefusedError(CodedError):
    """The hub does not let us in, or has not what was asked for."""

    code = "hub.refused"
    exit_code = 8

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(address, problem)
        self.address = address
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.address}: the hub refuses ({self.problem}); give its token by --token-file"


class HubPipelineUnknownError(CodedError):
    """The hub knows no pipeline of that name."""

    code = "hub.pipeline_unknown"
    exit_code = 6

    def __init__(self, address: str, pipeline: str) -> None:
        super().__init__(address, pipeline)
        self.address = address
        self.pipeline = pipeline

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: the hub at {self.address} knows none of that name; see what"
            " there is with `paceline top`"
        )
