"""What a fleet file says, and all that may be wrong with it."""

from pathlib import Path

import pytest

from fleet.errors import BadRequestError
from fleet.fleet_file import reading
from fleet.fleet_file.description import BY_HAND, UNKNOWN, Figure, Price, Speed
from fleet.fleet_file.errors import FleetFileError

EXAMPLE = Path(__file__).parents[4] / "configs" / "fleet.yaml"


def hand(value):
    """Return a figure that somebody described."""
    return Figure(value=value, origin=BY_HAND)


@pytest.fixture
def written(tmp_path):
    """Give what writes a file."""

    def write(text):
        file = tmp_path / "fleet.yaml"
        file.write_text(text)
        return file

    return write


def problems(file):
    """Return what is wrong, without the folder."""
    return [str(p).replace(f"{file.parent}/", "") for p in reading.examined(file)[1]]


def test_the_example_says_what_it_says():
    """Classes, units, both ways of a link, what is not known."""
    fleet = reading.read(EXAMPLE)
    by_id = {device.id: device for device in fleet.devices}
    links = {(link.source, link.target): link for link in fleet.links}

    assert by_id["pi-2"].memory_bytes == hand(7 << 30)
    assert by_id["pi-2"].speed is None
    assert by_id["jetson-1"].storage_bytes == UNKNOWN
    assert by_id["rented-1"].cloud
    assert by_id["rented-1"].cost == Price(amount=0.05, unit="EUR/hour")
    assert fleet.speed("rented-1") == ("pi-1", 6.0)
    assert links["pi-2", "pi-1"].bytes_per_second == hand(940e6 / 8)
    assert links["pi-1", "rented-1"].latency_seconds == hand(0.018)
    assert links["pi-1", "rented-1"].link == "mqtt"
    assert (fleet.source, fleet.sink, len(links)) == ("pi-1", "pi-1", 6)


def test_a_device_says_otherwise_than_its_class(written):
    """Key by key."""
    fleet = reading.read(
        written("classes: {a: {memory: 1GiB, watts: 5W}}\ndevices: {x: {class: a, memory: 2GiB}}")
    )

    assert fleet.devices[0].memory_bytes == hand(2 << 30)
    assert fleet.devices[0].watts == hand(5)


