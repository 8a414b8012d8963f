"""Errors of the cloud side: splitting, verifying, and the children that run models."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from wire.errors import CodedError


class UnknownFormatError(CodedError):
    """No format plugin reads files of that suffix."""

    code = "model.unknown_format"
    exit_code = 3

    def __init__(self, model: str, known: Sequence[str]) -> None:
        super().__init__(model, known)
        self.model = model
        self.known = tuple(known)

    def __str__(self) -> str:
        suffixes = ", ".join(f".{name}" for name in self.known)
        return (
            f"{self.model}: the file's suffix is that of no model format we read (known:"
            f" {suffixes}); convert the model or add fleet/formats/<suffix>.py"
        )


class NotRunnableError(CodedError):
    """The whole model does not run here, so nothing could be compared with it."""

    code = "model.not_runnable"
    exit_code = 3

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.model}: the whole model does not run ({self.reason}); export it again"


class ModelChangedError(CodedError):
    """Somebody wrote to the model's files while they were read."""

    code = "model.changed"
    retryable = True
    exit_code = 3

    def __init__(self, model: str, beside: str) -> None:
        super().__init__(model, beside)
        self.model = model
        self.beside = beside
        """The file with weights that changed; empty: the model's own."""

    def __str__(self) -> str:
        which = f"{self.beside!r:.200} beside it" if self.beside else "the file"
        return f"{self.model}: {which} changed while it was read; try again when it is complete"


class NeedsExampleError(CodedError):
    """The model does not run with the sizes and values that we made up."""

    code = "model.needs_example"
    exit_code = 3

    def __init__(self, model: str, guessed: Mapping[str, int], reason: str) -> None:
        super().__init__(model, guessed, reason)
        self.model = model
        self.guessed = dict(guessed)
        """The sizes we guessed, by dimension name or by ``input[axis]``."""
        self.reason = reason

    def __str__(self) -> str:
        guesses = ", ".join(f"{name}={size}" for name, size in self.guessed.items())
        made_up = f"the guessed sizes {guesses}" if guesses else "made-up values"
        return (
            f"{self.model}: does not run with {made_up} ({self.reason});"
            " give sizes with --dim NAME=N or an example with --input X.npz"
        )


class BadExampleError(CodedError):
    """The example is not what the model takes."""

    code = "model.bad_example"
    exit_code = 3

    def __init__(self, example: str, problem: str) -> None:
        super().__init__(example, problem)
        self.example = example
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.example}: {self.problem}; give one array for each input of the model"


class InputTooLargeError(CodedError):
    """An input is larger than a frame may carry."""

    code = "model.input_too_large"
    exit_code = 3

    def __init__(self, name: str, shape: Sequence[int], size_bytes: int, most: int) -> None:
        super().__init__(name, shape, size_bytes, most)
        self.name = name
        self.shape = tuple(shape)
        self.size_bytes = size_bytes
        self.most = most

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.shape))
        return (
            f"input {self.name!r:.80}: [{sizes}] is {self.size_bytes} bytes (at most {self.most}"
            " travel in one frame); give smaller sizes with --dim, or export the model with them"
        )


class UnknownTensorError(CodedError):
    """A cut names a tensor that the model does not have."""

    code = "cut.unknown_tensor"
    exit_code = 3

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.nearest = tuple(get_close_matches(name, known, n=3))

    def __str__(self) -> str:
        hint = f" (nearest: {', '.join(self.nearest)})" if self.nearest else ""
        return f"cut {self.name!r}: the model computes no such tensor{hint}; correct the name"


class InvalidCutError(CodedError):
    """The model cannot be cut there."""

    code = "cut.invalid"
    exit_code = 3

    def __init__(self, cut: str, problem: str) -> None:
        super().__init__(cut, problem)
        self.cut = cut
        self.problem = problem

    def __str__(self) -> str:
        return f"cut {self.cut!r}: {self.problem}; cut at other tensors"


class NoCutError(CodedError):
    """The model cannot be cut into so many segments."""

    code = "cut.impossible"
    exit_code = 4

    def __init__(self, model: str, wanted: int, largest: int, why: str) -> None:
        super().__init__(model, wanted, largest, why)
        self.model = model
        self.wanted = wanted
        self.largest = largest
        """0 where nothing of the model depends on its inputs."""
        self.why = why

    def __str__(self) -> str:
        problem = f"{self.model}: no cut into {self.wanted} segments"
        if not self.largest:
            return f"{problem} ({self.why}); there is nothing to compute: run no pipeline"
        stages = "1 stage" if self.largest == 1 else f"at most {self.largest} stages"
        return f"{problem} (largest possible: {self.largest}, since {self.why}); ask for {stages}"


class BadRequestError(CodedError):
    """The options of a split contradict each other or the model."""

    code = "split.bad_request"
    exit_code = 2

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(option, problem)
        self.option = option
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.option}: {self.problem}; correct the option"


