"""``paceline plan MODEL``: real models, and profiles on disk as `paceline profile` keeps them."""

import json
from xml.etree import ElementTree

import msgspec
import onnx
import pytest
from msgspec.structs import replace

from fleet import survey as surveying
from fleet.fleet_file import reading
from fleet.formats import CutRequest
from fleet.model_plan import answering, measured
from fleet.model_plan import setting as settings
from fleet.model_plan.answering import Asked
from fleet.model_plan.codecs import FIGURES
from fleet.model_plan.finalists import finalists
from fleet.planner.objective import judge
from fleet.planner.plan import Stage
from fleet.profiles import store, subject
from fleet.profiles.record import PartProfile, Segment
from paceline import cli
from tests.system.chains import write_model
from tests.unit.fleet.profiles import records
from wire.messages import Info

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
    monkeypatch.setenv("PACELINE_BROKER_URL", "mqtt://127.0.0.1:1")  # nobody is there
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
    assert found["chosen"]["to"] == "pi-1+pi-2"
    assert found["next"][1] == "paceline deploy parts --to pi-1+pi-2"


def test_a_deploy_is_told_the_runtime_that_was_measured(place, capsys):
    """Where the devices would choose another one by themselves."""
    keep(place, "pi-2", 0.005, runtime="onnx_tensorrt")
    (place / "fleet.yaml").write_text(
        FLEET.replace("pi-2: {", "pi-2: {runtimes: [onnx_tensorrt], ")
    )

    found = planned(place, capsys, "--goal", "latency")

    assert [stage["runtime"] for stage in found["chosen"]["stages"]] == ["onnx_tensorrt"]
    assert found["next"][1] == "paceline deploy parts --to pi-2 --runtime pi-2=onnx_tensorrt"


def test_a_runtime_that_a_device_has_no_more_is_not_planned_with(place, capsys):
    """As of a Coral that was pulled: what it was measured with before counts."""
    keep(place, "pi-2", 0.005, runtime="onnx_cuda")
    (place / "fleet.yaml").write_text(FLEET.replace("pi-2: {", "pi-2: {runtimes: [onnx_cpu], "))

    found = planned(place, capsys, "--goal", "latency")

    assert [stage["runtime"] for stage in found["chosen"]["stages"]] == ["onnx_cpu"]
    assert "--runtime" not in found["next"][1]


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
    """An operator that is pinned runs on its device; an unknown operator or device ends with 3.

    It is called by its name in the file, or by any tensor that it writes.
    """
    model = onnx.load(place / "chain.onnx")
    model.graph.node[2].name = "the second"
    onnx.save(model, place / "chain.onnx")
    for device in ("pi-1", "pi-2"):
        keep(place, device, 0.060)
    named = planned(place, capsys, "--pin", "the second=pi-2", "--pin", "m0=pi-1")
    assert [stage["last"] for stage in named["stages"]] == [1, 11]
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
    assert found["shortage"]["devices"]["pi-1"]["memory_bytes"] == 1 << 20
    assert found["shortage"]["available_bytes"]["pi-1"] < 1 << 20
    options = "--fleet", str(place / "fleet.yaml")
    assert cli.run(["plan", str(place / "chain.onnx"), *options]) == 4
    assert "left of 1.0 MiB: the runtime takes 4 B" in capsys.readouterr().out


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


def test_memory_that_frames_in_flight_take_counts(place, capsys):
    """A device with room for weights and activations alone, not for frames too, cannot serve."""
    fits = planned(place, capsys, "--max-stages", "1")["single"]["stages"][0]["memory_bytes"]
    fleet = FLEET.replace("pi-1: {memory: 1GiB}", f"pi-1: {{memory: {fits}}}")
    (place / "fleet.yaml").write_text(fleet.replace("1GiB", str(fits - 1)))

    found = planned(place, capsys, "--max-stages", "1")

    assert found["single_device"] == "pi-1"
    assert found["replicas"] is None


def test_storage_holds_two_generations(place, capsys):
    """A device whose free storage holds the weights once, not twice, cannot serve all of them."""
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "1GiB, storage: 9MiB"))

    found = planned(place, capsys)

    assert found["single"] is None
    assert found["verdict"] == "split"
    assert all(2 * stage["weight_bytes"] <= 9 << 20 for stage in found["chosen"]["stages"])


def test_a_missing_link_is_the_nearest_change(place, capsys):
    """Where two devices must serve and no link is between them, the link is named."""
    (place / "fleet.yaml").write_text("devices: {pi-1: {}, pi-2: {}}\nsource: pi-1\n")

    found = planned(place, capsys, "--pin", "m0=pi-1", "--pin", "y=pi-2", code=4)

    assert found["shortage"]["nearest_change"] == "make a link from pi-1 to pi-2"


