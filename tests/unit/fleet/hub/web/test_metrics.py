"""The site for Prometheus: bounded, honest, and as the real one reads it."""

import asyncio
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet.hub.web.metrics import COUNTERS, GAUGES, MAX_CODES, MAX_SERIES, OTHER, Exposition
from tests.fixtures.hub_monitor import device, pipeline, served, site, stage

ROOT = Path(__file__).parents[5]
TOKEN = "right-horse-battery-staple"


def samples(text):
    """Return every series of an exposition, as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(text.decode())
    return [sample for family in families for sample in family.samples]


def value(found, name, **labels):
    """Return the value of one series."""
    (one,) = [s.value for s in found if s.name == name and labels.items() <= s.labels.items()]
    return one


def busy_site(stages=8, codes=20, count=1):
    """Return a site whose one device serves many stages, each with many error codes."""
    made = [
        stage(
            number,
            "pi1",
            errors={f"e{code:02}.failed": count + code for code in range(codes)},
            refused={f"r{code:02}.refused": count for code in range(codes)},
        )
        for number in range(stages)
    ]
    return site((device("pi1"),), (pipeline("detector", made),))


def test_a_busy_device_has_at_most_sixty_series():
    """Eight stages with forty codes each; what has no room is counted."""
    found = samples(Exposition().text(busy_site()))
    of_device = [s for s in found if s.labels.get("device") == "pi1"]

    assert len(of_device) <= MAX_SERIES
    assert len({(s.name, *sorted(s.labels.items())) for s in found}) == len(found)
    assert value(found, "paceline_device_series_left_out") > 0
    for name in ("paceline_device_up", "paceline_device_temperature_celsius"):
        assert [s for s in of_device if s.name == name]
    assert Counter(s.name for s in of_device)["paceline_stage_serving"] == 8


@pytest.mark.parametrize("stages", [0, 1, 4, 8, 16, 100])
def test_the_bound_holds_for_any_number_of_stages(stages):
    """A hundred included."""
    found = samples(Exposition().text(busy_site(stages)))

    assert sum(s.labels.get("device") == "pi1" for s in found) <= MAX_SERIES


def test_no_failed_frame_is_left_out_and_no_counter_falls():
    """A code that has a series keeps it; the others are counted as `other`, whatever comes new."""
    exposition = Exposition()
    before: dict[str, float] = {}
    for count, codes in ((1, 3), (2, 12), (3, 20), (4, 20)):
        view = busy_site(1, codes, count)
        found = samples(exposition.text(view))
        of_code = {
            s.labels["code"]: s.value
            for s in found
            if s.name == "paceline_stage_frames_failed_total"
        }
        assert len(of_code) <= MAX_CODES + 1
        only = view.pipelines[0].stages[0]
        assert sum(of_code.values()) == sum(only.errors.values()) + sum(only.refused.values())
        assert all(of_code[code] >= was for code, was in before.items())
        before = of_code
    assert OTHER in before


def test_what_is_not_known_has_no_series():
    """No zero that was never measured, and no NaN."""
    found = samples(Exposition().text(site()))

    assert [s for s in found if s.value != s.value] == []
    named = {(s.name, s.labels.get("device")) for s in found}
    assert ("paceline_device_temperature_celsius", "pi2") not in named  # it says NaN
    assert ("paceline_device_healthy", "pi2") not in named
    assert value(found, "paceline_device_up", device="pi2") == 0


def test_hostile_names_stay_inside_their_label():
    """Quotes, line ends and endless texts from a device make no series of their own."""
    evil = 'x"} 1\npaceline_device_up{device="forged"} 1\n' + "y" * 5000
    view = site(
        (device("pi1", version=evil, system="a\\b\x00"),),
        (pipeline("detector", (stage(0, "pi1", errors={evil: 4}),)),),
    )
    text = Exposition().text(view)
    found = samples(text)

    assert [s for s in found if s.labels.get("device") == "forged"] == []
    assert max(map(len, text.splitlines())) < 400
    assert [s.value for s in found if s.labels.get("code", "").startswith("x")] == [4]


def test_the_page_of_metrics_lists_exactly_those_that_there_are():
    """Every name with its type; nothing that is not exposed."""
    listed = dict(
        re.findall(
            r"^\| `(paceline_\w+)` \| (gauge|counter) \|",
            (ROOT / "docs" / "metrics.md").read_text(),
            re.MULTILINE,
        )
    )

    assert listed == {**dict.fromkeys(GAUGES, "gauge"), **dict.fromkeys(COUNTERS, "counter")}
    exposed = {s.name for s in samples(Exposition().text(site()))}
    assert exposed - set(listed) == set()


def test_every_metric_that_is_named_can_be_had():
    """From a site where everything is known, but a stage's failures."""
    whole = busy_site(2, 2)
    exposed = {s.name for s in samples(Exposition().text(whole))}

    assert {*GAUGES, *COUNTERS} - exposed == set()


needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Debian's prometheus is not installed",
)


@needs_prometheus
def test_promtool_has_nothing_to_complain_of():
    """Names, units, types and help as Prometheus' own rules want them."""
    child = subprocess.run(
        ["promtool", "check", "metrics"],
        input=Exposition().text(busy_site()),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (child.returncode, child.stdout + child.stderr) == (0, b"")


@needs_prometheus
def test_a_real_prometheus_scrapes_the_hub(tmp_path):
    """With the token from a file; up is 1 and our values are there."""

    async def scraped():
        async with served(token=TOKEN) as (monitor, _, url):
            child, address = await prometheus(tmp_path, url)
            try:
                async with httpx.AsyncClient(base_url=address) as client:
                    assert await asked(client, 'up{job="paceline"}') == {"paceline": "1"}
                    fps = await asked(client, "paceline_stage_frames_per_second", "device")
                    monitor.become(devices=(device("pi1", temperature_celsius=99.5),))
                    hot = await changed(client, "paceline_device_temperature_celsius", "99.5")
            finally:
                child.terminate()
                await child.wait()
        return fps, hot

    fps, hot = asyncio.run(scraped())
    assert fps == {"pi1": "12.5", "pi2": "12.5", "pi3": "12.5"}
    assert hot == {"pi1": "99.5"}


async def prometheus(folder, url):
    """Return a Prometheus that scrapes ``url`` every second, and its address."""
    (folder / "token").write_text(TOKEN)
    scrape = {
        "job_name": "paceline",
        "authorization": {"credentials_file": str(folder / "token")},
        "static_configs": [{"targets": [url.removeprefix("http://")]}],
    }
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    port = free_port()
    child = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return child, f"http://127.0.0.1:{port}"


def free_port():
    """Return a port that nobody uses now."""
    from fleet.hub.serve import listen

    with listen("127.0.0.1", 0) as sock:
        return sock.getsockname()[1]


async def query(client, text, label):
    """Return the values of a query by one label; None: not there yet."""
    try:
        answer = await client.get("/api/v1/query", params={"query": text})
        found = answer.json()["data"]["result"] if answer.status_code == 200 else []
    except httpx.TransportError:
        return None
    return {one["metric"][label]: one["value"][1] for one in found} or None


async def asked(client, text, label="job"):
    """Return the first answer that holds anything but zeros."""
    async with asyncio.timeout(60):
        while True:
            found = await query(client, text, label)
            if found and set(found.values()) != {"0"}:
                return found
            await asyncio.sleep(0.2)


async def changed(client, text, expected):
    """Return the answer once every value is the expected one."""
    async with asyncio.timeout(60):
        while True:
            found = await query(client, text, "device")
            if found and set(found.values()) == {expected}:
                return found
            await asyncio.sleep(0.2)
