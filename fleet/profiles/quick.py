"""A model's own file, measured in a child on this machine, in a few seconds; nothing is kept.

For whoever waits: no segment is written first, and others compute meanwhile. So what counts is
processor time, while as many copies compute as will serve at once: cores that share caches, memory
or more are slower together than one is alone. Of operators the quickest of few runs counts.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from fleet import children, formats, inputs
from fleet.formats import RUNTIMES
from fleet.model_graph.open_model import file_operators
from fleet.profiles.record import ModelProfile, Question, part_profile
from wire import codecs, samples
from wire.profile_report import ProfileReport, Spread

THREADS: Final = 1
GRACE_SECONDS: Final = 120.0


def profile(model: Path, dims: Mapping[str, int], seconds: float, copies: int = 1) -> ModelProfile:
    """Return what a model takes with one thread; inputs are made up.

    Args:
        model: Its file.
        dims: Sizes of dynamic dimensions.
        seconds: How long its runs may take; at least three of each kind are made.
        copies: How many compute at the same time.

    Raises:
        CodedError: It cannot be read, or does not run.
    """
    with formats.for_model(model).opened(model) as found:
        sample = inputs.made(found.inputs, dims, seed=0)
        runtime = RUNTIMES[found.format]

        def measured(_: int) -> ProfileReport:
            return _measured(model, sample, seconds, runtime)

        with ThreadPoolExecutor(copies) as beside:
            report = _in_service(list(beside.map(measured, range(copies))))
        part = part_profile(
            found.ref.name,
            file_operators(found),
            found.weight_bytes,
            found.weight_bytes + report.memory.activation_bytes,
            report,
        )
        question = Question(
            model=found.ref.sha256, sample="", site="", device="here", runtime=runtime,
            version=report.version, threads=THREADS, weights=report.weights,
        )  # fmt: skip
        return ModelProfile(
            question=question,
            model=found.ref,
            sizes=sample.sizes,
            measured_unix_ns=time.time_ns(),
            parts=(part,),
        )


def _measured(model: Path, sample: inputs.Sample, seconds: float, runtime: str) -> ProfileReport:
    with tempfile.TemporaryDirectory(prefix="paceline-profile-") as name:
        given = Path(name, "inputs")
        with given.open("wb") as file:
            file.writelines(samples.encode([codecs.tensors(sample.arrays)]))
        arguments = ["--profile", "--segment", str(model), "--inputs", str(given)]
        arguments += ["--threads", str(THREADS), "--seconds", str(seconds), "--runtime", runtime]
        arguments += ["--nice", "0"]  # somebody waits, and nothing serves yet
        limit_seconds = GRACE_SECONDS + 3 * seconds
        return children.call(
            "bench", arguments, ProfileReport, limit_seconds=limit_seconds, scratch=Path(name)
        )


def _in_service(reports: Sequence[ProfileReport]) -> ProfileReport:
    """Return a report as if nobody else had computed, the spread of runs left as it is."""
    report, seconds = reports[0], statistics.fmean(one.cpu_seconds for one in reports)
    run = report.run
    share = seconds / run.p50
    alone = Spread(
        p10=run.p10 * share, p50=seconds, p90=run.p90 * share, count=run.count, mean=seconds
    )
    return replace(
        report,
        run=alone,
        operators=tuple(replace(time, p50=time.p10) for time in report.operators),
        kernels=tuple(replace(time, p50=time.p10) for time in report.kernels),
    )
