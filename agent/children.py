"""The child commands ``python -I -m agent probe|run-segment|bench``: runtimes outside a pipeline.

A library or a model that crashes takes only the child with it: nothing is caught here that is not
ours, and whoever started the child reads the exit status. Each command prints one line of JSON
(``wire.reports``). A failure with a code is printed too, and sets the exit code.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from agent import orphans
from agent.default_runtime import on_processor
from agent.errors import ChildFileError, RuntimeOpenError
from agent.opening import checked_model
from agent.runtimes import Runtime, RuntimeOptions, Tensors
from wire import codecs, plugins, samples
from wire.errors import CodedError
from wire.frame import Frame, Kind
from wire.profile_report import ProfileReport
from wire.reports import (
    BenchReport,
    Failure,
    FailureReport,
    ProbeReport,
    Quantiles,
    RunReport,
    RuntimeReport,
)
from wire.samples import Sample
from wire.tensors import TensorSpec

PACKAGE: Final = "agent.runtimes"
LEAST_RUNS: Final = 3
SLOW_RUN: Final = 8
MOST_RUNS: Final = 1000
"""How often samples are run again, when they are."""
COMMANDS: Final = ("probe", "run-segment", "bench")


def main(argv: Sequence[str]) -> int:
    """Run one child command and return its exit code; ``argv`` begins with the command."""
    options = _parser().parse_args(argv)
    if options.command is not _probe:
        options.runtime = options.runtime or on_processor(options.segment)
    try:
        report = options.command(options)
    except CodedError as error:
        _print(FailureReport(error=Failure(code=error.code, message=str(error))))
        return error.exit_code
    _print(report)
    return 0


def probe(names: Iterable[str] = (), accelerator: str = "") -> ProbeReport:
    """Detect and prove the runtimes ``names``, or all that there are files for.

    An ``accelerator`` is the only one that is touched.

    A library that crashes ends the process: whoever wants to know which one asks for one name
    at a time.

    Raises:
        UnknownPluginError: There is no such runtime.
    """
    wanted = tuple(names) or plugins.names(PACKAGE)
    return ProbeReport(
        runtimes=tuple(report for name in wanted for report in _probed(name, accelerator))
    )


def _probed(name: str, accelerator: str) -> Iterator[RuntimeReport]:
    """Yield a report for each accelerator that the runtime finds; one, where it finds none."""
    runtime: type[Runtime] = plugins.load(PACKAGE, name)
    found = [one for one in runtime.detect() if accelerator in {"", one.accelerator}]
    if not found:
        yield RuntimeReport(
            name=name, works=False, reason="library or device is missing", formats=runtime.FORMATS
        )
    for capability in found:
        reason = None
        try:
            runtime.prove(capability.accelerator)
        except CodedError as error:
            reason = str(error)
        yield RuntimeReport(
            name=name,
            works=reason is None,
            reason=reason,
            accelerator=capability.accelerator,
            memory_bytes=capability.memory_bytes,
            version=capability.version,
            formats=runtime.FORMATS,
            fallback=runtime.FALLBACK,
        )


def _probe(options: argparse.Namespace) -> ProbeReport:
    return probe(options.runtime, options.accelerator)


def _run_segment(options: argparse.Namespace) -> RunReport:
    inputs = _samples(options.inputs)
    fetch = _names(options.fetch) if options.fetch else []
    runtime, open_seconds = _opened(options, fetch)
    given: list[Sample] = []
    outputs: list[tuple[TensorSpec, ...]] = []
    run_seconds: list[float] = []
    for sample in inputs:
        began = time.perf_counter()
        results = runtime.run(_arrays(sample))
        run_seconds.append(time.perf_counter() - began)
        outputs.append(_described(results))
        if options.outputs:
            kept = {name: results[name] for name in fetch or results}
            given.append(codecs.tensors(kept))
    run_seconds += _again(runtime, inputs, options.again_seconds)
    operators, actual = runtime.operator_times(), runtime.actual
    runtime.close()
    if options.outputs:
        _write(options.outputs, given)
    return RunReport(
        runtime=options.runtime,
        accelerator=actual.accelerator,
        short_of=actual.short_of,
        open_seconds=open_seconds,
        run_seconds=tuple(run_seconds),
        outputs=outputs[0],
        more_outputs=tuple(outputs[1:]),
        operator_seconds={one.place: statistics.median(one.seconds) for one in operators},
    )


def _again(runtime: Runtime, inputs: Sequence[Sample], limit_seconds: float) -> list[float]:
    """Run the samples again for that long, three times at least; return each run's time.

    Where one run takes longer than eight times that, one more is enough.
    """
    seconds: list[float] = []
    if limit_seconds <= 0:
        return seconds
    while len(seconds) < MOST_RUNS and (
        sum(seconds) < limit_seconds
        or (len(seconds) < LEAST_RUNS and sum(seconds) < SLOW_RUN * limit_seconds)
    ):
        arrays = _arrays(inputs[len(seconds) % len(inputs)])
        before = time.perf_counter()
        runtime.run(arrays)
        seconds.append(time.perf_counter() - before)
    return seconds


def _bench(options: argparse.Namespace) -> BenchReport | ProfileReport:
    if options.profile:
        return _profile(options)
    if options.inputs is None:
        raise ChildFileError("--inputs", "is missing")
    inputs = [_arrays(sample) for sample in _samples(options.inputs)]
    runtime, open_seconds = _opened(options)
    runtime.run(inputs[0])  # allocations of the first run are not the pace of the others
    seconds: list[float] = []
    began = now = time.perf_counter()
    while now - began < options.seconds or not seconds:
        runtime.run(inputs[len(seconds) % len(inputs)])
        before, now = now, time.perf_counter()
        seconds.append(now - before)
    runtime.close()
    seconds.sort()
    return BenchReport(
        runtime=options.runtime,
        threads=options.threads,
        frames=len(seconds),
        frames_per_second=len(seconds) / (now - began),
        open_seconds=open_seconds,
        run_seconds=Quantiles(p50=_quantile(seconds, 0.5), p95=_quantile(seconds, 0.95)),
    )


def _profile(options: argparse.Namespace) -> ProfileReport:
    from agent import profiling  # noqa: PLC0415 psutil and more, which the others do without

    orphans.die_with_parent(options.parent)
    orphans.die_before_parent()
    if options.inputs is None:
        inputs = profiling.golden_inputs(options.segment)
    else:
        inputs = _arrays(_samples(options.inputs)[0])
    asked = profiling.Profiling(
        segment=options.segment,
        runtime=options.runtime,
        options=RuntimeOptions(
            threads=options.threads, weights=options.weights, accelerator=options.accelerator
        ),
        seconds=options.seconds,
        memory_bytes=options.memory_bytes,
        nice=profiling.NICE if options.nice is None else options.nice,
    )
    return profiling.profile(asked, inputs)


def _opened(options: argparse.Namespace, fetch: Sequence[str] = ()) -> tuple[Runtime, float]:
    plugin: type[Runtime] = plugins.load(PACKAGE, options.runtime)
    began = time.perf_counter()
    segment = checked_model(options.segment)
    settings = RuntimeOptions(
        threads=options.threads,
        optimisations=options.optimisations,
        weights=options.weights,
        tensors_only=options.tensors_only,
        profile=options.profile,
        accelerator=options.accelerator,
    )
    runtime = plugin.open(segment, settings)
    known = {spec.name for spec in runtime.outputs}
    unknown = [name for name in fetch if known and name not in known]
    if unknown:
        raise RuntimeOpenError(options.runtime, str(segment), f"it has no outputs {unknown}")
    return runtime, time.perf_counter() - began


def _samples(path: Path) -> list[Sample]:
    try:
        found = samples.decode(path.read_bytes())
    except OSError as error:
        raise ChildFileError(str(path), f"cannot be read ({error.strerror})") from error
    if not found:
        raise ChildFileError(str(path), "holds no sample")
    return found


def _names(path: Path) -> list[str]:
    """Return the names in a file: they may be anything, so they are no arguments."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[str])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChildFileError(str(path), f"is no list of names ({error})") from error


