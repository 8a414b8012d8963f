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

from fleet import children, inputs
from fleet.onnx import look as onnx_look
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx import source as onnx_source
from fleet.profiles.record import ModelProfile, PartProfile, Question
from wire import codecs, samples
from wire.profile_report import ProfileReport, Spread

RUNTIME: Final = "onnx_cpu"
THREADS: Final = 1
GRACE_SECONDS: Final = 120.0


def profile(model: Path, dims: Mapping[str, int], seconds: float, copies: int = 1) -> ModelProfile:
    """Return what an ONNX model takes with one thread; inputs are made up.

    Args:
        model: Its file.
        dims: Sizes of dynamic dimensions.
        seconds: How long its runs may take; at least three of each kind are made.
        copies: How many compute at the same time.

    Raises:
        CodedError: It cannot be read, or does not run.
    """
    with onnx_source.opened(model) as source:
        graph = onnx_look.read(source)
        specs = onnx_shapes.input_specs(source.model, graph.inputs, source.ref.name)
        sample = inputs.made(specs, dims, seed=0)
        with ThreadPoolExecutor(copies) as beside:
            reports = list(beside.map(lambda _: _measured(model, sample, seconds), range(copies)))
        report = _in_service(reports)
        part = PartProfile(
            name=source.ref.name,
            operators=tuple(operator.writes[0] for operator in graph.operators),
            constant=tuple(n for n, operator in enumerate(graph.operators) if operator.constant),
            weight_bytes=source.weight_bytes,
            peak_bytes=source.weight_bytes + report.memory.activation_bytes,
            report=report,
        )
        question = Question(
            model=source.ref.sha256, sample="", site="", device="here", runtime=RUNTIME,
            version=report.version, threads=THREADS, weights=report.weights,
        )  # fmt: skip
        return ModelProfile(
            question=question,
            model=source.ref,
            sizes=sample.sizes,
            measured_unix_ns=time.time_ns(),
            parts=(part,),
        )


def _measured(model: Path, sample: inputs.Sample, seconds: float) -> ProfileReport:
    with tempfile.TemporaryDirectory(prefix="paceline-profile-") as name:
        given = Path(name, "inputs")
        with given.open("wb") as file:
            file.writelines(samples.encode([codecs.tensors(sample.arrays)]))
        arguments = ["--profile", "--segment", str(model), "--inputs", str(given)]
        arguments += ["--threads", str(THREADS), "--seconds", str(seconds), "--runtime", RUNTIME]
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
