"""Errors of composing."""

from collections.abc import Sequence

from fleet.compose.contract import Contract
from wire.errors import CodedError


class StageError(CodedError):
    """A stage that was given is none."""

    code = "compose.bad_stage"
    exit_code = 3

    def __init__(self, stage: str, problem: str, advice: str) -> None:
        super().__init__(stage, problem, advice)
        self.stage = stage
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.stage}: {self.problem}; {self.advice}"


class UnmatchedError(CodedError):
    """A stage takes tensors that no stage before it gives."""

    code = "compose.unmatched"
    exit_code = 3

    def __init__(self, wanted: Sequence[Contract], given: Sequence[Contract]) -> None:
        super().__init__(wanted, given)
        self.wanted = tuple(wanted)
        self.given = tuple(given)

    def __str__(self) -> str:
        wanted = "; ".join(map(str, self.wanted))
        given = "; ".join(map(str, self.given)) or "nothing that is not taken already"
        return (
            f"nothing comes to [{wanted}]; what comes is [{given}]; give the stages in their"
            " order, and name tensors alike where there are several"
        )


class ContractError(CodedError):
    """What one stage gives cannot be made into what the next one takes."""

    code = "compose.contract"
    exit_code = 3

    def __init__(self, made: Contract, wanted: Contract, problem: str, advice: str) -> None:
        super().__init__(made, wanted, problem, advice)
        self.made = made
        self.wanted = wanted
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.made} does not become {self.wanted} ({self.problem}); {self.advice}"


class ReferenceDiffersError(CodedError):
    """The pipeline's outputs are further from the reference's than the user allows."""

    code = "compose.reference_differs"
    exit_code = 5

    def __init__(self, model: str, broken: Sequence[str]) -> None:
        super().__init__(model, broken)
        self.model = model
        self.broken = tuple(broken)
        """What is beyond which bound."""

    def __str__(self) -> str:
        return (
            f"compared with {self.model}: {', '.join(self.broken)}; nothing was written, take"
            " other stages or a wider bound"
        )


class AdapterWrongError(CodedError):
    """An adapter's operators do not give what numpy gives."""

    code = "compose.adapter_wrong"
    exit_code = 5

    def __init__(self, segment: str, tensor: str, how: str) -> None:
        super().__init__(segment, tensor, how)
        self.segment = segment
        self.tensor = tensor
        self.how = how

    def __str__(self) -> str:
        return (
            f"segment {self.segment}: the adapter of {self.tensor!r:.80} {self.how}; nothing was"
            " written, report it with the stages"
        )
