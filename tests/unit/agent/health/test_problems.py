import pytest

from agent.health import problems
from agent.health.problems import HOLD_SECONDS, Finding, found, standing
from agent.probes import Reading

MIB = 1 << 20


def _reading(name, value, **labels):
    return Reading(name, value, tuple(labels.items()))


def _judged(*readings):
    """Return what is wrong, as code and severity."""
    return {(finding.code, finding.severity) for finding in found(readings)}


def _disk(free_mib, total_mib):
    return (
        _reading("disk_free_bytes", free_mib * MIB),
        _reading("disk_total_bytes", total_mib * MIB),
    )


def _memory(available_mib, total_mib):
    return (
        _reading("memory_available_bytes", available_mib * MIB),
        _reading("memory_total_bytes", total_mib * MIB),
    )


def _zone(celsius, limit=None):
    zone = {"zone": "cpu-thermal", "number": "0"}
    limits = [] if limit is None else [_reading("thermal_limit_celsius", limit, **zone)]
    return (_reading("thermal_celsius", celsius, **zone), *limits)


def _flag(kind, span):
    return _reading("throttled_flag", 1, kind=kind, span=span)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ((), set()),
        ((_flag("throttled", "now"),), {("device.throttled", "error")}),
        ((_flag("frequency_capped", "occurred"),), {("device.throttled", "warning")}),
        ((_flag("undervoltage", "now"),), {("device.undervoltage", "error")}),
        ((_flag("undervoltage", "occurred"),), {("device.undervoltage", "warning")}),
        ((_reading("throttled_flag", 0, kind="throttled", span="now"),), set()),
        (
            (_reading("cooling_ratio", 0.1, cooler="cpufreq-cpu0", number="1"),),
            {("device.throttled", "warning")},
        ),
        ((_reading("cooling_ratio", 1.0, cooler="pwm-fan", number="0"),), set()),
        (_zone(84, 110), set()),
        (_zone(90, 110), {("device.hot", "warning")}),
        (_zone(76, 85), {("device.hot", "warning")}),
        (_zone(81, 85), {("device.hot", "error")}),
        (_zone(89), set()),
        (_zone(99), {("device.hot", "warning")}),
        (
            (
                _reading("coral_celsius", 86.5, device="apex_0"),
                _reading("coral_limit_celsius", 84.8, device="apex_0"),
            ),
            {("device.hot", "warning")},
        ),
        (
            (
                _reading("coral_celsius", 95.0, device="apex_0"),
                _reading("coral_limit_celsius", 84.8, device="apex_0"),
                _reading("coral_slowest_celsius", 94.8, device="apex_0"),
            ),
            {("device.hot", "error")},
        ),
        (_disk(8000, 30000), set()),
        (_disk(1400, 30000), {("device.disk_low", "warning")}),
        (_disk(500, 30000), {("device.disk_low", "error")}),
        (_disk(300, 400), set()),
        (_disk(60, 400), {("device.disk_low", "warning")}),
        (_disk(30, 400), {("device.disk_low", "error")}),
        (_memory(300, 900), set()),
        (_memory(90, 900), {("device.memory_low", "warning")}),
        (_memory(30, 900), {("device.memory_low", "error")}),
        (
            (_reading("disk_life_used_ratio", 0.8, disk="mmcblk0"),),
            {("device.disk_worn", "warning")},
        ),
        ((_reading("disk_life_used_ratio", 0.7, disk="mmcblk0"),), set()),
        (
            (_reading("disk_spare_used_ratio", 0.9, disk="mmcblk0"),),
            {("device.disk_worn", "warning")},
        ),
        (
            (_reading("clock_synchronised_flag", 0),),
            {("device.clock_unsynchronised", "warning")},
        ),
        (
            (_reading("clock_synchronised_flag", 1), _reading("clock_impossible_flag", 1)),
            {("device.clock_unsynchronised", "warning")},
        ),
        (
            (_reading("coral_link_bits_per_second", 480e6, device="usb 1-1", firmware="loaded"),),
            {("device.coral_slow_usb", "warning")},
        ),
        (
            (_reading("coral_link_bits_per_second", 5e9, device="usb 2-1", firmware="loaded"),),
            set(),
        ),
        ((_reading("coral_alive_flag", 0, device="apex_0"),), {("device.coral_dead", "error")}),
    ],
)
def test_what_is_wrong(readings, expected):
    """Each rule, below and above its threshold."""
    assert _judged(*readings) == expected


def test_of_one_code_the_worst_is_told():
    """A device that was and is throttled has one problem; it is an error."""
    bits = [_flag("throttled", span) for span in ("occurred", "now")]

    assert _judged(*bits) == _judged(*reversed(bits)) == {("device.throttled", "error")}


def test_sentence_says_what_and_what_to_do():
    """With the figures that it was judged by."""
    (finding,) = found(_disk(1400, 30000))

    assert "1400 of 30000 MiB are free" in finding.message
    assert "; remove files or logs" in finding.message


SLOW = Finding("device.throttled", "slow; cool it")


def _stood(*looks):
    """Return what holds after looks of (seconds, findings); unix time is 1000 s later."""
    problems_now = {}
    for seconds, findings in looks:
        problems_now = standing(
            problems_now, findings, clock_seconds=seconds, unix_ns=int(seconds + 1000)
        )
    return problems_now


def test_problem_keeps_since_when_it_holds():
    """What flickers within a minute is one problem."""
    held = _stood((0.0, [SLOW]), (30.0, []), (59.0, [SLOW]), (100.0, []))

    assert held["device.throttled"].since_unix_ns == 1000


def test_problem_that_is_not_seen_for_a_minute_is_over():
    """And a later one is another, with its own beginning."""
    assert _stood((0.0, [SLOW]), (HOLD_SECONDS, [])) == {}
    again = _stood((0.0, [SLOW]), (HOLD_SECONDS, []), (70.0, [SLOW]))
    assert again["device.throttled"].since_unix_ns == 1070


def test_newest_sentence_is_told():
    """Figures in it are those of now."""
    worse = Finding("device.throttled", "slower; cool it", "warning")

    assert _stood((0.0, [SLOW]), (1.0, [worse]))["device.throttled"].finding == worse


def test_every_code_is_documented():
    """docs/telemetry.md has them all; a code in this table is a rule's."""
    from pathlib import Path

    table = (Path(__file__).parents[4] / "docs" / "telemetry.md").read_text()
    rules = Path(problems.__file__).read_text()

    codes = {word.strip('"') for word in rules.replace(",", " ").split() if '"device.' in word}
    codes = {code.partition("(")[2].strip('"') or code for code in codes}
    documented = {
        line.split("`")[1] for line in table.splitlines() if line.startswith("| `device.")
    }
    assert codes == documented
