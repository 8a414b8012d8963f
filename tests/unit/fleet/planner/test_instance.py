"""Reading an instance: what is right is a problem, what is wrong is named."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.planner import instance
from fleet.planner.errors import InstanceError
from fleet.planner.problem import Device, Link, Op, Problem

GOOD = {
    "ops": [
        {
            "name": "op0",
            "seconds": {"d0": 0.01, "d1": 0.03},
            "weight_bytes": 1000,
            "activation_bytes": 10,
            "out_bytes": 4096,
        },
        {"name": "op1", "seconds": {"d1": 1}, "weight_bytes": 0, "activation_bytes": 0},
    ],
    "devices": [{"id": "d0", "memory_bytes": 100000000, "watts": 5.0}, {"id": "d1"}],
    "links": [{"from": "d0", "to": "d1", "latency_seconds": 0, "bytes_per_second": 1.0e7}],
    "source": "d0",
    "sink": "d0",
    "input_bytes": 602112,
    "output_bytes": 4000,
}


def changed(path, value):
    """Return the good instance as text with one value changed; `...` takes it away."""
    made = json.loads(json.dumps(GOOD))
    *way, last = path
    place = made
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(made).encode()


def test_a_good_instance_is_a_problem():
    """As the issue writes one; `out_bytes` of the last operator may be left out."""
    assert instance.parse(json.dumps(GOOD).encode(), "x.json") == Problem(
        ops=(
            Op(
                name="op0",
                seconds={"d0": 0.01, "d1": 0.03},
                weight_bytes=1000,
                activation_bytes=10,
                out_bytes=4096,
            ),
            Op(name="op1", seconds={"d1": 1.0}),
        ),
        devices=(Device(id="d0", memory_bytes=100000000, watts=5.0), Device(id="d1")),
        links=(Link(from_="d0", to="d1", latency_seconds=0.0, bytes_per_second=1e7),),
        source="d0",
        sink="d0",
        input_bytes=602112,
        output_bytes=4000,
    )


def test_without_ends_their_sizes_may_be_missing():
    """Nobody sends there."""
    made = {key: GOOD[key] for key in ("ops", "devices", "links")}

    problem = instance.parse(json.dumps(made).encode(), "x.json")

    assert (problem.source, problem.input_bytes) == (None, 0)


@pytest.mark.parametrize(
    ("path", "value", "where", "problem"),
    [
        (["ops"], [], "ops", "has 0 entries"),
        (["ops"], ..., "", "missing required field `ops`"),
        (["devices"], [], "devices", "has 0 entries"),
        (["links"], 7, "links", "Expected `array`"),
        (["more"], 1, "", "unknown field `more`"),
        (["ops", 0, "flops"], 1, "ops[0]", "unknown field `flops`"),
        (["ops", 0, "name"], "op1", "ops[1].name", "'op1' is there twice"),
        (["ops", 0, "name"], "", "ops[0].name", "printable"),
        (["ops", 0, "name"], "a\x1b[2J", "ops[0].name", "printable"),
        (["ops", 0, "seconds", "d0"], 0, "ops[0].seconds['d0']", "is 0 (expected above 0"),
        (["ops", 0, "seconds", "d0"], -1, "ops[0].seconds['d0']", "is -1"),
        (["ops", 0, "seconds", "d0"], "1", "ops[0].seconds[...]", "Expected `float`"),
        (["ops", 0, "seconds", "d7"], 1.0, "ops[0].seconds", "'d7' is no device"),
        (["ops", 0, "weight_bytes"], -1, "ops[0].weight_bytes", "is -1"),
        (["ops", 0, "weight_bytes"], 1.5, "ops[0].weight_bytes", "Expected `int`"),
        (["ops", 0, "weight_bytes"], 10**30, "ops[0].weight_bytes", "expected 0 to"),
        (["ops", 0, "activation_bytes"], ..., "ops[0]", "missing required field"),
        (["ops", 0, "out_bytes"], ..., "ops[0].out_bytes", "is missing"),
        (["devices", 1, "id"], "d0", "devices[1].id", "'d0' is there twice"),
        (["devices", 0, "memory_bytes"], 0, "devices[0].memory_bytes", "is 0"),
        (["devices", 0, "memory_bytes"], -5, "devices[0].memory_bytes", "is -5"),
        (["devices", 0, "memory_bytes"], 10**400, "devices[0].memory_bytes", "401 digits"),
        (["devices", 0, "storage_bytes"], 0, "devices[0].storage_bytes", "is 0"),
        (["devices", 0, "watts"], -5, "devices[0].watts", "is -5"),
        (["links", 0, "to"], "d9", "links[0].to", "'d9' is no device"),
        (["links", 0, "from"], "d9", "links[0].from", "'d9' is no device"),
        (["links", 0, "to"], "d0", "links[0]", "to itself"),
        (["links"], GOOD["links"] * 2, "links[1]", "is the second from 'd0' to 'd1'"),
        (["links", 0, "bytes_per_second"], 0, "links[0].bytes_per_second", "is 0"),
        (["links", 0, "latency_seconds"], -0.1, "links[0].latency_seconds", "is -0.1"),
        (["source"], "d9", "source", "'d9' is no device"),
        (["sink"], "d9", "sink", "'d9' is no device"),
        (["input_bytes"], ..., "input_bytes", "is missing, though there is a source"),
        (["output_bytes"], -1, "output_bytes", "is -1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(path, value, where, problem):
    """One thing wrong in a good instance."""
    with pytest.raises(InstanceError) as caught:
        instance.parse(changed(path, value), "x.json")

    assert caught.value.where == where
    assert problem in caught.value.problem
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no JSON that we read"),
        (b"[]", "Expected `object`"),
        (b"\xff\xfe{}", "no JSON that we read"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"ops": NaN}', "NaN is no number"),
        (b'{"ops": [], "ops": []}', "has 'ops' twice"),
        (b'{"ops": ' + b"1" * 5000 + b"}", "no JSON that we read"),
        (changed(["ops", 0, "seconds", "d0"], 7).replace(b"7", b"1e999"), "is inf"),
        (changed(["links", 0, "bytes_per_second"], 7).replace(b"7", b"-Infinity"), "no number"),
    ],
)
def test_what_is_no_json_of_ours_is_refused(data, problem):
    """Not-a-number in any spelling, what is doubled, what is endless."""
    with pytest.raises(InstanceError, match=problem):
        instance.parse(data, "x.json")


@settings(max_examples=50)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_problem_or_a_named_error(data):
    """Nothing else comes out."""
    with suppress(InstanceError):
        instance.parse(data, "x.json")


def test_files_that_cannot_be_read_are_named(tmp_path):
    """One that is not there, a folder, and one that is too large."""
    with pytest.raises(InstanceError, match="cannot be read"):
        instance.read(tmp_path / "none.json")
    with pytest.raises(InstanceError, match="cannot be read"):
        instance.read(tmp_path)
    large = tmp_path / "large.json"
    with large.open("wb") as opened:
        opened.truncate(instance.LARGEST_FILE_BYTES + 1)
    with pytest.raises(InstanceError, match="is larger than"):
        instance.read(large)


def test_more_hops_than_fit_into_memory_are_refused():
    """Operators and devices are few enough, but not both together."""
    ops = [{**GOOD["ops"][1], "name": f"op{i}", "out_bytes": 1} for i in range(3000)]
    devices = [{"id": f"d{i}"} for i in range(60)]

    with pytest.raises(InstanceError, match="too many for so many operators"):
        instance.parse(json.dumps({"ops": ops, "devices": devices}).encode(), "x.json")
