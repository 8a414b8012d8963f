"""What runs one segment: the runtime that was asked for, or its fallback while that cannot.

An accelerator may be missing, go away in mid-run, or come back. Then the other one is opened, in
this process, and takes over between two frames; whoever waits for frames notices nothing but the
one error. What a library does to the whole process (it crashes, it hangs) the supervisor sees, who
is told beforehand that the accelerator is at stake. Every run is watched, on whatever it is.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final

import structlog

from agent import memory_limit
from agent.channel import PARTLY, Hung, Load, Using
from agent.errors import (
    AcceleratorLostError,
    AcceleratorMissingError,
    RuntimeFailedError,
    RuntimeOpenError,
)
from agent.runtimes import Runtime, RuntimeOptions, Tensors
from agent.worker import data_limit
from agent.worker.calls import Call, Looks, Pace
from agent.worker.warmup import GoldenFrameError, warm_up
from wire import plugins
from wire.errors import CodedError
from wire.messages import Reason
from wire.tensors import describe

PACKAGE: Final = "agent.runtimes"

log = structlog.get_logger()


class Engine:
    """The runtime of one segment, whichever it is now; not yet opened.

    Called by one thread at a time; ``overdue`` and ``use_accelerator`` by any.

    Args:
        order: What the supervisor said.
        told: Is told what runs the segment, whenever that changes; called from any thread.
    """

    def __init__(self, order: Load, told: Callable[[Using], None]) -> None:
        self._order = order
        self._told = told
        self._asked: type[Runtime] = plugins.load(PACKAGE, order.assignment.runtime)
        self._fallback = "" if order.assignment.require_accelerator else self._asked.FALLBACK
        self._looks = Looks()
        asked, pace = order.assignment.runtime, Pace()
        least = order.accelerator_run_seconds if self._asked.FALLBACK else order.run_seconds
        self._runs = {asked: Call("run", asked, least, pace)}
        self._warm_ups = {asked: Call("warm-up", asked, order.open_seconds, pace)}
        self._opening = Call("opening", asked, order.open_seconds, pace)
        self._end = Call("end", asked, least, pace)
        if self._fallback:
            name, pace = self._fallback, Pace()
            self._runs[name] = Call("run", name, order.run_seconds, pace)
            self._warm_ups[name] = Call("warm-up", name, order.open_seconds, pace)
        self._calls = (*self._runs.values(), *self._warm_ups.values(), self._opening, self._end)
        self._ended: Exception | None = None
        self._wanted = False
        self._retaking: threading.Thread | None = None
        self._ready: Runtime | None = None
        self._degraded: Reason | None = order.without if self._fallback else None
        self._now: Runtime | None = None
        self._call = self._runs[asked]
        self.any_thread = False
        """Whether `run` may be called from another thread than `open`."""

    @property
    def runtime(self) -> str:
        """The name of the runtime that is used now, or to be opened first."""
        return self._order.assignment.runtime if self._degraded is None else self._fallback

    def open(self) -> None:
        """Load the segment: as it was asked for, or else for the fallback.

        Raises:
            AcceleratorMissingError: It cannot run as it was asked to, and nothing may take over.
            RuntimeOpenError: It cannot be loaded.
            MemoryError: There is not enough for it.
        """
        if self._degraded is None:
            try:
                self._use(self._opened_as_asked())
            except AcceleratorMissingError as error:
                if not self._fallback:
                    raise
                self._degraded = _reason(error)
        if self._now is None:
            self._use(self._open(self._fallback))
        self._tell()

    def warm_up(self) -> float:
        """Run the golden frame; see ``agent.worker.warmup``. What fails it is not used."""
        try:
            largest = self._warmed(self._opened, self.runtime)
        except (AcceleratorLostError, GoldenFrameError) as error:
            self._fall_back(error)
            self.tick()
            largest = self._warmed(self._opened, self.runtime)
        self._tell()  # some can say only after a run what they run on
        return largest

    def run(self, inputs: Tensors) -> Tensors:
        """Run once; see ``Runtime``. After an ``AcceleratorLostError`` the next run may succeed.

        Raises:
            RuntimeFailedError: Also while it is not open.
        """
        try:
            now = self._now or self._opened  # what is open costs a frame no call
            return self._call.run(now.run, inputs)
        except AcceleratorLostError as error:
            self._fall_back(error)
            raise

    def tick(self) -> None:
        """Let what is ready take over, and open what is wanted: between two frames, steadily.

        Raises:
            CodedError: Nothing runs the segment any more.
            MemoryError: The same, for want of memory.
        """
        if self._ended is not None:
            raise self._ended
        ready, self._ready = self._ready, None
        if ready is not None:
            before, self._degraded = self._opened, None
            self._use(ready)
            before.close()
            self._tell()
        if self._wanted:
            self._wanted = False
            self._open_beside()

    def use_accelerator(self) -> None:
        """Have `tick` open what was asked for beside its fallback, and let it take over."""
        self._wanted = True  # a frame may be running, and lose the one that is used

    def overdue(self) -> Hung | None:
        """Return what to say of a call that takes too long: it hangs, the process is to be ended.

        An accelerator that runs, or is opened, is told as lost then. One thread asks, steadily.
        """
        call = self._looks.overdue(self._calls)
        if call is None:
            return None
        if self._asked.FALLBACK and call.runtime == self._order.assignment.runtime:
            asked = self._order.assignment
            error = AcceleratorLostError(
                asked.runtime, asked.accelerator, f"its {call.what} does not end"
            )
            self._told(self._using(_reason(error), at_stake=bool(self._fallback)))
        usual = call.pace.longest_seconds
        lately = f" (runs took at most {usual:.3g} s lately)" if usual else ""
        message = f"was ended: {call.runtime} did not end its {call.what} in {call.seconds:.0f} s"
        return Hung(message=message + lately, seconds=call.seconds)

    def close(self) -> None:
        """Give everything back; closing twice is harmless."""
        if self._now is not None:
            self._now.close()
        if self._ready is not None:
            self._ready.close()

    @property
    def _opened(self) -> Runtime:
        if self._now is None:
            raise RuntimeFailedError(self.runtime, "the segment is not open")
        return self._now

    def _use(self, runtime: Runtime) -> None:
        """Run on it from now on; whatever made it the right one is noted already."""
        self._now, self.any_thread = runtime, runtime.any_thread
        self._call = self._runs[self.runtime]

    def _opened_as_asked(self) -> Runtime:
        assignment = self._order.assignment
        if self._fallback:
            self._told(self._using(self._degraded, at_stake=True))
        with self._bounded(self._opening):
            return self._open(assignment.runtime, assignment.accelerator)

    def _open(self, name: str, accelerator: str = "") -> Runtime:
        order = self._order
        plugin: type[Runtime] = plugins.load(PACKAGE, name)
        weights: Any = order.weights
        options = RuntimeOptions(threads=order.threads, weights=weights, accelerator=accelerator)
        runtime = plugin.open(order.folder, options)
        problem = contract_problem(order, runtime)
        if problem is not None:
            runtime.close()
            raise RuntimeOpenError(name, order.assignment.segment, problem)
        return runtime

    def _fall_back(self, error: CodedError) -> None:
        """Let the fallback take over; where there is none, or it fails, the segment ends."""
        if not self._fallback or not self._in_use:
            self._ended = error
            return
        with self._bounded(self._end):
            self._opened.close()
        self._degraded = _reason(error)
        try:
            self._use(self._open(self._fallback))
        except (CodedError, MemoryError) as failed:
            self._ended = failed
            return
        self._tell()

    def _open_beside(self) -> None:
        """Open what was asked for beside its fallback, in a thread."""
        if self._in_use:
            self._tell()
            return
        busy = self._retaking is not None and self._retaking.is_alive()
        if busy or self._ready is not None:
            return
        self._retaking = threading.Thread(target=self._retake, daemon=True, name="retake")
        self._retaking.start()

    def _retake(self) -> None:
        """Open and try what was asked for; a thread of its own, frames go on meanwhile."""
        try:
            runtime = self._opened_as_asked()
            try:
                self._warmed(runtime, self._order.assignment.runtime)
            except BaseException:
                runtime.close()
                raise
        except (CodedError, MemoryError) as error:
            self._degraded = _reason(error)
            self._tell()
        except Exception as error:  # a bug must not leave the supervisor waiting
            log.exception("accelerator.mishandled")
            self._degraded = Reason(code="internal", message=f"{type(error).__name__}: {error}")
            self._tell()
        else:
            self._ready = runtime

    def _warmed(self, runtime: Runtime, name: str) -> float:
        contract = self._order.assignment.contract
        run = partial(self._warm_ups[name].run, runtime.run)
        return warm_up(run, self._order.folder, contract.tolerance, contract.quanta)

    @property
    def _in_use(self) -> bool:
        """Whether it runs as it was asked to."""
        return self._degraded is None

    def _tell(self) -> None:
        degraded = self._degraded
        if degraded is None and (short := self._opened.actual.short_of):
            degraded = Reason(code=PARTLY, message=short)
        self._told(self._using(degraded, at_stake=self._in_use and bool(self._fallback)))

    def _using(self, degraded: Reason | None, *, at_stake: bool) -> Using:
        asked = self._order.assignment.accelerator
        return Using(
            runtime=self.runtime,
            accelerator=asked if self._now is None else self._now.actual.accelerator,
            degraded=degraded,
            at_stake=at_stake,
        )

    def _bounded(self, call: Call) -> AbstractContextManager[None]:
        """Bound what an accelerator does: libraries for the processor take their time."""
        return call.under_way() if self._asked.FALLBACK else nullcontext()


def contract_problem(order: Load, runtime: Runtime) -> str | None:
    """Return how the segment differs from what the assignment says of it."""
    contract = order.assignment.contract
    for said, found in ((contract.inputs, runtime.inputs), (contract.outputs, runtime.outputs)):
        known = {spec.name: spec for spec in found}
        for spec in said if known else ():
            other = known.get(spec.name)
            if other is None:
                return f"it has no tensor {spec.name!r}"
            if other.dtype != spec.dtype:
                is_type = describe(other.dtype, other.shape)
                return f"{spec.name!r} is {is_type}, assigned {describe(spec.dtype, spec.shape)}"
    return None


def _reason(error: CodedError | MemoryError) -> Reason:
    """Return what is told of it: without the advice, which is for whoever asked for the run."""
    if isinstance(error, MemoryError):
        return Reason(code=memory_limit.CODE, message=data_limit.reached(error))
    said, _, advice = str(error).rpartition("; ")
    return Reason(code=error.code, message=said or advice)
