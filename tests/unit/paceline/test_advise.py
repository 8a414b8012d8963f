"""``paceline advise``: what one more device would give, from profiles on disk."""

import json

import pytest

from paceline import cli
from tests.system.chains import write_model
from tests.unit.paceline.test_plan_model import LAYERS, ROWS, WIDTH, keep

CLASSES = """\
classes:
  rpi5: {memory: 1GiB}
  jetson: {speed: {like: pi-1, times: 4}, memory: 1GiB}
  coral: {runtimes: [tflite_edgetpu]}
devices:
  pi-1: {class: rpi5}
  pi-2: {class: rpi5}
links: {pi-1<>pi-2: "1000Mbit,0.3ms"}
source: pi-1
sink: pi-1
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder with a model, classes of devices, and profiles of two of one class."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    write_model(tmp_path / "chain.onnx", rows=ROWS, width=WIDTH, layers=LAYERS)
    for device in ("pi-1", "pi-2"):
        keep(tmp_path, device, 0.060)
    (tmp_path / "fleet.yaml").write_text(CLASSES)
    return tmp_path


def advised(place, capsys, *options, fleet=True, code=0):
    """Return what there is, what additions would give, and what was said aside."""
    file = ["--fleet", str(place / "fleet.yaml")] if fleet else []
    got = cli.run(["advise", str(place / "chain.onnx"), *file, "--json", *options])
    said = capsys.readouterr()
    assert got == code, said.err
    found = json.loads(said.out)
    return found.get("now"), {one["add"]: one for one in found.get("additions", ())}, said.err


def test_each_addition_is_planned_by_itself(place, capsys):
    """A third like the two there adds half; a faster one more; each figure says how it is known."""
    now, more, _ = advised(place, capsys, "--add", "coral|rpi5|jetson", "--link", "1000Mbit")

    assert now["throughput"]["value"] == pytest.approx(2 / 0.060)
    assert (now["devices"], now["latency"]["origin"]) == (["pi-1", "pi-2"], "measured")
    assert now["throughput"]["change"] is None
    assert more["rpi5"]["throughput"]["change"] == pytest.approx(0.5)
    assert more["rpi5"]["latency"]["change"] == pytest.approx(0)
    assert more["jetson"]["throughput"]["value"] == pytest.approx(6 / 0.060)
    assert more["jetson"]["latency"]["value"] < 0.060
    assert more["jetson"]["latency"]["origin"] == "described by hand"
    assert more["jetson"]["throughput"]["verdict"] == "do not split"
    assert more["coral"]["throughput"]["change"] == pytest.approx(0)
    assert more["coral"]["notes"] == ["coral does not run onnx_cpu"]


def test_what_nobody_knows_is_unknown(place, capsys):
    """A class without a speed, and a link that nobody knows, give no number but what to do."""
    _, more, _ = advised(place, capsys, "--add", "rpi4", "--add", "jetson,rpi5")

    assert more["rpi4"]["throughput"] == {"value": None, "origin": "unknown"}
    assert "--on rpi4-1" in more["rpi4"]["to_know"][0]
    assert "speed: {like: pi-1, times: N}" in more["rpi4"]["to_know"][1]
    assert more["jetson"]["unknown"] == ["no links of jetson-1 are known"]
    assert more["jetson"]["to_know"][1] == "paceline link pi-1 jetson-1"
    assert more["rpi5"]["throughput"]["value"] == pytest.approx(3 / 0.060)  # as its peers' links
    assert more["rpi5"]["notes"] == ["links of rpi5-1 are taken as those of pi-1"]


def test_classes_with_counts(place, capsys):
    """`--have` takes classes with counts, also of devices that were measured, without a file."""
    now, more, _ = advised(place, capsys, "--have", "pi-1x3", "--add", "pi-2x2", fleet=False)
    nothing, _, _ = advised(place, capsys, "--have", "rpi5x2", "--add", "coral", fleet=False)

    assert now["devices"] == ["pi-1-1", "pi-1-2", "pi-1-3"]
    assert now["throughput"]["value"] == pytest.approx(3 / 0.060)
    assert "no links of pi-1-1" in now["notes"][-1]
    assert more["pi-2x2"]["throughput"]["value"] == pytest.approx(5 / 0.060)
    assert nothing["latency"] == {"value": None, "origin": "unknown"}
    assert "sold with" in nothing["unknown"][0]


@pytest.mark.parametrize(
    ("have", "code", "words"),
    [
        ("rpi5x0", 2, "1 to 32"),
        ("rpi5xNaN", 2, "1 to 32"),
        ("rpi5x-1", 2, "1 to 32"),
        ("rpi5x99999999999999999999", 2, "1 to 32"),
        ("", 2, "empty"),
        ("jetsun", 3, "did you mean jetson?"),
    ],
)
def test_what_is_no_class_is_refused_by_name(place, capsys, have, code, words):
    """Unknown classes end with 3 and those that are known, counts that are none with 2."""
    _, _, said = advised(place, capsys, "--have", have, "--add", "rpi5", code=code)

    assert words in said


def test_nothing_fits(place, capsys):
    """Where all is known and no device has the memory, with any addition, the exit code is 4."""
    (place / "fleet.yaml").write_text(CLASSES.replace("1GiB", "1MiB"))

    now, more, _ = advised(place, capsys, "--add", "rpi5", code=4)

    assert (now["throughput"], more["rpi5"]["latency"]) == (None, None)
    assert "nothing fits" in now["notes"][0]


def test_a_device_of_the_file_is_itself(place, capsys):
    """What is there needs no link to itself; one more like it is another one."""
    now, more, _ = advised(place, capsys, "--have", "pi-1", "--add", "pi-1")

    assert now["devices"] == ["pi-1"]
    assert now["latency"]["value"] == pytest.approx(0.060)
    assert more["pi-1"]["devices"] == ["pi-1", "pi-1-1"]


def test_nothing_fits_now_and_an_addition_is_unknown(place, capsys):
    """Not all is known, so it is no failure."""
    (place / "fleet.yaml").write_text(CLASSES.replace("1GiB", "1MiB"))

    now, more, _ = advised(place, capsys, "--add", "rpi4")

    assert now["throughput"] is None
    assert more["rpi4"]["throughput"]["origin"] == "unknown"


def test_a_link_between_two_of_a_kind_is_the_fastest_that_one_has(place, capsys):
    """Not the one to a rented device, though the file names it first; what counts as none is said.

    So is a link of which nobody knows how long it takes.
    """
    rented = "  rented: {cloud: true, speed: {like: pi-1, times: 1}}\nlinks: "
    links = '{pi-1<>rented: "1Mbit,90ms", pi-1<>pi-2: "1000Mbit"}'
    text = CLASSES.replace("links: ", rented).replace('{pi-1<>pi-2: "1000Mbit,0.3ms"}', links)
    (place / "fleet.yaml").write_text(text)

    _, more, _ = advised(place, capsys, "--have", "pi-1", "--add", "rpi5")

    assert more["rpi5"]["throughput"]["value"] == pytest.approx(2 / 0.060)
    assert any("counted as none" in note for note in more["rpi5"]["notes"])