def _write(path: Path, given: Sequence[Sample]) -> None:
    try:
        with path.open("wb") as file:
            file.writelines(samples.encode(given))
    except OSError as error:
        raise ChildFileError(str(path), f"cannot be written ({error.strerror})") from error


def _arrays(sample: Sample) -> Tensors:
    return codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=sample))


def _described(arrays: Tensors) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, dtype=dtype, shape=shape)
        for name, (dtype, shape) in codecs.describe(arrays).items()
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _print(report: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -I -m agent", description=__doc__)
    commands = parser.add_subparsers(required=True)
    probing = commands.add_parser(
        "probe",
        help="prove the runtimes of this machine",
        epilog="example: paceline-agent probe --runtime onnx_cpu",
    )
    probing.add_argument("--runtime", action="append", default=[], help="only this one")
    probing.add_argument("--accelerator", default="", help="only this one")
    probing.set_defaults(command=_probe)

    running = commands.add_parser("run-segment", help="run samples through a segment or model")
    running.add_argument("--outputs", type=Path, help="write the results to this file of samples")
    running.add_argument("--fetch", type=Path, help="write only the outputs that this JSON lists")
    running.add_argument(
        "--again-seconds",
        type=float,
        default=0.0,
        help="then run the samples again, for their time",
    )
    running.add_argument(
        "--tensors-only", action="store_true", help="leave out outputs that are no tensors"
    )
    running.add_argument("--profile", action="store_true", help="time each operator")
    running.set_defaults(command=_run_segment)

    timing = commands.add_parser(
        "bench",
        help="run samples again and again and tell the pace",
        epilog="example: paceline-agent bench --profile --segment parts/segments/00-head",
    )
    timing.add_argument(
        "--seconds", type=float, default=5.0, help="how long it is run (default: %(default)s)"
    )
    timing.add_argument(
        "--profile", action="store_true", help="tell all: operators, memory, power, spread"
    )
    timing.add_argument("--nice", type=int, help="with --profile; else below whatever serves")
    timing.add_argument("--memory-bytes", type=_positive, help="what this process may take")
    timing.add_argument("--parent", type=_positive, help="end when this process ends")
    timing.set_defaults(command=_bench, tensors_only=False)

    for command in (running, timing):
        command.add_argument("--segment", type=Path, required=True, help="folder, or model file")
        command.add_argument(
            "--inputs",
            type=Path,
            required=command is running,
            help="file of samples; with --profile, else the golden frame",
        )
        command.add_argument("--runtime", help="default: the processor, by the file's format")
        command.add_argument("--accelerator", default="", help="one that probe found; the first")
        command.add_argument(
            "--threads", type=_positive, default=1, help="of one run (default: %(default)s)"
        )
        command.add_argument(
            "--weights",
            choices=("prepacked", "mapped"),
            default="prepacked",
            help="prepacked is fastest (default), mapped takes least memory",
        )
        command.add_argument(
            "--no-optimisations",
            dest="optimisations",
            action="store_false",
            help="run the operators as they stand, so that results are equal bit by bit",
        )
    for command in (probing, running, timing):
        command.add_argument("--json", action="store_true", help="the only form there is")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