def test_a_slow_link_gets_a_codec_and_a_fast_one_none(place, capsys):
    """Codecs are chosen with the plan; how the outputs move is said to be verified."""
    small = FLEET.replace("1GiB", "6.2MiB").partition("source:")[0]
    (place / "fleet.yaml").write_text(small.replace("940Mbit", "20Mbit"))
    slow = planned(place, capsys)
    raw = planned(place, capsys, "--codec", "raw")
    (place / "fleet.yaml").write_text(small.replace("940Mbit", "100000Mbit"))
    fast = planned(place, capsys)

    between = [hop["codec"] for hop in slow["chosen"]["hops"] if hop["into"] == 1]
    assert between == ["int8_channel+zstd"]
    assert slow["objective_seconds"] < raw["objective_seconds"]
    assert "--codec 0=int8_channel+zstd" in slow["next"][1]
    assert any("paceline verify" in note for note in slow["notes"])
    assert {hop["codec"] for hop in fast["chosen"]["hops"]} == {"raw"}


def test_a_third_device_helps_the_slowest_stage(place, capsys):
    """With ``--replicas auto`` a stage of a split gets a second device where that is faster."""
    keep(place, "pi-3", 0.060)
    (place / "fleet.yaml").write_text(
        FLEET.replace("1GiB", "6.4MiB")
        .replace("links:", "  pi-3: {memory: 6.4MiB}\nlinks:\n  pi-1<>pi-3: 940Mbit,0.3ms")
        .replace("source:", "  pi-2<>pi-3: 940Mbit,0.3ms\nsource:")
    )
    without = planned(place, capsys, "--max-stages", "2")

    found = planned(place, capsys, "--max-stages", "2", "--replicas", "auto")

    assert found["objective_seconds"] < without["objective_seconds"]
    assert "+" in found["chosen"]["to"]
    assert len(found["chosen"]["stages"]) == 3


def test_a_plan_is_explained_and_drawn(place, capsys):
    """Words say the bottleneck, the next best plan, the neighbouring cuts and what would help."""
    small = FLEET.replace("pi-2: {memory: 1GiB}", "pi-2: {memory: 6.2MiB}")
    (place / "fleet.yaml").write_text(small)
    picture = place / "plan.svg"

    found = planned(place, capsys, "--pin", "y=pi-2", "--explain", "--svg", str(picture))

    said = found["explanation"]
    assert said["bottleneck_share"] == pytest.approx(1.0)
    assert {name for name, _ in said["neighbours"]} == {"m2", "m3"}
    assert said["help_most_better"] > 0
    assert said["next_best_cuts"] in (["m2"], ["m3"])
    assert 0 <= said["next_best_worse"] <= min(worse for _, worse in said["neighbours"])
    assert (said["spared"], said["spared_worse"]) == ("", None)  # pins hold both
    assert len(found["words"]) >= 5
    root = ElementTree.parse(picture).getroot()
    text = " ".join(root.itertext())
    assert "pi-1 → pi-2" in text
    assert "slowest" in text
    assert "steady state, simulated with 8 frames in flight" in text
    assert "why not the neighbouring cuts" in text
    cut = found["chosen"]["groups"][0]["last"]
    assert f"behind block {cut}: 0 %" in text
    assert f"behind block {cut + 1}: +" in text


def test_a_graph_in_a_circle_is_refused(place, capsys):
    """Operators that depend on themselves end with 3 and a name."""
    model = onnx.load(place / "chain.onnx")
    model.graph.node[0].input[0] = "y"
    onnx.save(model, place / "chain.onnx")

    assert cli.run(["plan", str(place / "chain.onnx"), "--fleet", str(place / "fleet.yaml")]) == 3
    assert "depend on themselves" in capsys.readouterr().err


def test_a_price_by_the_hour_becomes_one_by_the_frame(place, capsys):
    """The cost of a frame is price by busy time, and what its messages cost."""
    (place / "fleet.yaml").write_text(
        FLEET.replace("1GiB", "1GiB, cost: {amount: 0.36, unit: EUR/hour}")
    )

    found = planned(place, capsys, "--goal", "cost")

    assert found["objective"] == pytest.approx(0.36 / 3600 * 0.060)
    assert found["objective_unit"] == "EUR/frame"
    assert found["objective_seconds"] is None


