"""Errors of running a segment: runtimes, their children, and what they are given to open."""

from wire.errors import CodedError


class RuntimeOpenError(CodedError):
    """A runtime could not load a segment, or is not usable here at all."""

    code = "runtime.open_failed"
    exit_code = 3

    def __init__(self, runtime: str, segment: str, problem: str) -> None:
        super().__init__(runtime, segment, problem)
        self.runtime = runtime
        self.segment = segment
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"runtime {self.runtime}: cannot open {self.segment} ({self.problem});"
            " split the model again or choose another runtime"
        )


class RuntimeFailedError(CodedError):
    """A runtime did not give results for one set of inputs."""

    code = "runtime.failed"

    def __init__(self, runtime: str, problem: str) -> None:
        super().__init__(runtime, problem)
        self.runtime = runtime
        self.problem = problem

    def __str__(self) -> str:
        return f"runtime {self.runtime}: inference failed ({self.problem}); no result was made"


class AcceleratorMissingError(CodedError):
    """What a segment shall run on is not there, or its library would run it somewhere else."""

    code = "accelerator.missing"
    exit_code = 3

    def __init__(self, runtime: str, accelerator: str, problem: str) -> None:
        super().__init__(runtime, accelerator, problem)
        self.runtime = runtime
        self.accelerator = accelerator
        self.problem = problem

    def __str__(self) -> str:
        where = f" on {self.accelerator}" if self.accelerator else ""
        return (
            f"runtime {self.runtime}{where}: {self.problem};"
            " `paceline doctor` on the device says what to do"
        )


class AcceleratorLostError(CodedError):
    """The accelerator of a segment went away while it served."""

    code = "accelerator.lost"
    retryable = True

    def __init__(self, runtime: str, accelerator: str, problem: str) -> None:
        super().__init__(runtime, accelerator, problem)
        self.runtime = runtime
        self.accelerator = accelerator
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"runtime {self.runtime}: {self.accelerator or 'its accelerator'} is lost"
            f" ({self.problem}); send the frame again: the device goes on without it"
        )


class ChildFileError(CodedError):
    """A file named on a child's command line cannot be read or written."""

    code = "child.file_unusable"
    exit_code = 3

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; name another file"


class OutOfMemoryError(CodedError):
    """A child needs more memory than it may have."""

    code = "worker.out_of_memory"
    exit_code = 4

    def __init__(self, subject: str, problem: str) -> None:
        super().__init__(subject, problem)
        self.subject = subject
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"
