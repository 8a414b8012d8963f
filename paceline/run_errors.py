"""What can be wrong with the files of ``paceline run``."""

from pathlib import Path

from wire.errors import CodedError


class RunInputError(CodedError):
    """The input is not what the pipeline takes, or cannot be read."""

    code = "run.bad_input"
    exit_code = 3

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(path, problem, advice)
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.advice}"


class RunOutputError(CodedError):
    """The answer cannot be written like that."""

    code = "run.bad_output"
    exit_code = 3

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(path, problem, advice)
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.advice}"


class BadRunOptionError(CodedError):
    """Options of ``paceline run`` do not go together."""

    code = "run.bad_option"
    exit_code = 2

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem} (see paceline run --help)"
