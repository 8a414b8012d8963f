"""Two Ray actors and their driver, for `benchmarks/two_stage.py`."""

import contextlib
import os
import secrets
import signal
from collections import deque

import numpy as np
import psutil

from benchmarks.two_stage_carriers import (
    CLIENT,
    PATIENCE_SECONDS,
    WARM_UP_FRAMES,
    Chained,
    bind,
    cores,
    cpu,
)
from benchmarks.two_stage_child import WIDTH, Half

RAY = f"Ray actors{CLIENT}"
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # actors run in this environment, not in a copy of it
    "RAY_AUTH_TOKEN": secrets.token_hex(32),  # or Ray would leave one in the home folder
    "GRPC_ENABLE_FORK_SUPPORT": "0",  # Ray forks where gRPC has threads
}


class RayActors(Chained):
    """The driver is this process; each half is an actor, which tensors reach as Ray sees fit.

    What is over 100 KB goes through Ray's store, where the second actor reads it in place; what is
    smaller comes with the call, by way of the driver. Ray's own processes count as the broker.
    """

    def __init__(self, name, folder, _broker):
        os.environ.update(SETTINGS)
        import ray  # noqa: PLC0415 it reads the settings

        self.ray, self.name, self.folder = ray, name, folder
        before = set(psutil.Process().children())
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder / "ray"),
        )
        actor = ray.remote(Half)
        self.actors = [actor.remote(stage) for stage in (0, 1)]
        self.stages = [self.ask(stage, lambda _half: os.getpid()) for stage in (0, 1)]
        for pid, core in zip(self.stages, cores(), strict=True):
            bind(pid, core)
        started = set(psutil.Process().children()) - before
        started |= {each for one in started for each in one.children(recursive=True)}
        self.services = dict.fromkeys({one.pid for one in started}.difference(self.stages), 0.0)
        """What each has spent so far; Ray may end some of them."""
        self.input = np.ones((1, WIDTH), np.float32)
        self.flying = deque()
        self.measured = []
        self.run(WARM_UP_FRAMES, 1)
        self.let(signal.SIGSTOP)

    def let(self, number):
        """Stop all of Ray, or let it go on: idle, it would take some 3 % of a core from others."""
        for pid in (*self.stages, *self.services):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def alone(self, frames):
        self.let(signal.SIGCONT)
        super().alone(frames)

    def busy(self, frames):
        super().busy(frames)
        self.let(signal.SIGSTOP)

    def ask(self, stage, function):
        """Return what a function says of a half, called where that is."""
        asked = self.actors[stage].__ray_call__.remote(function)
        return self.ray.get(asked, timeout=PATIENCE_SECONDS)

    def send(self, _sequence):
        first, second = self.actors
        self.flying.append(second.run.remote(first.run.remote(self.input)))

    def answer(self):
        return self.ray.get(self.flying.popleft(), timeout=PATIENCE_SECONDS)

    def spent(self):
        self.services = {pid: max(spent, cpu(pid)) for pid, spent in self.services.items()}
        return [*map(cpu, self.stages), sum(self.services.values())]

    def end(self):
        self.let(signal.SIGCONT)
        for stage in (0, 1):
            file = f"{self.name}-{stage}"
            self.ask(stage, lambda half, file=file: half.write(file))
        self.ray.shutdown()