class CodecChoiceError(CodedError):
    """Codecs are not chosen as they can be."""

    code = "codec.bad_choice"
    exit_code = 2

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(text, problem)
        self.text = text
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"--codec {self.text}: {self.problem}; write a codec for all edges between stages, or"
            " one for each, such as entry=fp16,0=int8_channel,1=raw"
        )


class LinkChoiceError(CodedError):
    """Links are not chosen as they can be."""

    code = "link.bad_choice"
    exit_code = 2

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(text, problem)
        self.text = text
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"--link {self.text}: {self.problem}; write a link for all stages, or one for what each"
            " sends, such as 0=tcp,1=mqtt, or for what clients send: entry=mqtt"
        )


class RuntimeChoiceError(CodedError):
    """Runtimes are not chosen as they can be."""

    code = "runtime.bad_choice"
    exit_code = 2

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(text, problem)
        self.text = text
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"--runtime {self.text}: {self.problem}; write one runtime, or one for a stage or a"
            " device, such as onnx_cpu or auto,1=tflite_edgetpu@usb:0"
        )


class CodecRefusedError(CodedError):
    """A codec moves the outputs further than the user allows."""

    code = "codec.refused"
    exit_code = 5

    def __init__(self, codec: str, figures: str, edge: str, report: object = None) -> None:
        super().__init__(codec, figures, edge, report)
        self.codec = codec
        self.figures = figures
        """What is beyond which bound."""
        self.edge = edge
        """The edge that does most of it, and how much it does alone."""
        self.report = report
        """The `fleet.codec_effects.report.CodecsReport` with all that was found."""

    def __str__(self) -> str:
        return (
            f"codec {self.codec}: {self.figures}, most of it by edge {self.edge}; choose another"
            " codec there, or a wider bound"
        )


class FolderInUseError(CodedError):
    """The folder to write holds something that is not ours to replace."""

    code = "split.folder_in_use"
    exit_code = 3

    def __init__(self, folder: str, problem: str) -> None:
        super().__init__(folder, problem)
        self.folder = folder
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.folder}: {self.problem}; nothing was written, name another folder"


class NotWrittenError(CodedError):
    """The system refused something while a model was cut; nothing was written."""

    code = "split.not_written"
    exit_code = 3

    def __init__(self, folder: str, path: str, reason: str) -> None:
        super().__init__(folder, path, reason)
        self.folder = folder
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.folder}: not written, the system refused {self.path} ({self.reason});"
            " make room or permission there and split again"
        )


class NoScratchError(CodedError):
    """A model's inputs or outputs could not be kept in a file for the child that runs it."""

    code = "scratch.not_written"
    exit_code = 3

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.folder}: no temporary file can be written there ({self.reason});"
            " make room, or name a larger place with TMPDIR=FOLDER"
        )


class ChildFailedError(CodedError):
    """A child that ran a model ended without a report, or with a failure."""

    code = "child.failed"

    def __init__(self, command: str, child_code: str, reason: str) -> None:
        super().__init__(command, child_code, reason)
        self.command = command
        self.child_code = child_code
        """The child's own error code; ``child.crashed`` when it could not say one."""
        self.reason = reason

    def __str__(self) -> str:
        return f"child {self.command}: {self.child_code} ({self.reason}); see its messages"


class RuntimeUnusableError(CodedError):
    """The runtime that was asked for does not run the model on this machine."""

    code = "runtime.unusable"
    exit_code = 3

    def __init__(self, runtime: str, reason: str) -> None:
        super().__init__(runtime, reason)
        self.runtime = runtime
        self.reason = reason

    def __str__(self) -> str:
        return f"--runtime {self.runtime}, on this machine: {self.reason}"


class ChildTimeoutError(CodedError):
    """A child that ran a model did not end in time and was killed."""

    code = "child.timed_out"
    retryable = True
    exit_code = 6

    def __init__(self, command: str, limit_seconds: float) -> None:
        super().__init__(command, limit_seconds)
        self.command = command
        self.limit_seconds = limit_seconds

    def __str__(self) -> str:
        return f"child {self.command}: no end after {self.limit_seconds:g} s; allow more time"


class DamagedSplitError(CodedError):
    """A file of a split is missing or is not what the manifest says."""

    code = "split.damaged"
    exit_code = 3

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; split the model again"


class OutputsDifferError(CodedError):
    """The segments do not give what the whole model gives."""

    code = "outputs.differ"
    exit_code = 5

    def __init__(self, subject: str, tensor: str, how: str, report: object = None) -> None:
        super().__init__(subject, tensor, how, report)
        self.subject = subject
        self.tensor = tensor
        self.how = how
        self.report = report
        """The `fleet.verify.VerifyReport` with all that was found."""

    def __str__(self) -> str:
        return f"{self.subject}: tensor {self.tensor!r} {self.how}; do not deploy this split"
