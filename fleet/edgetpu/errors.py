"""Errors of preparing a model for the Edge TPU."""

from wire.errors import CodedError

QUANTISE = "pip install ai-edge-quantizer, then the script in docs/coral.md, 'Quantise a model'"
"""How a float model becomes an int8 one; LiteRT's own quantizer, since static int8 needs data."""


class NotForEdgeTpuError(CodedError):
    """The model's format is not one that the Edge TPU's compiler takes."""

    code = "edgetpu.not_tflite"
    exit_code = 3

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model

    def __str__(self) -> str:
        return (
            f"{self.model}: the Edge TPU runs TFLite models; export it as .tflite, in int8, or"
            " leave out --for edgetpu"
        )


class NotInt8Error(CodedError):
    """A model computes with floats, and the Edge TPU has none."""

    code = "edgetpu.not_int8"
    exit_code = 3

    def __init__(self, model: str, kinds: str) -> None:
        super().__init__(model, kinds)
        self.model = model
        self.kinds = kinds
        """What its tensors are of."""

    def __str__(self) -> str:
        return (
            f"{self.model}: computes in {self.kinds}, and the Edge TPU only in int8 and uint8;"
            f" quantise it: {QUANTISE}"
        )


class NothingMapsError(CodedError):
    """No operator of a model would run on the Edge TPU."""

    code = "edgetpu.nothing_maps"
    exit_code = 3

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.model}: no operator would run on the Edge TPU ({self.reason}); leave out --for"
            " edgetpu, or export the model with other operators"
        )


class CompilerFailedError(CodedError):
    """The Edge TPU's compiler gave nothing."""

    code = "edgetpu.compiler_failed"
    exit_code = 3

    def __init__(self, segment: str, problem: str) -> None:
        super().__init__(segment, problem)
        self.segment = segment
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"segment {self.segment}: edgetpu_compiler {self.problem}; cut elsewhere (--stages,"
            " --at), or leave out --for edgetpu"
        )


class NotTheTwinError(CodedError):
    """A compiled file is not of the segment that it shall stand beside."""

    code = "edgetpu.not_the_twin"
    exit_code = 3

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, problem)
        self.file = file
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}; compile the segments of this very split again"


class MissingCompiledError(CodedError):
    """A folder of compiled segments lacks one."""

    code = "edgetpu.not_compiled"
    exit_code = 3

    def __init__(self, folder: str, segment: str) -> None:
        super().__init__(folder, segment)
        self.folder = folder
        self.segment = segment

    def __str__(self) -> str:
        return (
            f"{self.folder}: holds no folder {self.segment}; compile all segments with the commands"
            " that the split printed, and copy the whole folder back"
        )
