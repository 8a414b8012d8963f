"""Profiles for tests."""

from fleet.profiles.record import ModelProfile, PartProfile, Question
from wire.manifest import ModelRef
from wire.profile_report import Load, MemoryUse, OperatorTime, ProfileReport, Spread

SHA256 = "a" * 64


def operator(place, seconds, *, kind="Conv", name="", spread=0.1):
    """Return what one operator or kernel took."""
    return OperatorTime(
        place, kind, name, seconds * (1 - spread), seconds, seconds * (1 + spread), 5
    )


def report(*, run=0.010, operators=(), kernels=()):
    """Return what a device says."""
    return ProfileReport(
        runtime="onnx_cpu", version="1.32.0", threads=1, weights="prepacked",
        open_seconds=0.1, first_run_seconds=0.02,
        run=Spread(p10=run * 0.9, p50=run, p90=run * 1.2, count=30), cpu_seconds=run, settled=True,
        memory=MemoryUse(runtime_bytes=4, loaded_bytes=3, activation_bytes=2, peak_bytes=20),
        load=Load(others_busy_ratio=0.0, load_average=0.1), cpu_count=2,
        operators=tuple(operators), kernels=tuple(kernels),
    )  # fmt: skip


def part(**changes):
    """Return one part with four operators, the first of which is constant."""
    given = report(**changes)
    return PartProfile(
        name="00-whole",
        operators=("w", "a", "b", "y"),
        constant=(0,),
        weight_bytes=7,
        peak_bytes=9,
        report=given,
    )


def profile(*parts, device="d1", measured_unix_ns=1, **changes):
    """Return a model's profile."""
    question = Question(
        model=SHA256, sample="s", site="paceline/default", device=device, runtime="onnx_cpu",
        version="1.32.0", threads=1, weights="prepacked",
    )  # fmt: skip
    return ModelProfile(
        question=question,
        model=ModelRef(name="m.onnx", sha256=SHA256, size_bytes=8),
        sizes={"x": (1, 3)},
        measured_unix_ns=measured_unix_ns,
        parts=parts or (part(**changes),),
    )
