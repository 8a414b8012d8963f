"""What ``bench --profile`` measures of a segment or model on one machine, with its spread.

A child prints it, a device answers with it, and the cloud side keeps it: all times are seconds.
"""

import msgspec


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured several times."""

    p10: float
    p50: float
    p90: float
    count: int
    """How often."""
    mean: float | None = None
    """What many of them take each; None: whoever measured does not tell."""


class OperatorTime(msgspec.Struct, frozen=True, array_like=True):
    """One operator or kernel; an array on the wire, since there may be thousands."""

    place: int
    """In the model's file; beyond its operators: a kernel that the runtime made or added."""
    kind: str
    """Such as ``Conv``."""
    name: str
    """As the runtime calls it."""
    p10: float
    p50: float
    p90: float
    count: int


class MemoryUse(msgspec.Struct, frozen=True, kw_only=True):
    """Private memory of a process that does nothing but run the model, in bytes."""

    runtime_bytes: int
    """With the runtime's library, before a model."""
    loaded_bytes: int
    """What loading the model added: weights that are not left in their file, and plans."""
    activation_bytes: int
    """What running it added."""
    peak_bytes: int
    """The most that was resident at once, with mapped files; loading often takes most."""


class CpuLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a kernel lets a process and all beside it in its control group compute."""

    quota_seconds: float
    """Processor time in each period."""
    period_seconds: float


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What else the machine did meanwhile: it is in every figure."""

    others_busy_ratio: float
    """Of all its cores, busy for others; the measurement's own time is not in it."""
    load_average: float
    """The kernel's, of the minute before."""
    serving: int = 0
    """Workers of pipelines on the device."""


class ProfileReport(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one machine."""

    runtime: str
    version: str
    """The runtime's."""
    threads: int
    weights: str
    """``prepacked`` or ``mapped``; see `agent.runtimes.RuntimeOptions`."""
    open_seconds: float
    first_run_seconds: float
    run: Spread
    """The whole, as it is served: nothing but the model is timed."""
    cpu_seconds: float
    """Processor time of one run, on average, of all threads: others add little to it."""
    handling_cpu_seconds: float | None = None
    """Processor time of a worker for one frame, beside its run and its links; None: unknown."""
    settled: bool
    """Whether the median of ``run`` was known to 3 % before time was up."""
    memory: MemoryUse
    load: Load
    cpu_count: int
    cpu_limit: CpuLimit | None = None
    """None: there is none, or nobody tells."""
    machine: str = ""
    watts: float | None = None
    """The machine's mean power while it ran; None: it does not tell."""
    idle_watts: float | None = None
    """Before."""
    memory_limit_bytes: int | None = None
    """What one worker may take there; None: nobody says."""
    storage_bytes: int | None = None
    """What is free for segments there; None: nobody says."""
    operators: tuple[OperatorTime, ...] = ()
    """As the file has them, without the runtime's optimisations."""
    kernels: tuple[OperatorTime, ...] = ()
    """As the runtime runs them: fused, reordered, and those that it added."""
