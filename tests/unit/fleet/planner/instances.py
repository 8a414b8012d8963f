"""Random problems, and what brute force says of them; nothing of the planner's own arithmetic."""

import math
import random

from fleet.planner.problem import Device, Link, Op, Problem


def random_problem(seed, most_ops=12, most_devices=4, *, fewest_devices=2, limited=None):
    """Return a problem; of some, memory is limited, links are missing, or operators cannot run."""
    r = random.Random(seed)
    count = r.randint(fewest_devices, most_devices)
    ids = [f"d{i}" for i in range(count)]
    speed = {id_: 10 ** r.uniform(-1, 1) for id_ in ids}
    runs = r.choice([1.0, 0.92])
    ops = []
    for index in range(r.randint(1, most_ops)):
        base = 10 ** r.uniform(-4, -1)
        ops.append(
            Op(
                name=f"op{index}",
                seconds={
                    d: base / speed[d] * r.uniform(0.7, 1.4) for d in ids if r.random() < runs
                },
                weight_bytes=r.randint(0, 10**6),
                activation_bytes=r.choice([0, r.randint(0, 10**6)]),
                out_bytes=int(10 ** r.uniform(2, 6)),
            )
        )
    limited = r.random() < 0.6 if limited is None else limited
    total = sum(op.weight_bytes + op.activation_bytes for op in ops)
    devices = [
        Device(id=d, memory_bytes=int(total * r.choice([0.3, 0.6, 1.5])) + 1 if limited else None)
        for d in ids
    ]
    linked = r.choice([1.0, 0.8])
    links = [
        Link(
            from_=a,
            to=b,
            latency_seconds=r.choice([0.0, 10 ** r.uniform(-4, -2)]),
            bytes_per_second=10 ** r.uniform(5, 8),
        )
        for a in ids
        for b in ids
        if a != b and r.random() < linked
    ]
    return Problem(
        ops=tuple(ops),
        devices=tuple(devices),
        links=tuple(links),
        source=r.choice([None, *ids]),
        sink=r.choice([None, *ids]),
        input_bytes=int(10 ** r.uniform(3, 6)),
        output_bytes=int(10 ** r.uniform(1, 4)),
    )


def brute_force(problem, fewest=1):
    """Return the least largest time and the least sum of all plans, infinite where none fits.

    Every order of devices and every cut, operator by operator; a way is left where its device
    cannot run an operator or has no room for it.
    """
    ops = problem.ops
    memory = {d.id: math.inf if d.memory_bytes is None else d.memory_bytes for d in problem.devices}
    stored = {d.id: d.storage_bytes or math.inf for d in problem.devices}
    best = {"throughput": math.inf, "latency": math.inf}

    def go_on(index, used, device, entered, slowest, total):
        """Give operators from ``index`` on to a device, one more each time."""
        slowest, total = max(slowest, entered[0]), total + entered[1]
        busy, weights, activation = 0.0, 0, 0
        for end in range(index, len(ops)):
            op = ops[end]
            weights += op.weight_bytes
            activation = max(activation, op.activation_bytes)
            if weights > stored[device]:
                return
            if device not in op.seconds or weights + activation > memory[device]:
                return
            busy += op.seconds[device]
            here, spent = max(slowest, busy), total + busy
            if end == len(ops) - 1:
                left = _hop(problem, device, problem.sink, problem.output_bytes)
                if left and len(used) >= fewest:
                    best["throughput"] = min(best["throughput"], max(here, left[0]))
                    best["latency"] = min(best["latency"], spent + left[1])
                continue
            for other in memory:
                way = other not in used and _hop(problem, device, other, op.out_bytes)
                if way:
                    go_on(end + 1, {*used, other}, other, way, here, spent)

    for device in memory:
        way = _hop(problem, problem.source, device, problem.input_bytes)
        if way:
            go_on(0, {device}, device, way, 0.0, 0.0)
    return best


def _hop(problem, a, b, size):
    """Return what a hop takes without latency and with it; None without a link."""
    if a is None or b is None or a == b:
        return 0.0, 0.0
    link = problem.link.get((a, b))
    if link is None:
        return None
    moving = size / link.bytes_per_second
    return moving, moving + link.latency_seconds
