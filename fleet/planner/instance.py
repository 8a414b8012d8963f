"""A planner's instance from a JSON file, so that planners can be compared outside the program.

Read strictly: what is unknown, doubled, negative, zero where that means nothing, or no number is
refused by name. docs/planner.md says what is in one.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from fleet.planner.errors import InstanceError
from fleet.planner.problem import Device, Link, Op, Problem

LARGEST_FILE_BYTES: Final = 64 * 2**20
MOST_OPS: Final = 10_000
MOST_DEVICES: Final = 256
MOST_HOPS: Final = 8_000_000
"""Operators x devices x devices: of each hop there is a time in memory."""
LARGEST_BYTES: Final = 2**48
"""Of one operator or frame."""
LARGEST_MEMORY_BYTES: Final = 2**60
LONGEST_SECONDS: Final = 1e6
"""Of one operator or latency; sums of longer ones would blur those of the shortest."""
LONGEST_NAME: Final = 200


class _Op(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    seconds: dict[str, float]
    weight_bytes: int
    activation_bytes: int
    out_bytes: int | None = None


class _Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    memory_bytes: int | None = None
    storage_bytes: int | None = None
    watts: float | None = None


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    from_: str
    to: str
    latency_seconds: float
    bytes_per_second: float


class _Instance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ops: list[_Op]
    devices: list[_Device]
    links: list[_Link] = []
    source: str | None = None
    sink: str | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None


def read(file: Path) -> Problem:
    """Return the instance of a file.

    Raises:
        InstanceError: The file cannot be read, or is not an instance.
    """
    return parse(contents(file), str(file))


def contents(file: Path) -> bytes:
    """Return what is in a file.

    Raises:
        InstanceError: It cannot be read, or is too large.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise InstanceError(str(file), "", f"cannot be read ({error.strerror})") from error
    if len(data) > LARGEST_FILE_BYTES:
        raise InstanceError(str(file), "", f"is larger than {LARGEST_FILE_BYTES} bytes")
    return data


def parse(data: bytes, file: str) -> Problem:
    """Return the instance in a file's bytes.

    Raises:
        InstanceError: They are not an instance; ``file`` is named in it.
    """
    return of_tree(tree(data, file), file)


