"""Gets the demo's model ready: fetched, measured on this machine, planned, cut as planned."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fleet import survey
from fleet.formats import CutRequest
from fleet.profiles import quick
from fleet.split import Presentation, split
from paceline.demo import feed as feeds
from paceline.demo import model as demo_model
from paceline.demo import others, planning
from paceline.demo.feed import Feed
from paceline.demo.planning import DemoPlan, Machine
from paceline.formatting import counted
from wire.manifest import Manifest

MEASURED_SECONDS: Final = 1.0
"""Of runs, and three of each kind at least: whoever tries the demo waits."""

INDENT: Final = " " * 11
"""Of what is said: the width of what comes before it."""
Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model that was cut, and what to feed it."""

    model: Path
    folder: Path
    manifest: Manifest
    feed: Feed
    plan: DemoPlan | None
    """None: there are fewer places to cut than it would need; the splitter found others."""


def prepare(
    given: Path | None, name: str, devices: Sequence[str], scratch: Path, say: Say
) -> Prepared:
    """Fetch the model, measure, plan and cut it, and make what is fed.

    Args:
        given: Any model that can be cut; None: the demo's own.
        name: Of the pipeline.
        devices: One for each segment.
        scratch: A folder for what is written.
        say: Hears what was done.

    Raises:
        CodedError: It cannot be fetched, read, run, planned or cut so.
    """
    if given is None:
        model, dims = demo_model.fetch(), demo_model.DIMS
        shown = Presentation(
            name=name, preprocess=demo_model.PREPROCESS, postprocess=demo_model.POSTPROCESS
        )
    else:
        model, dims, shown = given, {}, Presentation(name=name)
    plan = _planned(model, dims, devices)
    if plan is not None:
        say("plan", f"\n{INDENT}".join(planning.lines(plan)))
    folder = scratch / "split"
    # by operations where nothing is planned: nothing is measured, for whoever tries it waits
    request = CutRequest(stages=len(devices), dims=dims, balance="flops")
    if plan is not None and plan.cuts:
        request = CutRequest(stages=1, at=plan.cuts, dims=dims)
    manifest = split(model, folder, request, shown)
    sizes = " + ".join(f"{s.weight_bytes / 1e6:.1f}" for s in manifest.segments)
    say("model", f"{model.name}: {counted(len(manifest.segments), 'segment')}, {sizes} MB")
    feed = feeds.pages(manifest) if shown.preprocess else feeds.made_up(manifest)
    return Prepared(model, folder, manifest, feed, plan)


def _planned(model: Path, dims: Mapping[str, int], devices: Sequence[str]) -> DemoPlan | None:
    """Measure the model while its graph is searched for places to cut, and plan."""
    cores, before = len(os.sched_getaffinity(0)), others.used()
    with ThreadPoolExecutor(1) as beside:
        copies = min(cores, len(devices))
        measuring = beside.submit(quick.profile, model, dims, MEASURED_SECONDS, copies)
        chain = survey.chain(model, CutRequest(dims=dims))
        profile = measuring.result()
    busy = others.others_ratio(before, others.used(), cores)
    machine = Machine(cores=cores, others_busy_ratio=busy)
    return planning.planned(chain, profile, devices, machine)
