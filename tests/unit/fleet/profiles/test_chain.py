"""A planner's problem from what was measured and described."""

import pytest

from fleet.fleet_file.description import BY_HAND, Device, Figure, Fleet, Link, Price, Speed
from fleet.profiles import chain
from fleet.survey import Along, ModelSurvey
from tests.unit.fleet.profiles.records import SHA256, operator, part, profile
from wire.manifest import ModelRef

OPERATORS = [operator(place, place / 1000) for place in range(4)]


def hand(value):
    """Return a figure that somebody described."""
    return Figure(value=value, origin=BY_HAND)


@pytest.fixture
def survey():
    """That of a model with three operators, the last two of which cannot be parted."""
    along = Along(
        names=("Conv", "Relu", "Conv"),
        writes=("a", "b", "y"),
        multiply_accumulates=(1, 0, 1),
        weight_bytes=(10, 0, 20),
        seconds=(),
        crossing_bytes=(100, 40, 60, 8),
        cuttable=(False, True, False, False),
    )
    return ModelSurvey(
        model=ModelRef(name="m.onnx", sha256=SHA256, size_bytes=8),
        inputs=(),
        outputs=(),
        sizes={},
        opsets={},
        operators=3,
        weight_bytes=30,
        kinds=(),
        along=along,
        places=(),
        cut_space="downsets",
    )


@pytest.fixture
def fleet():
    """A measured device, one that is twice as fast, and one of which nothing is known."""
    return Fleet(
        devices=(
            Device(id="d1", memory_bytes=hand(1000), watts=hand(5.0)),
            Device(
                id="d2",
                speed=Speed(like="d1", times=2.0),
                cost=Price(amount=73.0, unit="EUR/month"),
            ),
            Device(id="d3", cost=Price(amount=1.0, unit="EUR/GB")),
        ),
        links=(
            Link(source="d1", target="d2", latency_seconds=hand(0.1), bytes_per_second=hand(5.0)),
            Link(
                source="d1",
                target="d2",
                link="tcp",
                latency_seconds=hand(0.2),
                bytes_per_second=hand(9.0),
                message_seconds=hand(0.05),
            ),
            Link(source="d2", target="d1", latency_seconds=hand(0.1)),
        ),
        source="d1",
    )


def test_what_cannot_be_parted_is_one_operator(survey, fleet):
    """With the time of all of it on each device of which it is known."""
    measured = {"d1": profile(part(run=0.012, operators=OPERATORS, kernels=OPERATORS[1:]))}
    first, second = chain.problem(survey, fleet, measured).ops

    assert (first.name, second.name) == ("a", "y")
    assert first.seconds == pytest.approx({"d1": 0.002, "d2": 0.001})
    assert second.seconds == pytest.approx({"d1": 0.010, "d2": 0.005})
    assert (first.out_bytes, second.out_bytes) == (40, 8)
    assert (first.weight_bytes, second.weight_bytes) == (10, 20)
    assert (first.activation_bytes, second.activation_bytes) == (140, 100)


def test_devices_and_ends(survey, fleet):
    """Memory without the runtime's own, prices by the hour, what a frame and an answer carry."""
    made = chain.problem(survey, fleet, {"d1": profile()})
    by_id = {device.id: device for device in made.devices}

    assert by_id["d1"].memory_bytes == 1000 - 4
    assert by_id["d1"].watts == 5.0
    assert (by_id["d2"].cost, by_id["d2"].cost_unit) == (0.1, "EUR")
    assert (by_id["d3"].cost, by_id["d3"].memory_bytes) == (None, None)
    assert (made.source, made.sink, made.input_bytes, made.output_bytes) == ("d1", None, 100, 8)
    assert made.cut_space == "downsets"


def test_the_best_link_of_a_pair(survey, fleet):
    """Of those whose latency and rate are known; what a message costs is part of its latency."""
    (found,) = chain.problem(survey, fleet, {}).links

    assert (found.from_, found.to, found.bytes_per_second) == ("d1", "d2", 9.0)
    assert found.latency_seconds == pytest.approx(0.25)


def test_a_model_that_is_copied_while_it_is_loaded(survey, fleet):
    """Weights count as often as they are held."""
    given = profile().parts[0]
    heavy = chain.problem(survey, fleet, {"d1": profile(given)}).ops
    ratio = given.report.memory.loaded_bytes / given.weight_bytes

    assert ratio < 1
    assert [one.weight_bytes for one in heavy] == [10, 20]
