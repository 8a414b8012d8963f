"""A loaded segment with its data plane: made, warmed, opened, served, drained."""

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from agent.channel import BrokerAccess, Load
from agent.runtimes import Runtime
from agent.worker.answering import Answering
from agent.worker.arrivals import Arrivals
from agent.worker.compute import Compute
from agent.worker.engine import Engine
from agent.worker.inbox import Inbox
from agent.worker.intake import Intake
from agent.worker.outbound import Outbound
from agent.worker.paths import to_next_stage
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import broker_url, link_names
from wire.access import Access
from wire.attempts import Trouble
from wire.buffers import Buffer
from wire.errors import AccessFileError, BrokerUnreachableError, CodedError
from wire.hop import Grant, Position
from wire.hop.receiver import MAX_SENDERS, HopReceiver
from wire.links import Link, LinkOptions, open_link
from wire.telemetry import StageLatency

log = structlog.get_logger()

OPEN_SECONDS: Final = 30.0
DRAIN_QUIET_SECONDS: Final = 1.0
"""Drained: nothing has come from a client for so long, and nothing is unfinished."""
UPSTREAM_QUIET_SECONDS: Final = 3.0
"""The same for a neighbour that does not say when it leaves: perhaps it stays."""
LAST_CALL_SECONDS: Final = 8.0
"""A stage goes on granting credit to its neighbours for so long: they may have to drain, too."""
DRAIN_SECONDS: Final = 10.0
"""At the latest. Whoever sent us what is unfinished then keeps it, and gives it to others."""
OVER_WINDOW: Final = 2
"""The inbox's last wall is so many windows, and a frame of each sender: credit is the first."""