def test_energy_is_power_by_busy_time(place, capsys):
    """The device that needs the fewest joules wins, though it is slower."""
    keep(place, "pi-2", 0.090)
    fleet = FLEET.replace("pi-1: {memory: 1GiB}", "pi-1: {watts: 10W}")
    (place / "fleet.yaml").write_text(fleet.replace("pi-2: {memory: 1GiB}", "pi-2: {watts: 5W}"))

    found = planned(place, capsys, "--goal", "energy")

    assert found["single_device"] == "pi-2"
    assert found["objective"] == pytest.approx(0.45)


def test_the_problem_that_was_planned_can_be_planned_outside(place, capsys):
    """``problem`` of the answer is an instance that gives the same plan."""
    (place / "fleet.yaml").write_text(FLEET.replace("1GiB", "6.2MiB"))
    found = planned(place, capsys, "--codec", "raw")
    (place / "instance.json").write_text(json.dumps(found["problem"]))

    assert cli.run(["plan", "--instance", str(place / "instance.json"), "--json"]) == 0

    again = json.loads(capsys.readouterr().out)
    assert again["objective_seconds"] == pytest.approx(found["objective_seconds"])


def test_what_a_device_does_not_list_is_not_used(place):
    """A link and a codec that the `info` of a device does not list are left out, with a note."""
    chain = surveying.chain(place / "chain.onnx", CutRequest())
    kept = store.of_model(place / "cache" / "profiles", chain.model.sha256)
    profiles = {profile.device: profile for profile in kept}
    links = ("link: tcp, bandwidth: 940Mbit, latency: 1ms", "link: mqtt, bandwidth: 94Mbit")
    text = "devices: {pi-1: {}, pi-2: {}}\nlinks: {pi-1>pi-2: {%s}}\n"
    fleets = [reading.parsed(text % way, "fleet.yaml")[0] for way in links]
    pins = {"m0": "pi-1", "y": "pi-2"}
    info = Info(device="pi-2", version="1", runtimes=(), links=("mqtt",), codecs=("raw", "fp16"))

    tcp, mqtt = (
        settings.setting(chain, fleet, profiles, {"pi-2": info}, pins=pins, command="profile")
        for fleet in fleets
    )

    assert (tcp.links, len(mqtt.links)) == ((), 1)
    assert "pi-2 does not list it" in tcp.notes[0]
    assert mqtt.codecs == {"raw", "fp16"}
    found = answering.answer(mqtt, Asked(goal="latency", codecs=tuple(FIGURES)))
    assert [hop.codec for hop in found.chosen.hops] == ["fp16"]


def test_a_device_that_does_not_list_replicas_shares_no_stage(place):
    """Not the whole model, and not a stage of a split; who lists them does."""
    chain = surveying.chain(place / "chain.onnx", CutRequest())
    kept = store.of_model(place / "cache" / "profiles", chain.model.sha256)
    profiles = {profile.device: profile for profile in kept}
    fleet, _ = reading.parsed(
        "devices: {pi-1: {}, pi-2: {}}\nlinks: {pi-1<>pi-2: 1Gbit}\n", "f.yaml"
    )

    without, listed = (
        answering.answer(
            settings.setting(
                chain,
                fleet,
                profiles,
                {"pi-2": Info(device="pi-2", version="1", runtimes=(), replicas=replicas)},
                pins={},
                command="profile",
            ),
            Asked(replicas="auto"),
        )
        for replicas in (False, True)
    )

    assert (without.replicas, listed.replicas.devices) == (None, ("pi-1", "pi-2"))
    assert all(len(group.devices) == 1 for group in without.chosen.groups)


def test_measured_segments_choose_the_plan(place, capsys):
    """Judged by what segments took, another split wins than by sums; the problem says so, too."""
    keep(place, "pi-2", 0.070)
    chain = surveying.chain(place / "chain.onnx", CutRequest())
    kept = store.of_model(place / "cache" / "profiles", chain.model.sha256)
    profiles = {profile.device: profile for profile in reversed(kept)}
    fleet, _ = reading.parsed((place / "fleet.yaml").read_text(), "fleet.yaml")
    setting = settings.setting(chain, fleet, profiles, {}, pins={}, command="profile")
    found = answering.answer(setting, Asked())
    best = finalists(setting, found)
    parts = [dict(measured.segments(setting, split)) for split in best]
    seconds = {part: 0.050 for of_one in parts for part in of_one.values()}
    seconds |= dict.fromkeys(parts[2].values(), 0.020)
    seconds[Segment((), (), "pi-1")] = 0.030
    lost = next(iter(set(parts[4].values()) - {s for of_one in parts[:4] for s in of_one.values()}))
    del seconds[lost]

    judged = measured.judged(setting, found, best, seconds, {lost: "pi-2 went away"})

    assert [split.period_seconds for split in best] == sorted(s.period_seconds for s in best)
    assert len(best) == 5
    assert judged.split is judged.finalists[2].measured
    assert judged.chosen is judged.split
    assert judged.split.period_seconds == 0.020
    assert judged.single.period_seconds == 0.030  # the whole, measured at the same time
    assert found.single.period_seconds == pytest.approx(0.060)
    assert judged.finalists[4].measured is None
    assert judged.finalists[4].missing == ("pi-2 went away",)
    stages = [Stage(s.device, s.first, s.last) for s in judged.split.stages]
    assert judge(judged.problem, stages, "throughput").objective_seconds == pytest.approx(0.020)


