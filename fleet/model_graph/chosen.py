"""Choose the cuts of a model, from memory where the same question was measured before."""

from pathlib import Path
from typing import Final

import msgspec

from fleet import measured
from fleet.formats import CutRequest, Tell
from fleet.measured import Measured
from fleet.model_graph.balance import Balanced, Balancer
from fleet.model_graph.bench import Bench
from fleet.model_graph.look import Look
from wire.errors import CodedError

RULES: Final = 1
"""Grows when we choose otherwise: what was measured by other rules is no answer."""


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    """All that measured cuts depend on, but for this machine."""

    model: str
    sizes: dict[str, tuple[int, ...]]
    stages: int
    threads: int
    most_weight_bytes: int | None
    rules: int = RULES


def chosen(look: Look, request: CutRequest, scratch: Path, tell: Tell) -> Balanced:
    """Return the cuts that ``request`` asks for; the model is run as far as that needs it.

    Raises:
        CodedError: There are no such cuts, or the model does not run.
    """
    measures = request.balance == "time" and not request.at and request.stages != 1
    measures = measures and len(look.graph.moving) > 0
    memory = request.memory if measures else None
    question = measured.key(
        _Question(
            model=look.model.ref.sha256,
            sizes=look.sample.sizes,
            stages=request.stages,
            threads=request.threads,
            most_weight_bytes=request.most_weight_bytes,
        )
    )
    if memory and not request.remeasure and (found := measured.recall(memory, question)):
        look.closer(tell, time=False)
        try:
            return _balancer(look, tell).recalled(found)
        except CodedError:
            tell("what was remembered does not fit any more")
    look.closer(tell, time=measures)
    bench = Bench(look.reference, dict(look.sample.arrays), scratch, request.threads)
    made = _balancer(look, tell).chosen(request, look.seconds, bench)
    if memory:
        measured.keep(memory, question, _answer(made))
    return made


def _balancer(look: Look, tell: Tell) -> Balancer:
    return Balancer(look, tell)


def _answer(made: Balanced) -> Measured:
    return Measured(
        cuts=made.plan.crossings,
        cut_space=made.plan.cut_space,
        seconds=made.seconds,
        notes=(*made.plan.notes, *made.notes),
    )