class Serving:
    """One segment's runtime and data plane.

    Args:
        stage: Where we are.
        order: What the supervisor said.
        link: Carries the frames, not yet started; None: the usual one.
        runtime: Holds the segment, in the worker an open `Engine`; None: one is made and opened.
    """

    def __init__(
        self,
        stage: Stage,
        order: Load,
        link: Link | None = None,
        runtime: Engine | Runtime | None = None,
    ) -> None:
        self._stage = stage
        self._order = order
        if runtime is None:
            runtime = Engine(order, lambda _: None)
            runtime.open()
        self._runtime = runtime
        self._stats = Stats()
        self._inbox = Inbox(
            OVER_WINDOW * order.inbox_frames + MAX_SENDERS, OVER_WINDOW * order.inbox_bytes
        )
        self._link = link or _open_link(stage, order, self._fault)
        self._paths = to_next_stage(
            stage,
            self._link,
            order.direct,
            receive=self._take_credit,
            changed=self._inbox.wake,
        )
        self._outbound = Outbound(
            stage,
            self._paths,
            self._stats,
            self._overdue,
            settle=self._settle,
            wake=self._inbox.wake,
            kept_bytes=order.inbox_bytes,
        )
        receiver = HopReceiver(stage.instance, order.inbox_frames, order.inbox_bytes)
        self._intake = Intake(
            stage,
            receiver,
            self._inbox,
            self._stats,
            self._answer,
            self._send_grant,
            order.max_frame_bytes,
        )
        self._intake.asked = self._send_offers
        self._arrivals = Arrivals(
            stage,
            self._link,
            order.direct,
            self._stats,
            self._intake.take,
            self._fault,
            order.max_frame_bytes,
        )
        self._intake.by_broker = self._arrivals.by_broker
        self._answering = self._outbound.answering = (
            None
            if stage.downstream
            else Answering(stage, order.direct, self._stats, self._take_credit, self._fault)
        )
        self._compute = Compute(
            stage, self._runtime, self._inbox, self._intake, self._outbound, self._stats
        )
        self._intake.claim = self._compute.claim
        self._close_ordered: Callable[[], bool] = lambda: False
        self._closing_at: float | None = None

    def warm_up(self) -> float:
        """Run the golden frame; see ``agent.worker.warmup``."""
        assert isinstance(self._runtime, Engine)
        return self._runtime.warm_up()

    def open_input(self) -> None:
        """Listen on the lane; returns when the broker for tensors has acknowledged it.

        Raises:
            BrokerRefusedError: It will not have us.
        """
        self._link.listen(self._stage.inbox_address(), self._arrivals.take)
        self._link.listen(self._stage.credit_address(), lambda _, data: self._take_credit(data))
        try:
            self._link.start(OPEN_SECONDS)
        except (BrokerUnreachableError, AccessFileError) as error:
            log.warning("link.delayed", error=str(error))
        while not self._link.up:  # the link goes on trying, and so does the heartbeat
            time.sleep(0.1)

    def serve(self, close_ordered: Callable[[], bool]) -> None:
        """Run frames; when ``close_ordered``, drain, and give everything back.

        ``close_ordered`` is asked by any thread, also while a frame waits for credit.

        Raises:
            CodedError: Nothing runs the segment any more.
            MemoryError: There was not enough for a frame.
        """

        def finished() -> bool:
            if isinstance(self._runtime, Engine):
                self._runtime.tick()
            closing_at = self._closing_since()
            return closing_at is not None and self._drained(closing_at)

        self._close_ordered = close_ordered
        self._compute.serve(finished)
        if self._paths.up:
            self._outbound.leave()
        # without a link what was sent last has hardly left, and must be sent again
        if self._link.up and not self._overdue():
            self._intake.farewell()
        self._arrivals.close()
        if self._answering is not None:
            self._answering.close()
        self._paths.close()
        self._link.close()
        self._runtime.close()

    def serve_until(self, over: Callable[[], bool]) -> None:
        """Run frames until it is over, and leave everything as it is then."""
        self._compute.serve(over)

    def snapshot(self) -> StageLatency:
        """Return counts and histograms since the worker started."""
        assignment = self._stage.assignment
        return self._stats.snapshot(
            pipeline=assignment.pipeline,
            generation=assignment.generation,
            stage=assignment.stage,
            instance=self._stage.instance,
            queued_frames=len(self._inbox),
            suspect=self._outbound.suspects(),
            links=self._paths.links(),
        )

    def _closing_since(self) -> float | None:
        """Return since when the input shall be closed, in monotonic seconds; None: it shall not.

        Clients are told at once to send nothing more, neighbours in the end.
        """
        if self._closing_at is None:
            if not self._close_ordered():
                return None
            self._closing_at = time.monotonic()
        last_call = LAST_CALL_SECONDS if self._stage.upstream else -1
        if not self._intake.closed and time.monotonic() - self._closing_at > last_call:
            self._intake.close()
        return self._closing_at

    def _drained(self, closing_at: float) -> bool:
        """Whether it may end.

        When a whole pipeline goes, its stages drain in order: each says to the next when it leaves.
        """
        if self._overdue():
            return True
        now = time.monotonic()
        patience = UPSTREAM_QUIET_SECONDS if self._stage.upstream else DRAIN_QUIET_SECONDS
        quiet = now - max(self._intake.arrived_at, closing_at) > patience
        over = quiet or self._intake.upstream_left
        return over and not len(self._inbox) and self._outbound.settled

    def _overdue(self) -> bool:
        closing_at = self._closing_since()
        return closing_at is not None and time.monotonic() - closing_at > DRAIN_SECONDS

    def _answer(self, frame: Any, code: str, message: str) -> None:
        self._outbound.answer(frame, code, message)
        self._inbox.wake()

    def _take_credit(self, data: Buffer) -> None:
        self._outbound.take_credit(data)

    def _send_grant(self, sender: str, grant: Grant, **meta: Any) -> None:
        buffers = self._outbound.grant_frame(grant, **meta)
        if not self._arrivals.send(sender, buffers):
            self._outbound.send_grant(sender, buffers)

    def _send_offers(self, sender: str, grant: Grant) -> None:
        self._send_grant(sender, grant, **self._arrivals.offers(sender))

    def _settle(self, position: Position) -> None:
        self._intake.settle(position)

    def _fault(self, error: Exception) -> None:
        code = error.code if isinstance(error, CodedError) else "internal"
        self._stats.refused(code)
        if code == "internal":
            log.error("frame.mishandled", error=repr(error))


def _open_link(stage: Stage, order: Load, fault: Callable[[Exception], None]) -> Link:
    broker: BrokerAccess = order.broker
    lane = stage.lane
    client_id = f"{stage.device}:{stage.assignment.pipeline}:{lane.generation}:{lane.stage}"
    url = broker_url.parse(broker.url)
    said = log.bind(assignment=stage.assignment.key, url=str(url))

    def problem(trouble: Trouble) -> None:
        said.warning("link.not_connected", code=trouble.code, reason=trouble.reason)

    return open_link(
        link_names.brokered(stage.assignment.transfer.link),
        LinkOptions(
            url=url,
            client_id=client_id,
            access=Access(
                username=broker.username,
                password_file=broker.password_file,
                ca_file=broker.ca_file,
                certificate_file=broker.client_cert_file,
                key_file=broker.client_key_file,
            ),
            max_packet_bytes=broker.max_packet_bytes,
            max_frame_bytes=order.max_frame_bytes,
            works=True,
            on_up=lambda: said.info("link.connected"),
            on_problem=problem,
            on_fault=fault,
        ),
    )
