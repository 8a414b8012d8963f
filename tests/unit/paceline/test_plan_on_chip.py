"""``paceline plan MODEL`` with accelerators whose own memory holds a part of the weights."""

import json

import pytest
from msgspec.structs import replace

from fleet.edgetpu import memory
from fleet.fleet_file import completing
from fleet.fleet_file.description import MEASURED, Device, Figure, Fleet
from fleet.profiles import store, subject
from fleet.profiles.record import PartProfile
from paceline import cli
from tests.fixtures.int8_tflite import dense_chain
from tests.unit.fleet.profiles import records
from wire.messages import Info, RuntimeInfo

MIB = 1 << 20
LAYERS, SIZE = 6, 1022
"""With a bias of 4 bytes for each output, a layer has just less than 1 MiB of weights."""
LAYER = SIZE * (SIZE + 4)
LIKE = "speed: {like: pi-1, times: 10}, memory: 1GiB, runtimes: [tflite_edgetpu]"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder with an int8 model of six equal layers, and a profile of it on ``pi-1``."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PACELINE_BROKER_URL", "mqtt://127.0.0.1:1")  # nobody is there
    path = tmp_path / "chain.tflite"
    path.write_bytes(dense_chain(layers=LAYERS, size=SIZE))
    times = [records.operator(at, 0.010, kind="FULLY_CONNECTED") for at in range(LAYERS)]
    part = PartProfile(
        name="00-whole", operators=tuple(f"dense_{n}" for n in range(LAYERS)), constant=(),
        weight_bytes=LAYERS * LAYER, peak_bytes=LAYERS * LAYER,
        report=records.report(run=0.060, operators=times, kernels=times),
    )  # fmt: skip
    found = records.profile(part, device="pi-1")
    model = subject.identified(path)
    question = replace(found.question, model=model.sha256)
    store.keep(
        tmp_path / "cache" / "profiles",
        replace(found, model=model, sizes={"x": (1, SIZE)}, question=question),
    )
    return tmp_path


def planned(place, capsys, *options):
    """Return what ``paceline plan --json`` says."""
    fleet, model = str(place / "fleet.yaml"), str(place / "chain.tflite")
    got = cli.run(["plan", model, "--fleet", fleet, "--json", *options])
    said = capsys.readouterr()
    assert got == 0, said.err
    return json.loads(said.out)


def fleet(on_chip, other=None):
    """Return a fleet of a Pi and two accelerators; the model has 6 MiB of weights."""
    return f"""\
devices:
  pi-1: {{memory: 1GiB}}
  tpu-1: {{{LIKE}, {on_chip}}}
  tpu-2: {{{LIKE}, {other or on_chip}}}
links:
  pi-1<>tpu-1: 10Gbit,0.1ms
  pi-1<>tpu-2: 10Gbit,0.1ms
  tpu-1<>tpu-2: 10Gbit,0.1ms
source: pi-1
sink: pi-1
"""


def test_weights_that_do_not_fit_travel_for_each_frame(place, capsys):
    """What does not fit costs bytes by rate; 1 MiB is kept for the program."""
    (place / "fleet.yaml").write_text(fleet("on_chip: 5MiB, stream: 100MB/s"))

    found = planned(place, capsys, "--goal", "latency")

    (stage,) = found["single"]["stages"]
    assert stage["streamed_bytes"] == LAYERS * LAYER - 4 * MIB
    assert stage["seconds"] == pytest.approx(0.006 + stage["streamed_bytes"] / 100e6)


def test_a_split_that_fits_is_found_though_its_parts_are_unequal(place, capsys):
    """By sums of operators halves would be better; but one of them would not stay in place."""
    small, large = "on_chip: 3MiB, stream: 10MB/s", "on_chip: 6MiB, stream: 10MB/s"
    (place / "fleet.yaml").write_text(fleet(small, large))

    found = planned(
        place, capsys, "--codec", "raw", "--pin", "dense_0=tpu-1", "--pin", "dense_5=tpu-2"
    )

    assert found["verdict"] == "split"
    stages = found["chosen"]["stages"]
    assert [stage["weight_bytes"] for stage in stages] == [2 * LAYER, 4 * LAYER]
    assert [stage["streamed_bytes"] for stage in stages] == [0, 0]
    assert not found["optimal"]
    assert "--for edgetpu" in found["next"][0]


def test_what_streams_is_told(place, capsys):
    """With the time that it takes."""
    (place / "fleet.yaml").write_text(fleet("on_chip: 5MiB, stream: 100MB/s"))

    arguments = ["plan", str(place / "chain.tflite"), "--fleet", str(place / "fleet.yaml")]
    pins = ["--pin", "dense_0=tpu-1", "--pin", "dense_5=tpu-1"]
    assert cli.run([*arguments, "--goal", "latency", *pins]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert "tpu-1: 2.0 MiB of weights do not fit its accelerator's memory" in said
    assert "in 21 ms" in said


def test_where_a_device_was_measured_that_counts_alone(place, capsys):
    """Whatever memory is described: it is in what was measured."""
    (place / "fleet.yaml").write_text("devices: {pi-1: {memory: 1GiB, on_chip: 2MiB}}")

    found = planned(place, capsys, "--goal", "latency")

    assert found["single"]["stages"][0]["streamed_bytes"] == 0
    assert found["single"]["compute_seconds"] == pytest.approx(0.060)


def test_a_device_says_what_memory_its_edge_tpu_has():
    """The smallest of several, proved ones alone; a file says otherwise."""
    said = Info(
        device="d1",
        version="0",
        runtimes=(
            RuntimeInfo(runtime=memory.RUNTIME, memory_bytes=8 * MIB, proved=True),
            RuntimeInfo(runtime=memory.RUNTIME, memory_bytes=4 * MIB, proved=False),
            RuntimeInfo(runtime="onnx_cuda", memory_bytes=2 * MIB, proved=True),
        ),
    )
    bare, described = Device(id="d1"), Device(id="d1", on_chip_bytes=Figure(value=1.0))

    for device, value in ((bare, 8 * MIB), (described, 1.0)):
        one = completing.completed(Fleet(devices=(device,)), {"d1": said}, {}, ()).devices[0]
        assert one.on_chip_bytes.value == value
    assert one.on_chip_bytes.origin != MEASURED
