"""Errors of showing a model or a split."""

from wire.errors import CodedError


class NothingToShowError(CodedError):
    """What was named is neither a model nor a split."""

    code = "show.nothing_there"
    exit_code = 3

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; name a model, or a folder that a split wrote"


class ModelGoneError(CodedError):
    """The model of a split is needed and is not at hand."""

    code = "show.model_gone"
    exit_code = 3

    def __init__(self, folder: str, model: str, problem: str) -> None:
        super().__init__(folder, model, problem)
        self.folder = folder
        self.model = model
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.folder}: no picture without the model, and {self.model} {self.problem};"
            " say where it is with --model FILE"
        )


class PictureUnwritableError(CodedError):
    """The SVG file cannot be written."""

    code = "show.svg_unwritable"
    exit_code = 3

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: not written ({self.reason}); name another file with --svg"