def tree(data: bytes, file: str) -> Any:
    """Return the JSON in a file's bytes: no key twice, no number that is none.

    Raises:
        InstanceError: It is no JSON; ``file`` is named in it.
    """
    try:
        return json.loads(data, object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError as error:
        raise InstanceError(file, "", "is nested too deep") from error
    except ValueError as error:  # of json, of _object, of int, of UTF-8
        raise InstanceError(file, "", f"is no JSON that we read ({error})") from error


def of_tree(given: Any, file: str) -> Problem:
    """Return the instance that JSON says.

    Raises:
        InstanceError: It is none; ``file`` is named in it.
    """
    try:
        found = msgspec.convert(given, _Instance)
    except (msgspec.ValidationError, OverflowError) as error:
        problem, _, where = str(error).partition(" - at ")
        raise InstanceError(file, where.strip("`").removeprefix("$."), problem) from error
    for where, problem in _wrong(found):
        raise InstanceError(file, where, problem)
    return _problem(found)


def to_tree(problem: Problem) -> dict[str, Any]:
    """Return an instance as JSON; `of_tree` gives the problem again."""
    return {
        "ops": msgspec.to_builtins(problem.ops),
        "devices": [
            {
                "id": device.id,
                "memory_bytes": device.memory_bytes,
                "storage_bytes": device.storage_bytes,
                "watts": device.watts,
            }
            for device in problem.devices
        ],
        "links": msgspec.to_builtins(problem.links),
        "source": problem.source,
        "sink": problem.sink,
        "input_bytes": problem.input_bytes,
        "output_bytes": problem.output_bytes,
    }


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has {twice!r:.80} twice")
    return made


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _wrong(found: _Instance) -> Iterator[tuple[str, str]]:
    """Yield where something is wrong, and what."""
    for name, items, most in (
        ("ops", found.ops, MOST_OPS),
        ("devices", found.devices, MOST_DEVICES),
    ):
        if not 0 < len(items) <= most:
            yield name, f"has {len(items)} entries (expected 1 to {most})"
    if len(found.ops) * len(found.devices) ** 2 > MOST_HOPS:
        yield (
            "devices",
            f"are too many for so many operators (operators x devices^2 at most {MOST_HOPS:g})",
        )
    ids = [device.id for device in found.devices]
    yield from _names("devices", "id", ids)
    yield from _names("ops", "name", [op.name for op in found.ops])
    known = set(ids)
    for index, device in enumerate(found.devices):
        where = f"devices[{index}]"
        yield from _positive(f"{where}.memory_bytes", device.memory_bytes, LARGEST_MEMORY_BYTES)
        yield from _positive(f"{where}.storage_bytes", device.storage_bytes, LARGEST_MEMORY_BYTES)
        yield from _positive(f"{where}.watts", device.watts, 1e9)
    for index, op in enumerate(found.ops):
        last = index == len(found.ops) - 1
        yield from _wrong_op(f"ops[{index}]", op, known, last=last)
    yield from _wrong_links(found.links, known)
    for name, end, size in (
        ("source", found.source, "input_bytes"),
        ("sink", found.sink, "output_bytes"),
    ):
        if end is not None and end not in known:
            yield name, f"{end!r:.80} is no device of this file"
        if end is not None and getattr(found, size) is None:
            yield size, f"is missing, though there is a {name}"
        yield from _size(size, getattr(found, size))


def _wrong_op(where: str, op: _Op, known: set[str], *, last: bool) -> Iterator[tuple[str, str]]:
    for device, seconds in op.seconds.items():
        if device not in known:
            yield f"{where}.seconds", f"{device!r:.80} is no device of this file"
        yield from _positive(f"{where}.seconds[{device!r:.80}]", seconds, LONGEST_SECONDS)
    if op.out_bytes is None and not last:
        yield f"{where}.out_bytes", "is missing"
    for name in ("weight_bytes", "activation_bytes", "out_bytes"):
        yield from _size(f"{where}.{name}", getattr(op, name))


def _wrong_links(links: Sequence[_Link], known: set[str]) -> Iterator[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    for index, link in enumerate(links):
        where = f"links[{index}]"
        for name, end in (("from", link.from_), ("to", link.to)):
            if end not in known:
                yield f"{where}.{name}", f"{end!r:.80} is no device of this file"
        if link.from_ == link.to:
            yield where, f"leads from {link.from_!r:.80} to itself, which costs nothing anyway"
        if (link.from_, link.to) in seen:
            yield where, f"is the second from {link.from_!r:.80} to {link.to!r:.80}"
        seen.add((link.from_, link.to))
        if not 0 <= link.latency_seconds <= LONGEST_SECONDS:
            yield (
                f"{where}.latency_seconds",
                f"is {link.latency_seconds:g} (expected 0 to {LONGEST_SECONDS:g})",
            )
        yield from _positive(f"{where}.bytes_per_second", link.bytes_per_second, 1e15)


def _names(where: str, field: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            yield (
                f"{where}[{index}].{field}",
                f"is {name!r:.80} (expected 1 to {LONGEST_NAME} printable characters)",
            )
        if name in seen:
            yield f"{where}[{index}].{field}", f"{name!r:.80} is there twice"
        seen.add(name)


def _positive(where: str, value: float | None, most: float) -> Iterator[tuple[str, str]]:
    if value is not None and not 0 < value <= most:  # nor is not-a-number
        yield where, f"is {_shown(value)} (expected above 0, at most {most:g})"


def _size(where: str, value: int | None) -> Iterator[tuple[str, str]]:
    if value is not None and not 0 <= value <= LARGEST_BYTES:
        yield where, f"is {_shown(value)} (expected 0 to {LARGEST_BYTES:g})"


def _shown(value: float) -> str:
    digits = len(str(abs(value))) if isinstance(value, int) else 0
    return f"a number of {digits} digits" if digits > 300 else f"{value:g}"


def _problem(found: _Instance) -> Problem:
    return Problem(
        ops=tuple(
            Op(
                name=op.name,
                seconds=op.seconds,
                weight_bytes=op.weight_bytes,
                activation_bytes=op.activation_bytes,
                out_bytes=op.out_bytes or 0,
            )
            for op in found.ops
        ),
        devices=tuple(
            Device(
                id=device.id,
                memory_bytes=device.memory_bytes,
                storage_bytes=device.storage_bytes,
                watts=device.watts,
            )
            for device in found.devices
        ),
        links=tuple(
            Link(
                from_=link.from_,
                to=link.to,
                latency_seconds=link.latency_seconds,
                bytes_per_second=link.bytes_per_second,
            )
            for link in found.links
        ),
        source=found.source,
        sink=found.sink,
        input_bytes=found.input_bytes or 0,
        output_bytes=found.output_bytes or 0,
    )
