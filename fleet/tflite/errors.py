"""Errors of cutting TFLite models."""

from wire.errors import CodedError
from wire.tflite.operators import EDGETPU_CUSTOM_OP


class NotCuttableError(CodedError):
    """The model is sound, but holds what cannot be parted."""

    code = "model.not_cuttable"
    exit_code = 3

    def __init__(self, model: str, problem: str, advice: str) -> None:
        super().__init__(model, problem, advice)
        self.model = model
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.model}: {self.problem}; {self.advice}"


def already_compiled(model: str) -> NotCuttableError:
    """Return the error of a model that Coral's compiler has been over."""
    problem = (
        f"is compiled for a Coral Edge TPU already (it holds {EDGETPU_CUSTOM_OP}): it runs on one"
        " alone, and cannot be cut any more"
    )
    advice = "cut the model that it was made from, with --for edgetpu: each segment is compiled"
    return NotCuttableError(model, problem, advice)


class SchemaMissingError(CodedError):
    """The library that knows the layout of TFLite files is not installed."""

    code = "extra.missing"
    exit_code = 3

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing

    def __str__(self) -> str:
        return (
            f"TFLite models are read with {self.missing}, which is not installed; run:"
            " pip install 'paceline[coral]'"
        )
