"""``paceline plan MODEL``: real models, and profiles on disk as `paceline profile` keeps them."""

import json

import msgspec
import pytest
from msgspec.structs import replace

from fleet.profiles import store, subject
from fleet.profiles.record import PartProfile
from paceline import cli
from tests.system.chains import write_model
from tests.unit.fleet.profiles import records

LAYERS = 6
ROWS, WIDTH = 64, 512
OPERATORS = tuple(n for i in range(LAYERS) for n in (f"m{i}", "y" if i == LAYERS - 1 else f"t{i}"))
FLEET = """\
devices:
  pi-1: {memory: 1GiB}
  pi-2: {memory: 1GiB}
links:
  pi-1<>pi-2: 940Mbit,0.3ms
source: pi-1
sink: pi-1
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder with a model, a fleet of two and profiles of both."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    write_model(tmp_path / "chain.onnx", rows=ROWS, width=WIDTH, layers=LAYERS)
    for device in ("pi-1", "pi-2"):
        keep(tmp_path, device, 0.060)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


def keep(folder, device, run, **changes):
    """Keep a profile of the model: MatMul takes nine tenths of each layer."""
    model = subject.identified(folder / "chain.onnx")
    times = [
        records.operator(
            at, run / LAYERS * (0.1 if at % 2 else 0.9), kind="Tanh" if at % 2 else "MatMul"
        )
        for at in range(2 * LAYERS)
    ]
    part = PartProfile(
        name="00-whole", operators=OPERATORS, constant=(), weight_bytes=6 << 20,
        peak_bytes=7 << 20, report=records.report(run=run, operators=times, kernels=times),
    )  # fmt: skip
    found = records.profile(part, device=device)
    question = replace(found.question, model=model.sha256, **changes)
    store.keep(
        folder / "cache" / "profiles",
        replace(found, model=model, sizes={"x": (ROWS, WIDTH)}, question=question),
    )


def planned(place, capsys, *options, code=0):
    """Return what ``paceline plan --json`` says."""
    got = cli.run(["plan", str(place / "chain.onnx"), "--fleet", str(place / "fleet.yaml"),
                    "--json", *options])  # fmt: skip
    said = capsys.readouterr()
    assert got == code, said.err
    return json.loads(said.out)


def test_two_alike_devices_halve_a_chain_when_replicas_cannot_be(place, capsys):
    """Where no device holds the whole model, half of it goes to each; C, D and T are said."""
    fleet = FLEET.replace("1GiB", "6.2MiB").replace("940Mbit", "10000Mbit")
    (place / "fleet.yaml").write_text(fleet)

    found = planned(place, capsys, "--codec", "raw")

    assert found["verdict"] == "split"
    assert found["single"] is None
    assert {stage["device"] for stage in found["stages"]} == {"pi-1", "pi-2"}
    assert found["objective_seconds"] == pytest.approx(0.030, rel=0.05)
    assert found["computational_complexity"] == LAYERS * ROWS * WIDTH * (WIDTH + 1)
    chosen = found["chosen"]
    rate = chosen["throughput_per_second"]
    assert rate * chosen["latency_seconds"] == pytest.approx(chosen["frames_in_flight"])
    assert chosen["compute_seconds"] == pytest.approx(0.060)


def test_replicas_of_the_whole_model_beat_a_split_that_sends_more(place, capsys):
    """Two devices that each serve the whole model do at least as much as a split: do not split."""
    found = planned(place, capsys)

    assert found["verdict"] == "do not split"
    assert found["chosen"]["replicas"] == 2
    assert found["next"][1] == "paceline deploy parts --to pi-1+pi-2"


def test_a_split_for_latency_does_not_pay_on_a_slow_link(place, capsys):
    """One device alone answers sooner than two with a slow link between."""
    (place / "fleet.yaml").write_text(FLEET.replace("940Mbit", "1Mbit"))

    found = planned(place, capsys, "--goal", "latency")

    assert found["verdict"] == "do not split"
    assert found["single_device"] == "pi-1"
    assert found["split"]["latency_seconds"] > found["single"]["latency_seconds"]


def test_what_is_printed_next_can_be_run(place, capsys):
    """The cuts of the printed split are those of the plan."""
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "6.2MiB"))
    found = planned(place, capsys)
    _, _, _, _, at, *_ = found["next"][0].split()

    code = cli.run(["split", str(place / "chain.onnx"), "--at", at, "--out", str(place / "parts"),
                     "--json"])  # fmt: skip

    made = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [s["operators"] for s in made["segments"]] == [
        s["operators"] for s in found["chosen"]["stages"]
    ]


def test_a_device_that_nobody_measured_is_named_with_the_command(place, capsys):
    """Without a profile planning ends with 3 and the line that measures."""
    fleet = FLEET.replace("  pi-2: {memory: 1GiB}", "  pi-2: {}\n  pi-3: {}")
    (place / "fleet.yaml").write_text(fleet)

    code = cli.run(["plan", str(place / "chain.onnx"), "--fleet", str(place / "fleet.yaml")])

    assert code == 3
    assert "chain.onnx --on pi-3" in capsys.readouterr().err


def test_a_described_device_is_as_fast_as_it_is_said_to_be(place, capsys):
    """A device that is described by one that is measured is planned for, and marked."""
    (place / "fleet.yaml").write_text(
        FLEET.replace("pi-2: {memory: 1GiB}", "pi-2: {speed: {like: pi-1, times: 3}}")
    )

    found = planned(place, capsys, "--goal", "latency", "--max-stages", "1")

    assert found["single_device"] == "pi-2"
    assert found["single"]["compute_seconds"] == pytest.approx(0.020)
    origins = {one["id"]: one["seconds_origin"] for one in found["devices"]}
    assert origins == {"pi-1": "measured", "pi-2": "described by hand"}


def test_a_pinned_operator_stays_where_it_must(place, capsys):
    """An operator that is pinned runs on its device; an unknown operator or device ends with 3."""
    found = planned(place, capsys, "--pin", "y=pi-2", "--pin", "m0=pi-1")

    assert [stage["device"] for stage in found["stages"]] == ["pi-1", "pi-2"]
    assert found["single"] is None
    for pin in ("nothing=pi-1", "y=pi-9"):
        assert cli.run(["plan", str(place / "chain.onnx"), "--fleet", str(place / "fleet.yaml"),
                         "--pin", pin]) == 3  # fmt: skip
        assert pin in capsys.readouterr().err


def test_nothing_fits(place, capsys):
    """Too little memory everywhere: exit 4, what is needed and had, and the nearest change."""
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "1MiB"))

    found = planned(place, capsys, code=4)

    assert found["verdict"] == "infeasible"
    assert found["shortage"]["needed_bytes"] > 6 << 20
    assert "memory more" in found["shortage"]["nearest_change"]


def test_goals_that_lack_figures_name_them(place, capsys):
    """Energy without watts and cost without prices end with 3."""
    for goal, missing in (("energy", "watts of pi-1"), ("cost", "cost of pi-2")):
        assert cli.run(["plan", str(place / "chain.onnx"), "--fleet", str(place / "fleet.yaml"),
                         "--goal", goal]) == 3  # fmt: skip
        assert missing in capsys.readouterr().err


def test_a_cloud_device_may_win(place, capsys):
    """A rented device that is fast enough for its way there is all that is needed: cloud only."""
    (place / "fleet.yaml").write_text(
        FLEET.replace("pi-2: {memory: 1GiB}", "pi-2: {cloud: true, speed: {like: pi-1, times: 50}}")
    )

    found = planned(place, capsys, "--goal", "latency")

    assert found["verdict"] == "cloud only"


def test_a_damaged_profile_is_as_none(place, capsys):
    """A profile that cannot be read is not planned with: the device is named."""
    for file in (place / "cache" / "profiles").glob("*.json"):
        file.write_bytes(b'{"half')

    assert cli.run(["plan", str(place / "chain.onnx"), "--fleet", str(place / "fleet.yaml")]) == 3
    assert "pi-1, pi-2" in capsys.readouterr().err


def test_this_machine_alone(place, capsys):
    """Without a fleet the machine's own profile is planned with, or asked for."""
    assert cli.run(["plan", str(place / "chain.onnx")]) == 3
    assert "--offline" in capsys.readouterr().err
    keep(place, "here", 0.010, site="")

    assert cli.run(["plan", str(place / "chain.onnx"), "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert (found["verdict"], found["single_device"]) == ("do not split", "here")