def test_offline_the_best_splits_are_measured_here(place, capsys):
    """With --offline devices are described by this machine, and their segments are measured on it.

    A fleet that this machine is not in ends with 3 and this machine's name; without --offline
    what is kept of this machine alone is named.
    """
    write_model(place / "chain.onnx", rows=4, width=32, layers=1)
    model = str(place / "chain.onnx")
    assert cli.run(["profile", model, "--offline", "--seconds", "0.1", "--json"]) == 0
    here = json.loads(capsys.readouterr().out)["profiles"][0]["device"]
    options = "--offline", "--measure", "--seconds", "0.1", "--pin", f"m0={here}", "--pin", "y=twin"
    assert cli.run(["plan", model, "--fleet", str(place / "fleet.yaml"), "--offline"]) == 3
    assert f"as {here}" in capsys.readouterr().err
    (place / "fleet.yaml").write_text(f"devices: {{{here}: {{}}}}\n")
    assert cli.run(["plan", model, "--fleet", str(place / "fleet.yaml")]) == 3
    assert "--offline uses" in capsys.readouterr().err
    (place / "fleet.yaml").write_text(
        f"devices: {{{here}: {{}}, twin: {{speed: {{like: {here}, times: 2}}}}}}\n"
        f"links: {{{here}<>twin: 940Mbit}}\n"
    )

    found = planned(place, capsys, *options)

    (one,) = found["finalists"]
    assert found["wholes"] == []  # the pins are on two devices
    assert [stage["origin"] for stage in one["stages"]] == ["measured", "described by hand"]
    assert one["measured"] >= max(stage["measured_seconds"] for stage in one["stages"])
    assert one["cuts"] == ["m0"]
    assert found["chosen"]["period_seconds"] == one["measured"]
    assert (one["chosen"], found["measured"]) == (True, False)


def test_cuts_that_take_little_memory_are_found(place):
    """Where frames in flight fit at one cut alone, the plan is cut there, though others are tried.

    Of two such cuts the better one is taken.
    """
    chain = surveying.chain(place / "chain.onnx", CutRequest())
    sizes = {1: 1 << 10, 9: 1 << 11}
    *inner, last = chain.blocks
    inner = [replace(block, out_bytes=sizes.get(at, 1 << 20)) for at, block in enumerate(inner)]
    chain = replace(chain, blocks=(*inner, last))
    kept = store.of_model(place / "cache" / "profiles", chain.model.sha256)
    profiles = {profile.device: profile for profile in kept}
    text = FLEET.replace("1GiB", "11MiB").replace("pi-2: {memory: 11MiB}", "pi-2: {memory: 6MiB}")
    fleet, _ = reading.parsed(text, "fleet.yaml")
    setting = settings.setting(chain, fleet, profiles, {}, pins={"y": "pi-2"}, command="profile")

    found = answering.answer(setting, Asked(codecs=("raw",)))

    assert found.chosen is not None, found.shortage
    assert [(group.first, group.last) for group in found.chosen.groups] == [(0, 9), (10, 11)]


def test_a_weight_that_two_stages_need_counts_in_both(place, capsys):
    """A stage's memory has a weight that an earlier one has, too; a stage has it once."""
    model = onnx.load(place / "chain.onnx")
    model.graph.node[10].input[1] = "w0"  # the last layer has the first one's
    del model.graph.initializer[LAYERS - 1]
    onnx.save(model, place / "chain.onnx")
    for device in ("pi-1", "pi-2"):
        keep(place, device, 0.060)

    whole = planned(place, capsys, "--max-stages", "1")["single"]["stages"][0]
    split = planned(place, capsys, "--pin", "m0=pi-1", "--pin", "y=pi-2")["chosen"]["stages"]

    size = WIDTH * WIDTH * 4
    assert (whole["weight_bytes"], whole["again_bytes"]) == ((LAYERS - 1) * size, 0)
    assert [stage["again_bytes"] for stage in split] == [0, size]
    assert sum(stage["weight_bytes"] for stage in split) == LAYERS * size
