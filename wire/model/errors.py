"""What can be wrong with a model file. Each error names the file, the place in it and the rule."""

from wire.errors import CodedError


class ProtobufError(CodedError):
    """Bytes are not the protobuf message that they should be; the scan adds file and place."""

    code = "protobuf.malformed"
    exit_code = 3

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"protobuf message: {self.problem}; the file is damaged or no model"


class ModelError(CodedError):
    """A model file is refused; the subclasses say why."""

    code = "model.refused"
    exit_code = 3
    advice = "use another model file"

    def __init__(self, source: str, place: str, rule: str, *, advice: str = "") -> None:
        super().__init__(source, place, rule)
        self.advice = advice or type(self).advice
        self.source = source
        """The file's name as the caller gave it."""
        self.place = place
        """The node or tensor, or empty when it is the file as a whole."""
        self.rule = rule

    def __str__(self) -> str:
        subject = f"{self.source}: {self.place}" if self.place else self.source
        return f"{subject}: {self.rule}; {self.advice}"


class ModelMalformedError(ModelError):
    """The file is no model of its format, is truncated, or contradicts itself."""

    code = "model.malformed"
    advice = "export or fetch the model again"


class ExternalDataError(ModelError):
    """Weights outside the model file are referenced in a way that is not allowed."""

    code = "model.external_data"
    advice = "keep weights beside the model, in ordinary files that the references fit"


class OperatorRefusedError(ModelError):
    """An operator comes from a domain, or is of a kind, that may bring foreign code or files."""

    code = "model.operator_refused"
    advice = "export the model with standard operators, or bring them as functions of the model"


class ModelTooLargeError(ModelError):
    """The file is small but what it asks for is not: a bomb, or a mistake that looks like one."""

    code = "model.too_large"
    advice = "correct the size in the model"
