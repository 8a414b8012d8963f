"""Why nothing fits: what is needed, what there is, and the nearest change that would help."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from fleet.planner.objective import memory_bytes
from fleet.planner.plan import Shortage
from fleet.planner.problem import Device, Link, Problem
from fleet.planner.search import feasible

NO_TIME_TO_SPEAK_OF: Final = 1e-9
"""Seconds; where only whether it fits is asked for."""


def shortage(problem: Problem, policy: str, *, proven: bool) -> Shortage:
    """Return why a policy found nothing; ``proven``: nothing fits at all."""
    fits = None if proven else feasible(problem)
    if fits:
        reasons = [f"policy {policy} found nothing that fits, though something does"]
        change = "let --policy exact plan it"
    elif fits is None and not proven:
        reasons = ["nothing was found that fits, and devices are too many to rule it out"]
        change = ""
    else:
        reasons = list(_reasons(problem)) or ["no way to cut it suits memory and links together"]
        change = _nearest_change(problem)
    return Shortage(
        needed_bytes=memory_bytes(problem.ops),
        available_bytes={device.id: device.memory_bytes for device in problem.devices},
        reasons=tuple(reasons),
        nearest_change=change,
    )


def _reasons(problem: Problem) -> Iterator[str]:
    """Yield what is in the way, as far as it can be told for one thing at a time."""
    nowhere = _run_nowhere(problem)
    if nowhere:
        more = f" and {len(nowhere) - 1} more" if len(nowhere) > 1 else ""
        yield f"operator {nowhere[0]!r:.80}{more} can run on no device"
    weights = sum(op.weight_bytes for op in problem.ops)
    memory = [device.memory_bytes for device in problem.devices]
    limited = [size for size in memory if size is not None]
    if len(limited) == len(memory):
        if weights > sum(limited):
            yield f"weights take {weights} bytes, all devices have {sum(limited)} together"
        for op in problem.ops:
            if memory_bytes([op]) > max(limited):
                yield (
                    f"operator {op.name!r:.80} takes {memory_bytes([op])} bytes alone, the largest"
                    f" device has {max(limited)}"
                )
                break
    stored = [d.storage_bytes for d in problem.devices if d.storage_bytes is not None]
    if len(stored) == len(problem.devices) and weights > sum(stored):
        yield f"weights take {weights} bytes, all devices may store {sum(stored)} together"
    if not any(_linked(problem, problem.source, id_) for id_ in problem.ops[0].seconds):
        yield f"no link leads from source {problem.source} to where the first operator can run"
    if not any(_linked(problem, id_, problem.sink) for id_ in problem.ops[-1].seconds):
        yield f"no link leads to sink {problem.sink} from where the last operator can run"


def _nearest_change(problem: Problem) -> str:
    """Return the smallest change to one thing after which something fits; empty: none found."""
    if nowhere := _run_nowhere(problem):
        return f"give a device that runs operator {nowhere[0]!r:.80}"
    changes = (_more_memory, _one_link, _memory_for_all, _more_storage)
    return next((found for change in changes if (found := change(problem))), "")


def _run_nowhere(problem: Problem) -> list[str]:
    return [op.name for op in problem.ops if not op.seconds.keys() & problem.device.keys()]


def _linked(problem: Problem, a: str | None, b: str | None) -> bool:
    return a is None or b is None or a == b or (a, b) in problem.link


def _more_memory(problem: Problem) -> str:
    """Return the device that needs the fewest bytes more; empty: none alone is enough."""
    needed = memory_bytes(problem.ops)
    change, least = "", needed
    for device in problem.devices:
        have = device.memory_bytes
        if have is None or have >= needed:
            continue

        def fits(more: int, device: Device = device, have: int = have) -> bool:
            return bool(feasible(_with_memory(problem, {device.id: have + more})))

        if fits(min(least - 1, needed - have)):
            least = _smallest(fits, min(least - 1, needed - have))
            change = f"give {device.id} {least} bytes of memory more ({have + least} in all)"
    return change


def _memory_for_all(problem: Problem) -> str:
    """Return by how much more memory of every device it would fit; empty: not by memory."""
    needed = memory_bytes(problem.ops)

    def fits(more: int) -> bool:
        memory = {
            d.id: d.memory_bytes + more for d in problem.devices if d.memory_bytes is not None
        }
        return bool(feasible(_with_memory(problem, memory)))

    if not fits(needed):
        return ""
    return f"give every device {_smallest(fits, needed)} bytes of memory more"


def _one_link(problem: Problem) -> str:
    """Return the first link that alone would be enough; empty: none is."""
    ids = list(problem.device)
    ways = [(problem.source, id_) for id_ in ids] + [(id_, problem.sink) for id_ in ids]
    ways += [(a, b) for a in ids for b in ids]
    for a, b in ways:
        if a is None or b is None or _linked(problem, a, b):
            continue
        link = Link(from_=a, to=b, latency_seconds=NO_TIME_TO_SPEAK_OF, bytes_per_second=1.0)
        if feasible(msgspec.structs.replace(problem, links=(*problem.links, link))):
            return f"make a link from {a} to {b}"
    return ""


def _more_storage(problem: Problem) -> str:
    """Return the first device that would be enough with more storage; empty: it is not storage."""
    short = [device for device in problem.devices if device.storage_bytes is not None]
    for some in (*((device,) for device in short), tuple(short)):
        freed = {device.id: msgspec.structs.replace(device, storage_bytes=None) for device in some}
        devices = tuple(freed.get(device.id, device) for device in problem.devices)
        if freed and feasible(msgspec.structs.replace(problem, devices=devices)):
            names = ", ".join(freed)
            return f"free storage on {names}: two generations of its weights must fit"
    return ""


def _with_memory(problem: Problem, memory: dict[str, int]) -> Problem:
    devices = tuple(
        msgspec.structs.replace(device, memory_bytes=memory.get(device.id, device.memory_bytes))
        for device in problem.devices
    )
    return msgspec.structs.replace(problem, devices=devices)


def _smallest(fits: Callable[[int], bool], enough: int) -> int:
    """Return the smallest number that fits, where more never fits worse; ``enough`` does."""
    low = 0
    while low + 1 < enough:
        middle = (low + enough) // 2
        low, enough = (low, middle) if fits(middle) else (middle, enough)
    return enough
