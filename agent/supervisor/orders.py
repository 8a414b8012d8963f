"""What a device is ordered to run: checked, remembered on disk, and only then obeyed.

An order counts when it survives a power cut. Until then the device obeys the one before, also when
the disk is slow or refuses; then the order is given up and asked for again once the disk is well:
the broker keeps it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from agent import journal, reconcile
from agent.config import Config
from agent.journal_file import JournalError
from agent.lifecycle import AT_REST, State
from agent.refusals import Refusals
from agent.supervisor.keeper import Keeper
from agent.supervisor.state_folder import StateFolder
from agent.supervisor.trusted import trusted_keys
from wire import plugins, signing
from wire.errors import CodedError
from wire.messages import Assignment, Desired, Reason

MAX_UNFINISHED_RESTARTS: Final = 5
"""An assignment that was never served in so many starts of the agent has failed."""
ASK_AGAIN_SECONDS: Final = 5.0
"""So long after a refusal the broker is asked what it keeps: a good order may stand there still."""

log = structlog.get_logger(__name__)


class Resumed(NamedTuple):
    """An assignment that the journal holds, and how far it was."""

    assignment: Assignment
    state: State
    reason: Reason | None


class _Waiting(NamedTuple):
    """An order that was found right and is not yet on disk."""

    text: str
    known: reconcile.Known
    before: str | None
    """What is obeyed until then."""


class Orders:
    """The orders of one device.

    Args:
        config: The agent's configuration.
        state: Its folder, which is held.
        obey: Called with the assignments of an order that counts from now on.
        changed: Called when what `refused` or `problem` says may be another.
        ask_again: Called to hear once more what the broker keeps.
        refusals: Counts the orders that are not obeyed.
    """

    def __init__(
        self,
        config: Config,
        state: StateFolder,
        *,
        obey: Callable[[Mapping[str, Assignment]], None],
        changed: Callable[[], None],
        ask_again: Callable[[], None],
        refusals: Refusals,
    ) -> None:
        self.keys = trusted_keys(config.trust.keys)
        self._site, self._device = config.site, config.device
        self._obey = obey
        self._changed = changed
        self._ask_again = ask_again
        self._refusals = refusals
        self._journal = state.journal
        self._keeper = Keeper(
            state.path,
            state.journal,
            saved=self._on_disk,
            failed=self._not_kept,
            changed=changed,
            problem=state.unsaved,
        )
        self._refused = _reason(state.problem) if state.problem is not None else None
        self._refused_payload: int | None = None
        self._asking: asyncio.TimerHandle | None = None
        self._waiting: _Waiting | None = None
        self._missed = False
        self.known = reconcile.Known(
            state.journal.epoch, state.journal.revision, state.journal.generations
        )
        """What is obeyed."""

    @property
    def assignments(self) -> Mapping[str, Assignment]:
        """What shall run now, by key."""
        return self.known.assignments or {}

    @property
    def obeyed(self) -> str | None:
        """The signed order that is obeyed, as it came; None: none is."""
        if self.known.assignments is None:
            return None
        return self._waiting.before if self._waiting is not None else self._journal.desired

    @property
    def refused(self) -> Reason | None:
        """Why the newest order was not accepted, or none would be now; None: all is well."""
        problem = self.problem
        refuses = problem is not None and problem.code == JournalError.code
        return self._refused or (problem if refuses else None)

    @property
    def problem(self) -> Reason | None:
        """What is wrong with the disk; None: nothing."""
        return self._keeper.problem

    def take(self, payload: bytes) -> None:
        """Take what came on ``desired``."""
        if not payload:
            return  # an empty payload is never an order
        newest = self._waiting.known if self._waiting is not None else self.known
        try:
            desired = signing.verified_desired(payload, self.keys)
            self._check(desired, newest)
        except CodedError as error:
            self._refuse(error, payload)
            return
        text, known = payload.decode(), reconcile.remembered(desired, newest)
        if self._waiting is not None and text == self._waiting.text:
            return
        if self._waiting is None and text == self._journal.desired:
            self._accept(known)
            return
        self._waiting = _Waiting(text, known, self._journal.desired)
        self._keep(
            journal.accepted(
                self._journal,
                text,
                epoch=known.epoch,
                revision=known.revision,
                generations={
                    a.pipeline: known.generations[a.pipeline] for a in desired.assignments
                },
            )
        )

    def resume(self) -> tuple[Resumed, ...]:
        """Return what the journal holds, and count that it was taken up once more."""
        if self._journal.desired is None:
            return ()
        payload = self._journal.desired.encode()
        before = self._journal.assignments
        try:
            desired = signing.verified_desired(payload, self.keys)
            self._check(desired, reconcile.Known())  # it may have been another device's folder
        except CodedError as error:
            self._refused = _reason(error)
            log.warning("desired.refused", code=error.code, error=str(error), source="journal")
            return ()
        self.known = reconcile.remembered(desired, self.known)
        kept = journal.keeping(self._journal, self.assignments)
        for key in self.assignments:
            kept = journal.restarted(kept, key)
        self._keep(kept)
        return tuple(
            Resumed(assignment, *_resumed(before.get(key), kept.assignments.get(key)))
            for key, assignment in self.assignments.items()
        )

    def progressed(self, key: str, state: State) -> None:
        """Remember how far an assignment is, where the next start of the agent must know it.

        The steps between are worth no write to a flash disk: from any of them it is begun anew.
        """
        before = self._journal.assignments.get(key, journal.Progress(state=State.ASSIGNED))
        serving = state is State.SERVING
        failed = State.FAILED in {state, before.state}
        if failed or (serving and before.restarts_without_serving):
            kept = state if state in AT_REST else State.ASSIGNED
            self._keep(journal.progressed(self._journal, key, kept, serving=serving))

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget how far the other assignments were; on disk with whatever is saved next."""
        self._journal = journal.keeping(self._journal, keys)

    async def settle(self, seconds: float) -> None:
        """Wait until all that is known is on disk, or so long."""
        await self._keeper.settle(seconds)

    def stop(self) -> None:
        """Save nothing more."""
        self._keeper.stop()

    def _check(self, desired: Desired, known: reconcile.Known) -> None:
        runtimes = plugins.names("agent.runtimes")
        reconcile.check(desired, self._site, self._device, known, runtimes)

    def _refuse(self, error: CodedError, payload: bytes) -> None:
        self._refused = _reason(error)
        self._refusals.count(error.code, str(error))
        news, self._refused_payload = self._refused_payload != hash(payload), hash(payload)
        if news and self._asking is None:
            loop = asyncio.get_running_loop()
            self._asking = loop.call_later(ASK_AGAIN_SECONDS, self._asked_again)
        self._changed()

    def _asked_again(self) -> None:
        self._asking = None
        self._ask_again()

    def _keep(self, changed: journal.Journal) -> None:
        if changed != self._journal:
            self._journal = changed
            self._keeper.keep(changed)

    def _on_disk(self, kept: journal.Journal) -> None:
        if self._waiting is not None and kept.desired == self._waiting.text:
            known, self._waiting = self._waiting.known, None
            log.info(
                "desired.accepted",
                epoch=known.epoch,
                revision=known.revision,
                assignments=sorted(known.assignments or {}),
            )
            self._accept(known)
        if self._missed:
            self._missed = False
            self._ask_again()

    def _not_kept(self) -> None:
        """Give up the order that waits: who gave it is told so, and may take it back."""
        if self._waiting is not None:
            self._missed = True
            self._journal = replace(
                self._journal,
                desired=self._waiting.before,
                epoch=self.known.epoch,
                revision=self.known.revision,
                generations=dict(self.known.generations),
            )
            self._waiting = None
            self._keeper.keep(self._journal)

    def _accept(self, known: reconcile.Known) -> None:
        self.known = known
        self._refused = self._refused_payload = None
        self._obey(self.assignments)
        self._changed()


def _reason(error: CodedError) -> Reason:
    return Reason(code=error.code, message=str(error))


def _resumed(
    before: journal.Progress | None, now: journal.Progress | None
) -> tuple[State, Reason | None]:
    """Return the state that a journalled assignment is taken up in; unknown names begin again."""
    if now is not None and now.restarts_without_serving > MAX_UNFINISHED_RESTARTS:
        text = f"not served in {now.restarts_without_serving} starts of the agent"
        return State.FAILED, Reason(code="agent.restarted_often", message=text)
    if before is None or before.state not in set(State):
        return State.ASSIGNED, None
    state = State(before.state)
    if state is State.FAILED:
        text = "it had failed when the agent was started again; deploy it again"
        return state, Reason(code="assignment.failed_before", message=text)
    # what was draining or gone is wanted again: the newest desired state lists it
    return State.ASSIGNED if state in {State.DRAINING, State.RELEASED} else state, None
