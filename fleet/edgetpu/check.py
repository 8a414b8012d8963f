"""Which operators of a model would run on the Edge TPU, and why the others would not. Pure.

The compiler has the last word: this tells beforehand what its published rules say. It makes one
piece of a model for the Edge TPU, which begins at the first operators that map; what comes behind
an operator that does not, stays on the CPU even where it is supported.

Source: Coral's page (see `operators.json`): compatibility overview and supported operations.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from fleet.edgetpu.errors import NothingMapsError, NotInt8Error
from fleet.edgetpu.model import Operator, TfliteModel
from fleet.edgetpu.operators import Published
from fleet.edgetpu.report import KindVerdict
from fleet.edgetpu.rules import RULES
from fleet.tflite.errors import already_compiled

EIGHT_BITS = frozenset({"int8", "uint8"})
CONSTANTS = EIGHT_BITS | {"int32", "int64"}
"""What constants may be of: biases and the places of things are longer."""
RANK = 3
"""Only so many of the last dimensions may be larger than 1."""
BEHIND = "behind an operator that stays on the CPU: the compiler makes one piece"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of one operator."""

    kind: str
    name: str
    """The first tensor that it writes."""
    reason: str = ""
    """Why it stays on the CPU; empty: it maps."""
    caution: str = ""
    """Why it may stay there all the same."""

    @property
    def mapped(self) -> bool:
        """Whether it is expected on the Edge TPU."""
        return not self.reason


def verdicts(model: TfliteModel, published: Published, runtime: int) -> tuple[Verdict, ...]:
    """Return what is expected of each operator, in their order.

    Args:
        model: Not compiled yet.
        published: What the compiler maps.
        runtime: The version of the Edge TPU runtime that it is compiled for.
    """
    mapped: set[int] = set()
    """Tensors that the Edge TPU gives, directly or not, by identity."""
    behind: set[int] = set()
    """Tensors that depend on one of those by way of the CPU."""
    found = []
    for operator in model.operators:
        read = {id(tensor) for tensor in operator.inputs}
        reason = _reason(operator, published, runtime)
        left = bool(read & behind)
        if not reason and left:
            reason = BEHIND
        if left or (reason and read & mapped):
            behind |= {id(tensor) for tensor in operator.outputs}
        if not reason or read & mapped:
            mapped |= {id(tensor) for tensor in operator.outputs}
        known = published.operators.get(operator.kind)
        found.append(
            Verdict(
                kind=operator.kind,
                name=operator.name,
                reason=reason,
                caution="" if reason or known is None else known.caution,
            )
        )
    return tuple(found)


def check(model: TfliteModel, published: Published, runtime: int) -> tuple[Verdict, ...]:
    """Return the same of a model of which something maps.

    Raises:
        NotCuttableError: The compiler has been over it.
        NotInt8Error: It computes with floats.
        NothingMapsError: No operator maps.
    """
    if model.compiled:
        raise already_compiled(model.name)
    found = verdicts(model, published, runtime)
    if not any(verdict.mapped for verdict in found):
        kinds = Counter(tensor.kind for operator in model.operators for tensor in operator.outputs)
        if not EIGHT_BITS & kinds.keys():
            raise NotInt8Error(model.name, kinds.most_common(1)[0][0] if kinds else "nothing")
        raise NothingMapsError(model.name, f"{found[0].kind}: {found[0].reason}")
    return found


def by_kind(found: Sequence[Verdict]) -> tuple[KindVerdict, ...]:
    """Return the verdicts counted, those that stay on the CPU first."""
    counts = Counter((verdict.kind, verdict.reason) for verdict in found)
    firsts = {(one.kind, one.reason): one.name for one in reversed(found)}
    rows = [
        KindVerdict(
            kind=kind,
            count=count,
            mapped=not reason,
            reason=reason,
            first=firsts[kind, reason] if reason else "",
        )
        for (kind, reason), count in counts.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.mapped, row.reason == BEHIND, -row.count)))


def cautions(found: Sequence[Verdict]) -> tuple[str, ...]:
    """Return what only the compiler can judge, one line a kind."""
    kinds = {one.kind: one.caution for one in found if one.caution}
    return tuple(f"{kind}: {caution}" for kind, caution in kinds.items())


def _reason(operator: Operator, published: Published, runtime: int) -> str:
    """Return why an operator stays on the CPU; empty: it maps."""
    known = published.operators.get(operator.kind)
    if known is None:
        return "is not among the supported operators"
    if (known.since or 0) > runtime:
        return f"needs Edge TPU runtime {known.since} (--min-runtime {runtime} was given)"
    for reason in _of_tensors(operator):
        return reason
    for limit in known.limits:
        if limit.holds(runtime) and (problem := RULES[limit.rule](operator)):
            return problem
    return ""


def _of_tensors(operator: Operator) -> Iterator[str]:
    """Yield what is wrong with the tensors of an operator."""
    for tensor in operator.moving:
        if tensor.kind not in EIGHT_BITS:
            yield f"works on {tensor.kind} (only int8 and uint8)"
    for given in operator.inputs:
        if given is not None and given.data is not None and given.kind not in CONSTANTS:
            yield f"has weights of {given.kind} (only int8 and uint8)"
    for tensor in operator.moving:
        if any(size > 1 for size in tensor.shape[:-RANK]):
            yield f"works on more than {RANK} dimensions above 1, such as a batch"
