"""What ``paceline top`` shows of a site."""

import io

import msgspec
import pytest
from rich.console import Console

from fleet.hub.views import AccountView, NextStep, ProblemView
from paceline.top_view import bar, drawn
from tests.fixtures.hub_monitor import NOW, device, pipeline, site, stage

ESCAPE = "\x1b[31mred\x1b[0m\r\nnext"


def lines(view, width=80, height=None):
    """Return what a terminal without colours shows."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    console.print(drawn(view, NOW, width, height))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_what_limits_stands_with_the_stages_and_the_account_adds_up():
    """Each stage a row, then why one does not serve, what limits, and the equation."""
    shown = lines(site())

    assert shown[0] == "farm  3 of 3 devices heard, 1 in trouble  mqtt://localhost:1883"
    assert shown[2].startswith("detector  ✘ degraded  generation 7  12.5 frames/s  p50 210 ms")
    assert shown[3].split() == ["#", "device", "state", "frames/s", "run", "at", "work", "queue"]
    row = ["0", "pi1", "●", "serving", "12.5", "62", "ms", "━━━━━━━━──", "78%", "2"]
    assert shown[4].split() == row
    assert shown[5].split()[:4] == ["▸", "1", "pi2", "✘"]
    assert shown[7] == "   stage 1: pi2 is gone  device.lost, since 1 min"
    assert shown[8].startswith("   ▸ stage 1 on pi2 works 97 % of the time")
    assert "1003 submitted = 998 results + 2 errors + 0 drops + 3 in flight" in shown[9]
    assert shown[10] == "   errors: worker.lost 2"


def test_devices_in_trouble_come_first_with_what_to_do():
    """Then the others, a row each."""
    shown = lines(site())
    begin = shown.index("✘ pi2  lost, heard 1 min ago")

    assert shown[begin + 1] == "    the broker lost its connection  device.lost, since 1 min"
    assert shown[begin + 2] == "    → paceline doctor --device pi2  it was lost"
    assert shown[begin + 3].split() == [
        "●",
        "pi1",
        "online",
        "CPU",
        "50%",
        "2.8",
        "GiB",
        "free",
        "62",
        "°C",
    ]
    assert shown[begin + 4].startswith("● pi3")


@pytest.mark.parametrize("width", [80, 120])
def test_a_row_is_a_line(width):
    """Nothing of a stage is wrapped; a wide terminal shows more of it."""
    shown = lines(site(), width)
    titles = shown[3].split()

    assert ("runtime" in titles, "memory" in titles) == (width == 120, width == 120)
    assert [line.split()[-9 if width == 80 else 0] for line in shown[4:7]]
    assert all(len(line) <= width for line in shown)
    assert len([line for line in shown if "━" in line]) == 3


def test_a_wide_terminal_says_what_feeds_a_stage():
    """The link that frames come by; a dash where it is not known."""
    first, second = stage(0, "pi1"), stage(1, "pi2")
    one = pipeline("p", (first, second))
    unknown = msgspec.structs.replace(one.links[1], link=None)
    told = msgspec.structs.replace(one, links=(one.links[0], unknown, one.links[2]))
    titles, *rows = (" ".join(line.split()) for line in lines(site(pipelines=(told,)), 120)[3:6])

    assert "runtime fed by frames/s" in titles
    assert "onnx_cpu mqtt 12.5" in rows[0]
    assert "onnx_cpu – 12.5" in rows[1]


def test_a_large_site_fits_a_line_and_a_small_terminal_is_told_what_is_below():
    """Many devices that are well share a line; what has no room is counted."""
    many = tuple(device(f"d{number:03}") for number in range(300))

    shown = lines(site(many, ()))
    assert len([line for line in shown if "300 more: d000, d001" in line]) == 1
    small = lines(site(), 80, 8)
    assert len(small) == 8
    assert small[-1].startswith("… ")
    assert small[:-1] == lines(site())[:7]


def test_what_a_device_says_cannot_move_the_cursor():
    """Control characters of a message, a command or a code are not printed."""
    evil = device(
        "pi1",
        state="error",
        problems=(ProblemView(code=ESCAPE, message=ESCAPE),),
        next_step=NextStep(command=ESCAPE, why=ESCAPE),
    )
    account = AccountView(
        submitted=1, results=0, errors={ESCAPE: 1}, drops=0, in_flight=0, lost=1, clients=1
    )
    shown = lines(
        site((evil,), (pipeline("p", (stage(0, "pi1", segment=ESCAPE),), account=account),))
    )

    assert "\x1b" not in "".join(shown)
    assert [line for line in shown if line == "next"] == []
    assert any("1 frame ended by deadline, no stage has said why" in line for line in shown)


def test_what_is_not_known_is_a_dash():
    """Never a zero."""
    nothing = dict.fromkeys(("frames_per_second", "run_seconds_p50", "utilisation_ratio"))
    view = site(
        (device("pi1"),), (pipeline("p", (stage(0, "pi1", queued_frames=None, **nothing),)),)
    )

    assert lines(view)[4].split() == ["0", "pi1", "●", "serving", "–", "–", "–", "–"]
    assert bar(2.5).plain == "━━━━━━━━━━ 250%"


def test_a_hub_in_trouble_says_so_at_the_top():
    """Without its broker what stands below is old."""
    hub = msgspec.structs.replace(
        site().hub, connected=False, broker_problem="refused", database_problem="disk full"
    )
    shown = lines(site(hub=hub, devices_known=9, devices_missing=("a", "b")))

    assert "✘ the hub does not have its broker: refused" in shown
    assert "✘ the hub's database: disk full" in shown
    assert "not heard since the hub started: a, b and 4 more" in shown
