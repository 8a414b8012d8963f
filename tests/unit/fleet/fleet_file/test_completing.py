"""What is described, completed by what was measured."""

import pytest
from msgspec.structs import replace

from fleet.fleet_file import completing
from fleet.fleet_file.description import (
    BY_HAND,
    MEASURED,
    UNKNOWN,
    Device,
    Figure,
    Fleet,
    Link,
    Speed,
)
from tests.unit.fleet.profiles.link_records import link
from tests.unit.fleet.profiles.records import operator, part, profile
from wire.messages import Info, RuntimeInfo

OPERATORS = [operator(place, place / 1000) for place in range(4)]


def hand(value):
    """Return a figure that somebody described."""
    return Figure(value=value, origin=BY_HAND)


def measured(value):
    """Return a figure that was measured."""
    return Figure(value=value, origin=MEASURED)


def info(memory_bytes=8 << 30):
    """Return what a device says of itself."""
    works = RuntimeInfo(runtime="onnx_cpu", proved=True)
    broken = RuntimeInfo(runtime="onnx_gpu", proved=False)
    return Info(device="d1", version="1", runtimes=(works, broken), memory_bytes=memory_bytes)


def of_device(made, **changes):
    """Return a profile whose report has these figures."""
    given = made.parts[0]
    return replace(made, parts=(replace(given, report=replace(given.report, **changes)),))


def test_what_is_described_goes_before_what_was_measured():
    """What neither tells is unknown."""
    given = of_device(profile(), watts=6.0, storage_bytes=500, memory_limit_bytes=1 << 30)
    fleet = Fleet(devices=(Device(id="d1", watts=hand(9.0)), Device(id="d2")))
    first, second = completing.completed(fleet, {"d1": info()}, {"d1": given}, ()).devices

    assert first.watts == hand(9.0)
    assert first.storage_bytes == measured(500)
    assert first.memory_bytes == measured(1 << 30)
    assert first.runtimes == ("onnx_cpu",)
    assert first.idle_watts == UNKNOWN
    assert second == Device(id="d2")


def test_a_device_without_a_limit_has_its_memory():
    """As it says itself."""
    fleet = completing.described(["d1"])
    (device,) = completing.completed(fleet, {"d1": info()}, {}, ()).devices

    assert device.memory_bytes == measured(8 << 30)


def test_links_are_completed_and_found():
    """What is described of a pair holds for each link that was measured there."""
    fleet = Fleet(
        devices=tuple(Device(id=name) for name in ("d1", "d2", "d3")),
        links=(
            Link(source="d1", target="d2", bytes_per_second=hand(1e6)),
            Link(source="d1", target="d3", latency_seconds=hand(0.1)),
        ),
    )
    found = completing.completed(
        fleet, {}, {}, [link(), link(name="mqtt"), link("d2", "d1"), link("d1", "d9")]
    ).links
    by_way = {(one.source, one.target, one.link): one for one in found}

    assert set(by_way) == {
        ("d1", "d2", "tcp"), ("d1", "d2", "mqtt"), ("d2", "d1", "tcp"), ("d1", "d3", None),
    }  # fmt: skip
    assert by_way["d1", "d2", "tcp"].bytes_per_second == hand(1e6)
    assert by_way["d1", "d2", "tcp"].latency_seconds == measured(0.0005)
    assert by_way["d2", "d1", "tcp"].bytes_per_second == measured(1e8)
    assert by_way["d1", "d3", None].bytes_per_second == UNKNOWN


def test_operators_of_a_device_that_is_compared_with_another():
    """So many times as fast; only the other's figures are measured ones."""
    fleet = Fleet(
        devices=(
            Device(id="d1"),
            Device(id="d2", speed=Speed(like="d1", times=4.0)),
            Device(id="d3"),
        )
    )
    profiles = {"d1": profile(part(run=0.012, operators=OPERATORS, kernels=OPERATORS[1:]))}
    own = completing.operator_seconds(fleet, "d1", profiles)
    other = completing.operator_seconds(fleet, "d2", profiles)

    assert {name: figure.value for name, figure in own.items()} == pytest.approx(
        {"a": 0.002, "b": 0.004, "y": 0.006}
    )
    assert {figure.origin for figure in own.values()} == {MEASURED}
    assert other["y"].value == pytest.approx(0.0015)
    assert {figure.origin for figure in other.values()} == {BY_HAND}
    assert completing.operator_seconds(fleet, "d3", profiles) == {}
