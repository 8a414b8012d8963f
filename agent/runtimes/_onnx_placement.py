"""Which provider of onnxruntime runs which operators of a session; no I/O but asking the session.

A provider that compiles (OpenVINO, TensorRT) makes one kernel of many operators: the session's own
account of whom it gave them to counts them one by one; a profile counts kernels.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from agent.runtimes._onnx_profile import Event

CPU: Final = "CPUExecutionProvider"
NAMED: Final = 4
"""Kinds of operators that a sentence names, the most frequent first."""
_SUFFIX: Final = "ExecutionProvider"


@dataclass(frozen=True, slots=True)
class Placement:
    """Kinds of operators by the provider that runs them; empty: not known."""

    kinds: Mapping[str, "Counter[str]"] = field(default_factory=lambda: MappingProxyType({}))
    unit: str = "operators"
    """What is counted: also ``kernels``, of which one may stand for many operators."""
    seconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """What each provider's took in one run; empty: not known."""

    def taken_by(self, provider: str) -> int:
        """Return how many a provider runs."""
        return self.kinds[provider].total() if provider in self.kinds else 0

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(kinds.total() for kinds in self.kinds.values())

    def timed(self, run: "Placement") -> "Placement":
        """Return this with the times of a profiled run; where nothing was known, all of it."""
        return replace(self, seconds=run.seconds) if self.kinds else run

    def short_of(self, provider: str) -> str:
        """Return what runs elsewhere than on ``provider``, in a sentence's words; empty: nothing.

        Such as ``3 of 41 operators run elsewhere: Resize, Shape on the CPU (12% of the time)``.
        """
        elsewhere = {name: kinds for name, kinds in self.kinds.items() if name != provider}
        count = sum(kinds.total() for kinds in elsewhere.values())
        if not count:
            return ""
        where = "; ".join(
            f"{_named(kinds)} {_on(name)}{self._share(name)}" for name, kinds in elsewhere.items()
        )
        return f"{count} of {self.total} {self.unit} run elsewhere: {where}"

    def _share(self, provider: str) -> str:
        whole = sum(self.seconds.values())
        if not whole:
            return ""
        return f" ({self.seconds.get(provider, 0.0) / whole:.0%} of the time)"


def assigned(session: Any) -> Placement:
    """Return whom a session gave its operators to, where it was asked to keep that."""
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    kinds: dict[str, Counter[str]] = {}
    for part in tell() if tell else ():
        found = kinds.setdefault(part.ep_name, Counter())
        found.update(node.op_type for node in part.get_nodes())
    return Placement(kinds)


def profiled(events: Iterable[Event]) -> Placement:
    """Return who ran the kernels of one run, and for how long."""
    kinds: dict[str, Counter[str]] = {}
    seconds: Counter[str] = Counter()
    for event in events:
        kinds.setdefault(event.args.provider, Counter())[event.args.op_name] += 1
        seconds[event.args.provider] += event.dur / 1e6  # type: ignore[assignment] # a float's sum
    return Placement(kinds, "kernels", seconds)


def _named(kinds: "Counter[str]") -> str:
    most = [kind for kind, _ in kinds.most_common(NAMED)]
    return ", ".join([*most, "..."] if len(kinds) > NAMED else most)


def _on(provider: str) -> str:
    return "on the CPU" if provider == CPU else f"by {provider.removesuffix(_SUFFIX)}"