def test_speeds_may_be_told_by_each_other(written):
    """As long as one at the end is measured."""
    text = "devices: {a: , b: {speed: {like: a, times: 2}}, c: {speed: {like: b, times: 3}}}"
    fleet = reading.read(written(text))

    assert fleet.device("c").speed == Speed(like="b", times=3)
    assert fleet.speed("c") == ("a", 6.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("devices:\n  a: {memry: 1}", "fleet.yaml:2: devices.a.memry: unknown key; did you"),
        ("device: {a: }", "fleet.yaml:1: device: unknown key; did you mean devices?"),
        ("devices: {a: {memory: 0}}", "memory: expected bytes, such as 4GiB, got int 0"),
        ("devices: {a: {memory: -1GiB}}", "got str '-1GiB'"),
        ("devices: {a: {watts: .nan}}", "watts: expected a power above 0, such as 5W, got"),
        ("devices: {a: {memory: .inf}}", "got float inf"),
        ("devices: {a: {memory: 8Mbit}}", "got str '8Mbit'"),
        ("devices: {a: {memory: true}}", "got bool True"),
        ("devices: {a: {cloud: yes please}}", "cloud: expected true or false"),
        ("devices: {a: {runtimes: []}}", "runtimes: expected a list of runtimes"),
        ("devices: {a: {runtimes: onnx_cpu}}", "runtimes: expected a list of runtimes"),
        ("devices: {a: {cost: 5}}", "cost: expected a mapping of amount and unit"),
        ("devices: {a: {cost: {amount: 5, unit: EUR}}}", "cost.unit: expected a currency"),
        ("devices: {a: {cost: {amount: -5, unit: EUR/hour}}}", "cost.amount: expected a number"),
        ("devices: {a: {cost: {amount: 5W, unit: EUR/hour}}}", "cost.amount: expected a number"),
        ("devices: {A: }", "devices.A: expected an id"),
        ("devices: {}", "devices: expected 1 to 256 devices, got 0"),
        ("devices: [a, b]", "devices: expected a mapping, got a list"),
        ("devices: {a: {class: rpi}}", "a.class: expected a class of this file, got str 'rpi'"),
        ("classes: {rpi5: }\ndevices: {a: {class: rpi}}", "(did you mean rpi5?)"),
        ("classes: {b: {class: c}}\ndevices: {a: }", "classes.b.class: expected no class of"),
        ("classes: {b: {memory: 0}}\ndevices: {a: {class: b}}", "classes.b.memory: expected bytes"),
        ("devices: {a: {speed: 4}}", "a.speed: expected `measured`, or {like: DEVICE"),
        ("devices: {a: {speed: {like: b, times: 4}}}", "speed.like: expected a device of"),
        ("devices: {a: {speed: {like: a, times: 4}}}", "a device that is not described"),
        ("devices: {a: , b: {speed: {like: a, times: 0}}}", "speed.times: expected a number"),
        ("devices: {a: , b: {speed: {like: a, times: .nan}}}", "speed.times: expected a number"),
        ("devices: {a: , b: }\nlinks: {a-b: 1Mbit}", "links.a-b: expected two devices, such as"),
        ("devices: {a: , b: }\nlinks: {a>a: 1Mbit}", "links.a>a: expected two devices"),
        ("devices: {abc: , b: }\nlinks: {abd>b: 1Mbit}", "(did you mean abc?), got 'abd'"),
        ("devices: {a: , b: }\nlinks: {a>b: fast}", "links.a>b: expected a text such as"),
        ("devices: {a: , b: }\nlinks: {a>b: 20}", "links.a>b: expected a text such as"),
        ("devices: {a: , b: }\nlinks: {a>b: {link: string}}", "a>b.link: expected one of auto"),
        ("devices: {a: , b: }\nlinks: {a>b: {bandwidth: 0}}", "bandwidth: expected a rate above 0"),
        ("devices: {a: , b: }\nlinks: {a<>b: 1Mbit, b>a: 1Mbit}", "expected b>a once, got it"),
        ("devices: {a: }\nsource: b", "fleet.yaml:2: source: expected a device of this file"),
        ("devices: &a {a: }", "anchors and aliases are not allowed"),
        ("devices: {a: , a: }", "the key 'a' stands here twice"),
        ("- a", "no mapping of keys to values"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(written, text, expected):
    """File, line, key, what was expected and what was got; nothing else is complained of."""
    found = problems(written(text))

    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("fleet.yaml")


def test_all_that_is_wrong_is_said_in_order(written):
    """So one look is enough."""
    file = written("devices:\n  a: {watts: 0}\n  b: {memry: 1}\nlinks:\n  a>c: 1Mbit\nsink: d")

    assert [line.split(":")[1] for line in problems(file)] == ["2", "3", "5", "6"]
    with pytest.raises(FleetFileError, match=r"yaml:2: devices\.a\.watts"):
        reading.read(file)


@pytest.mark.parametrize("place", ["nowhere.yaml", ".", "binary"])
def test_a_file_that_cannot_be_read(tmp_path, place):
    """One sentence, and exit code 3."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(FleetFileError) as caught:
        reading.read(tmp_path / place)

    assert caught.value.exit_code == 3


def test_a_link_written_short():
    """As on a command line."""
    found = reading.link_of("20Mbit,8ms")

    assert found == {"bytes_per_second": hand(2.5e6), "latency_seconds": hand(0.008)}
    assert reading.link_of("0ms") == {"latency_seconds": hand(0)}
    for text in ("", "20Mbit,", "20Mbit,30Mbit", "8ms,8ms", "20", "x"):
        with pytest.raises(BadRequestError):
            reading.link_of(text)
