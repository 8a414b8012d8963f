"""Devices that are interchangeable, so that plans which only swap them are looked at once.

Two devices are of one type when swapping them changes nothing: same times, memory and storage, the
same links to everybody else and to each other. Source and sink are types of their own.
"""

from fleet.planner.problem import Link, Problem

Types = tuple[tuple[str, ...], ...]
"""Ids of devices, type by type; those of one type in the problem's order."""


def device_types(problem: Problem) -> Types:
    """Return the devices that run anything by type, in the order of each type's first.

    Where none does, all of them.
    """
    types: list[list[str]] = []
    alike: dict[object, list[list[str]]] = {}
    for device in problem.devices:
        times = tuple(op.seconds.get(device.id) for op in problem.ops)
        candidates = alike.setdefault((times, device.memory_bytes, device.storage_bytes), [])
        for members in candidates:
            if _swap(problem, members[0], device.id):
                members.append(device.id)
                break
        else:
            candidates.append([device.id])
            types.append(candidates[-1])
    working = {device for op in problem.ops for device in op.seconds}
    return tuple(map(tuple, [one for one in types if one[0] in working] or types))


def _swap(problem: Problem, a: str, b: str) -> bool:
    """Whether links stay as they are when two devices are swapped."""
    if {a, b} & {problem.source, problem.sink}:
        return False
    ends = {end for end in (problem.source, problem.sink) if end is not None}  # devices or not
    others = ({device.id for device in problem.devices} | ends) - {a, b}
    pairs = [((a, b), (b, a))]
    pairs += [((a, other), (b, other)) for other in others]
    pairs += [((other, a), (other, b)) for other in others]
    return all(_speed(problem.link.get(p)) == _speed(problem.link.get(q)) for p, q in pairs)


def _speed(link: Link | None) -> tuple[float, float] | None:
    return (link.latency_seconds, link.bytes_per_second) if link else None
