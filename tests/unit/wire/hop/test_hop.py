"""One hop: credits, positions, gaps and probes over a channel that loses things."""

from collections import deque

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wire.errors import CreditError, FrameError, LaneFullError
from wire.hop import (
    ALONE_SECONDS,
    CLEARED,
    MAX_GAPS,
    PROBE_SECONDS,
    SILENCE_SECONDS,
    SUSPECT_PROBES,
    Grant,
    Heard,
    Lost,
    Position,
)
from wire.hop.receiver import ACTIVE_SECONDS, MAX_REPEATS, HopReceiver
from wire.hop.sender import HopSender

WINDOW_FRAMES = 4
WINDOW_BYTES = 100
WORK = ["send", "send", "send alone", "deliver", "release", "pass on", "exchange", "hear", "wait"]
FAULTS = ["frame", "frame", "frame", "grant", "link", "receiver", "sender", "close", "sleep"]
COUNTS = st.integers(0, (1 << 62) - 1)
U64 = st.integers(0, 2**64 - 1)


class HopMachine(RuleBasedStateMachine):
    """A sender and a receiver that restart, over a lane that loses and a return way that errs.

    Frames and probes keep their order, as on a lane; grants are lost, late and repeated. A frame's
    key is its number, so the machine knows what really became of it.
    """

    @initialize()
    def open(self):
        """Begin with a sender that has its first grant."""
        self.now = 0.0
        self.next_key = 0
        self.next_hop = 1
        self.lane = deque()
        self.grants = []
        self.receiver = HopReceiver(1, WINDOW_FRAMES, WINDOW_BYTES)
        self.closed = False
        self.held = []
        self.arrived = set()
        self.finished = set()
        self.unsettled = []
        self.settled = set()
        self.granted = {}
        self.gap_ranges = 0
        self.gaps_forgotten = False
        self.open_sender()
        self.settle()

    def open_sender(self):
        """Open a stream; its keys are accounted for until the process that sent them ends."""
        self.sender = HopSender(self.next_hop, "client")
        self.next_hop += 1
        self.registered = set()
        self.lost = {}
        self.alone = set()
        self.told_arrived = set()
        self.told_done = set()
        self.silence = False

    def note_lost(self, losses):
        """Each frame is reported lost at most once, and only while it was outstanding."""
        for key, code, cleared, alone in losses:
            assert key in self.registered
            assert not cleared or key in self.finished or key not in self.arrived
            assert alone is ((code == "worker.lost" and not cleared) or key in self.alone)
            assert key not in self.lost
            assert code in {"worker.lost", "link.lost"}
            if code == "link.lost":
                assert key not in self.arrived
            self.lost[key] = code

    def note_heard(self, heard):
        """What is told as arrived has arrived, what as done is settled; each is told once."""
        self.note_lost(heard.lost)
        for key in heard.arrived:
            assert key in self.registered
            assert key not in self.told_arrived
            self.told_arrived.add(key)
        for key in heard.done:
            assert key in self.registered
            assert key not in self.told_done
            self.told_done.add(key)
        if not self.gaps_forgotten:
            assert self.told_arrived <= self.arrived
            assert self.told_done <= self.settled

    def note_grant(self, grant):
        """What is granted to one stream by one receiver only grows."""
        before = self.granted.get((grant.hop, grant.receiver), grant)
        assert grant.frames == 0 if self.closed else grant.frames >= before.frames
        assert grant.size_bytes >= before.size_bytes
        assert grant.arrived >= before.arrived
        assert grant.done >= before.done
        assert grant.ran >= before.ran
        assert grant.done <= grant.arrived >= grant.ran
        assert len(grant.gaps) <= MAX_GAPS
        self.granted[grant.hop, grant.receiver] = grant
        self.grants.append(grant)

    def step_lane(self):
        """The receiver takes what is next on the lane."""
        what, position, size_bytes, key = self.lane.popleft()
        missed = self.receiver.frames_missed
        if what == "probe":
            self.note_grant(self.receiver.probed(position, self.now))
        else:
            assert self.receiver.arrived(position, size_bytes, self.now)
            assert not self.receiver.arrived(position, size_bytes, self.now), "it came twice"
            self.held.append((position, size_bytes, key))
            self.arrived.add(key)
        self.gap_ranges += self.receiver.frames_missed > missed
        self.gaps_forgotten |= self.gap_ranges > MAX_GAPS

    def settle(self):
        """Without faults: everything is delivered, finished, granted and heard."""
        self.probe_now()
        while self.lane:
            self.step_lane()
        while self.held:
            self.release(0)
        while self.unsettled:
            self.pass_on(0)
        self.probe_now()
        while self.lane:
            self.step_lane()
        while self.grants:
            self.hear(0, again=False)

    def probe_now(self):
        """Time passes until a probe is due, however lately the last grant was heard."""
        for _ in range(2):
            self.now += PROBE_SECONDS
            self.probe()

    def probe(self):
        """The sender probes when it is due, as if a frame waited."""
        position = self.sender.probe(self.now, waiting=True)
        if position is not None:
            self.lane.append(("probe", position, 0, None))

    # One rule of all actions: hypothesis switches whole rules off in most of its runs, and a hop
    # that never sends, or never delivers, shows nothing.
    @rule(
        what=st.sampled_from(WORK * 3 + FAULTS),
        size_bytes=st.sampled_from([1, 10, 25, 60, WINDOW_BYTES]),
        number=st.integers(0, 20),
    )
    def act(self, what, size_bytes, number):
        """The hop does what it is for, or something fails."""
        if what == "send":
            self.send(size_bytes, 1 + number % WINDOW_FRAMES)
        elif what == "send alone":
            self.send_alone(size_bytes)
        elif what == "deliver":
            self.deliver(1 + number % 8)
        elif what == "release":
            self.release(number)
        elif what == "pass on":
            self.pass_on(number)
        elif what == "exchange":
            self.exchange()
        elif what == "hear":
            self.hear(number, again=number % 3 == 0)
        elif what == "wait":
            self.wait([0.25, PROBE_SECONDS, 2.0, SILENCE_SECONDS][number % 4])
        else:
            self.fail(what, number)

    def send(self, size_bytes, repeat):
        """Send as many frames of a size as are covered."""
        for _ in range(repeat):
            if not self.sender.covers(size_bytes):
                break
            position = self.sender.sent(self.next_key, size_bytes)
            self.lane.append(("frame", position, size_bytes, self.next_key))
            self.registered.add(self.next_key)
            self.next_key += 1

    def send_alone(self, size_bytes):
        """Send a frame to a receiver that has run all the others; nothing is sent behind it."""
        if self.sender.covers_alone(size_bytes):
            position = self.sender.admit(self.next_key, size_bytes, alone=True)
            self.lane.append(("frame", position, size_bytes, self.next_key))
            self.registered.add(self.next_key)
            self.alone.add(self.next_key)
            self.next_key += 1
            assert not self.sender.covers(0)

    def deliver(self, count):
        """The lane delivers, in order."""
        for _ in range(min(count, len(self.lane))):
            self.step_lane()

    def exchange(self):
        """For a moment nothing is lost, and nothing is finished either."""
        self.probe_now()
        while self.lane:
            self.step_lane()
        while self.grants:
            self.hear(0, again=False)

    def release(self, index):
        """The receiver finishes a frame, in any order."""
        if not self.held:
            return
        position, _, key = self.held.pop(index % len(self.held))
        self.finished.add(key)
        at_once = index % 2 == 0
        if at_once:
            self.settled.add(key)
        else:
            self.unsettled.append((position, key))
        grant = self.receiver.released(position, self.now, settled=at_once)
        if grant is not None:
            self.note_grant(grant)

    def pass_on(self, index):
        """What was released is out of the receiver's hands, in any order."""
        if not self.unsettled:
            return
        position, key = self.unsettled.pop(index % len(self.unsettled))
        self.settled.add(key)
        grant = self.receiver.settled(position, self.now)
        if grant is not None:
            self.note_grant(grant)

    def hear(self, index, again):
        """A grant arrives, perhaps late, perhaps to be repeated."""
        if not self.grants:
            return
        index %= len(self.grants)
        self.note_heard(self.sender.granted(self.grants[index]))
        if not again:
            del self.grants[index]

    def wait(self, seconds):
        """Time passes: probes, and what a silent neighbour held."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + PROBE_SECONDS)
            self.probe()
            losses = self.sender.lost_by_silence(self.now)
            self.silence |= bool(losses)
            self.note_lost(losses)

    def fail(self, what, index):
        """Something is lost on the way, the link breaks, or one of the two restarts.

        A restarted sender opens a new stream while the frames of its old one still travel.
        """
        if what == "frame" and self.lane:
            del self.lane[index % len(self.lane)]
        elif what == "grant" and self.grants:
            del self.grants[index % len(self.grants)]
        elif what == "link":
            self.lane.clear()
        elif what == "receiver":
            self.receiver = HopReceiver(self.receiver.receiver + 1, WINDOW_FRAMES, WINDOW_BYTES)
            self.closed = False
            self.held = []
            self.unsettled = []
            self.gap_ranges = 0
        elif what == "sender":
            self.open_sender()
        elif what == "close":
            self.closed = True
            for _, grant in self.receiver.close(self.now):
                self.note_grant(grant)
        elif what == "sleep":  # of the sender: nothing is asked meanwhile, and nothing concluded
            self.now += 2 * SILENCE_SECONDS
            if not self.sender.suspect:
                assert self.sender.lost_by_silence(self.now) == []

    @invariant()
    def no_window_is_exceeded(self):
        """No stream has more frames or bytes with the receiver than its window."""
        for hop in {position.hop for position, _, _ in self.held}:
            sizes = [size for position, size, _ in self.held if position.hop == hop]
            assert len(sizes) <= WINDOW_FRAMES
            # A neighbour given up for silent gets a frame more: what it held is not known.
            assert sum(sizes) <= WINDOW_BYTES or self.silence or hop != self.sender.hop
        assert self.receiver.held_frames == len(self.held)
        assert self.receiver.held_bytes == sum(size for _, size, _ in self.held)

    @invariant()
    def who_was_sent_alone_is_alone(self):
        """Nothing else of its stream waits to be run with it, as far as gaps are told."""
        for hop in {position.hop for position, _, _ in self.held}:
            keys = {key for position, _, key in self.held if position.hop == hop}
            if hop == self.sender.hop and not (self.silence or self.gaps_forgotten):
                assert len(keys) == 1 or not keys & self.alone

    @invariant()
    def every_frame_is_outstanding_lost_or_acknowledged(self):
        """The three are disjoint, and only what was finished is acknowledged."""
        acknowledged = len(self.registered) - len(self.lost) - self.sender.outstanding
        assert acknowledged >= 0
        if not self.gaps_forgotten:
            assert acknowledged <= len(self.settled & self.registered - set(self.lost))

    def teardown(self):
        """When faults stop, the sender gets credit again and every frame has ended."""
        if not hasattr(self, "sender"):
            return
        self.grants.clear()
        if self.closed:
            self.settle()
            assert not self.sender.covers(1)
            self.fail("receiver", 0)
        for _ in range(SUSPECT_PROBES + 3):
            self.settle()
        assert self.sender.covers(WINDOW_BYTES)
        assert not self.sender.suspect
        assert self.sender.outstanding == 0
        assert self.sender.all_arrived
        if not self.gaps_forgotten:
            assert self.registered == set(self.lost) | (self.registered & self.settled)
            assert self.registered - self.arrived <= set(self.lost)


HopMachine.TestCase.settings = settings(deadline=None, max_examples=150, stateful_step_count=40)
TestHop = HopMachine.TestCase


def pair(frames=WINDOW_FRAMES, size_bytes=WINDOW_BYTES, **options):
    """A sender that has its first grant, and its receiver."""
    receiver = HopReceiver(11, frames, size_bytes)
    sender = HopSender(1, "client", **options)
    sender.granted(receiver.probed(sender.probe(0.0, waiting=True), 0.0))
    return sender, receiver


def ask(sender, first, seconds):
    """Probe every half second, beginning at ``first``, without an answer; returns the time then."""
    for step in range(int(seconds / PROBE_SECONDS) + 1):
        sender.probe(first + step * PROBE_SECONDS)
    return first + seconds


def grant(**changes):
    """A grant to stream 1 that allows much."""
    fields = {"hop": 1, "receiver": 11, "since": 0, "arrived": 0, "done": 0, "ran": 0, "frames": 50}
    return Grant(**{**fields, "size_bytes": 5000, "largest_bytes": 1000, **changes})


def test_nothing_is_sent_before_the_first_grant():
    """Sending without credit is a bug in the caller, and is not counted as sent."""
    sender = HopSender(1, "client")

    assert not sender.covers(0)
    with pytest.raises(CreditError):
        sender.sent("a", 1)
    assert (sender.sent_frames, sender.outstanding) == (0, 0)


def test_credit_is_exactly_the_window():
    """As many frames as the window holds, not one more, until one is finished."""
    sender, receiver = pair(size_bytes=1000)
    positions = [sender.sent(key, 10) for key in range(WINDOW_FRAMES)]
    assert not sender.covers(1)

    for position in positions:
        receiver.arrived(position, 10, 0.0)
    assert receiver.released(positions[0], 0.0) is None, "half a window gathers"
    sender.granted(receiver.released(positions[1], 0.0))

    assert sender.outstanding == 2
    assert [sender.covers(1)] == [True]
    sender.sent("d", 1), sender.sent("e", 1)
    assert not sender.covers(1)


@pytest.mark.parametrize(("what", "told_at"), [("released", [3, 7]), ("settled", [7])])
def test_half_a_share_is_told(what, told_at):
    """In frames or in bytes; a sender that has the other half need not wait for it.

    It waits for room, but not for leave to forget: that is told with it, or after eight frames.
    """

    def told(count, size_bytes):
        sender, receiver = pair(frames=8, size_bytes=1000)
        positions = [sender.sent(key, size_bytes) for key in range(count)]
        for position in positions:
            receiver.arrived(position, size_bytes, 0.0)
        if what == "settled":
            for position in positions:
                receiver.released(position, 0.0, settled=False)
        return [index for index, p in enumerate(positions) if getattr(receiver, what)(p, 0.0)]

    assert told(8, 10) == told_at
    assert told(5, 200) == [2]
    assert told(2, 500) == [0, 1]


def test_the_last_word_of_a_receiver_that_ends():
    """What it released is in other hands; what it still holds is not."""
    sender, receiver = pair(frames=8, size_bytes=1000)
    for key in "abc":
        receiver.arrived(sender.sent(key, 10), 10, 0.0)
    receiver.released(Position(1, 0, 0, "client"), 0.0, settled=False)
    ((told, grant),) = receiver.farewell(0.0)
    heard = sender.granted(grant)

    assert told == "client"
    assert (heard.arrived, heard.done) == (["a", "b", "c"], ["a"])


def test_the_rest_is_told_to_a_probe():
    """At the latest after half a second."""
    sender, receiver = pair(frames=100)
    position = sender.sent("a", 10)
    receiver.arrived(position, 10, 0.0)
    assert receiver.released(position, 0.0) is None

    assert sender.granted(receiver.probed(sender.position(), 0.0)).done == ["a"]


@pytest.mark.parametrize(("size_bytes", "never"), [(WINDOW_BYTES, False), (WINDOW_BYTES + 1, True)])
def test_frame_larger_than_the_window_never_fits(size_bytes, never):
    """The sender knows it beforehand, instead of waiting for ever."""
    sender, _ = pair()

    assert sender.never_fits(size_bytes) is never
    assert sender.covers(size_bytes) is not never


def test_before_the_first_grant_nobody_knows_what_never_fits():
    """No verdict without a window."""
    assert not HopSender(1, "client").never_fits(1 << 60)


def test_frame_larger_than_a_share_goes_alone():
    """Four senders share 100 bytes, and each can still send a frame of 100, one at a time."""
    receiver = HopReceiver(11, 8, 100)
    senders = [HopSender(hop, "client") for hop in range(4)]
    for _ in range(2):
        for sender in senders:
            sender.granted(receiver.probed(sender.position(), 0.0))

    last = senders[-1]
    assert last.covers(100)
    last.sent("a", 100)
    assert not last.covers(1)


@given(st.integers(1, 12), st.integers(1, 20))
def test_senders_share_the_window(count, window):
    """What is granted to senders that are all known adds up to the window, or to one each."""
    receiver = HopReceiver(11, window, 1000)
    senders = [HopSender(hop, "client") for hop in range(count)]
    for sender in senders:
        receiver.arrived(sender.position(), 0, 0.0)
        receiver.released(sender.position(), ACTIVE_SECONDS + 1)
    receiver = HopReceiver(11, window, 1000)
    for sender in senders:
        receiver.arrived(sender.position(), 10, 0.0)
    grants = [receiver.grant(sender.hop, 0.0) for sender in senders]

    assert sum(g.frames for g in grants) <= max(window, count)
    assert min(g.frames for g in grants) >= 1
    assert sum(g.size_bytes for g in grants) <= 1000


def test_silent_sender_no_longer_shares():
    """After five seconds of silence its share goes to the others."""
    receiver = HopReceiver(11, 8, 800)
    first, second = HopSender(1, "a"), HopSender(2, "b")
    receiver.probed(first.position(), 0.0)

    assert receiver.probed(second.position(), 0.0).frames == 4
    assert receiver.probed(second.position(), ACTIVE_SECONDS).frames == 8


def test_receiver_remembers_a_bounded_number_of_streams():
    """A stranger that opens streams without end fills no memory, and drives nobody out."""
    receiver = HopReceiver(11, 4, 100, max_senders=2)
    for hop in range(2):
        receiver.arrived(Position(hop, 0, 0, "x"), 10, float(hop))
    with pytest.raises(LaneFullError, match="2 senders"):
        receiver.arrived(Position(2, 0, 0, "x"), 10, 0.9 + ACTIVE_SECONDS - 1)
    receiver.arrived(Position(3, 0, 0, "x"), 10, ACTIVE_SECONDS)

    assert receiver.held_frames == 2
    assert receiver.released(Position(0, 0, 0, "x"), 0.0) is None
    assert receiver.released(Position(1, 0, 0, "x"), 0.0) is not None


def test_a_thousand_senders_keep_what_they_have():
    """Nobody is forgotten while others come and go, and each has its share of the window."""
    receiver = HopReceiver(11, 4000, 4_000_000)
    senders = [HopSender(hop, "client") for hop in range(1000)]
    for _ in range(3):
        for sender in senders:
            sender.granted(receiver.probed(sender.position(), 0.0))
    for sender in senders:
        assert receiver.arrived(sender.sent("a", 10), 10, 1.0)

    assert receiver.held_frames == 1000
    assert {receiver.grant(sender.hop, 1.0).since for sender in senders} == {0}
    assert receiver.probed(Position(5000, 0, 0, "new"), 2.0).frames == 3
    assert receiver.probed(Position(5000, 0, 0, "new"), 1.0 + ACTIVE_SECONDS).frames == 4000


def test_gap_is_told_as_lost_by_the_link():
    """What never arrived is known as soon as anything later does, with its key."""
    sender, receiver = pair()
    positions = [sender.sent(key, 10) for key in "abcd"]
    receiver.arrived(positions[0], 10, 0.0)
    receiver.arrived(positions[3], 10, 0.0)

    assert sender.granted(receiver.grant(1, 0.0)).lost == [
        Lost("b", "link.lost"),
        Lost("c", "link.lost"),
    ]
    assert receiver.frames_missed == 2
    assert sender.outstanding == 2


def test_loss_of_the_last_frame_is_found_by_a_probe():
    """Behind a probe nothing is on its way, so what it counts and did not come is lost."""
    sender, receiver = pair()
    sender.sent("a", 10)
    lost = sender.granted(receiver.probed(sender.position(), 0.0)).lost

    assert lost == [Lost("a", "link.lost")]
    assert sender.covers(WINDOW_BYTES)


def test_only_the_latest_gaps_are_told():
    """The limit of what can be told: with more gaps than MAX_GAPS unheard, the first are silent.

    Such a frame ends by its deadline at the client; its credit is not lost.
    """
    sender, receiver = pair(frames=100)
    for key in range(2 * (MAX_GAPS + 1)):
        position = sender.sent(key, 1)
        if key % 2:
            receiver.arrived(position, 1, 0.0)
            receiver.released(position, 0.0)
    lost = sender.granted(receiver.grant(1, 0.0)).lost

    assert [loss.key for loss in lost] == list(range(2, 2 * (MAX_GAPS + 1), 2))
    assert sender.outstanding == 0


def test_new_receiver_has_lost_what_the_old_one_held():
    """Frames before the first that the new process saw are gone with the old one."""
    sender, old = pair()
    old.arrived(sender.sent("a", 10), 10, 0.0)
    new = HopReceiver(12, WINDOW_FRAMES, WINDOW_BYTES)
    new.arrived(sender.sent("b", 10), 10, 0.0)

    assert sender.granted(new.grant(1, 0.0)).lost == [Lost("a", "worker.lost", alone=True)]
    assert sender.outstanding == 1


def test_what_a_receiver_had_run_did_not_end_it():
    """Of the others the oldest is most likely the reason, so it is sent again last."""
    sender, receiver = pair(frames=8)
    positions = [sender.sent(key, 1) for key in "abcde"]
    for position in positions:
        receiver.arrived(position, 1, 0.0)
    for position in positions[:2]:
        receiver.released(position, 0.0, settled=False)
    sender.granted(receiver.grant(1, 0.0))

    heard = sender.granted(HopReceiver(12, 8, 100).probed(sender.position(), 1.0))

    assert [loss.key for loss in heard.lost] == ["a", "b", "d", "e", "c"]
    assert [loss.key for loss in heard.lost if loss.alone] == ["d", "e", "c"]
    assert [loss.cause for loss in heard.lost] == [CLEARED] * 2 + ["worker.lost"] * 3
    assert {loss.code for loss in heard.lost} == {"worker.lost"}


def test_a_frame_goes_alone_to_a_receiver_that_has_run_the_others():
    """Nothing is sent behind it until it has been run; then the next one may go."""
    sender, receiver = pair(frames=8)
    first = sender.sent("a", 1)
    receiver.arrived(first, 1, 0.0)
    sender.granted(receiver.grant(1, 0.0))
    before = sender.covers_alone(1)
    receiver.released(first, 0.0, settled=False)
    sender.granted(receiver.grant(1, 0.0))
    after = sender.covers_alone(1)
    alone = sender.admit("b", 1, alone=True)
    receiver.arrived(alone, 1, 0.0)
    sender.granted(receiver.grant(1, 0.0))
    behind = sender.covers(1)
    receiver.released(alone, 0.0, settled=False)
    sender.granted(receiver.grant(1, 0.0))

    assert (before, after, behind) == (False, True, False)
    assert sender.covers_alone(1)
    assert sender.outstanding == 2


def test_nothing_goes_alone_to_a_neighbour_that_does_not_answer():
    """It would be lost there for the second time, and nobody would know why."""
    sender, _ = pair()
    sender.sent("a", 1)
    ask(sender, 10.0, SILENCE_SECONDS)
    assert sender.lost_by_silence(10.5 + SILENCE_SECONDS)

    assert not sender.covers_alone(1)
    sender.granted(HopReceiver(12, 4, 100).probed(sender.position(), 1.0))
    assert sender.covers_alone(1)


def test_a_frame_that_is_alone_and_lost_on_the_link_stays_alone():
    """That it did not arrive says nothing of what it does to a receiver."""
    sender, receiver = pair()
    sender.admit("a", 1, alone=True)

    heard = sender.granted(receiver.probed(sender.position(), 1.0))

    assert heard.lost == [Lost("a", "link.lost", alone=True)]
    assert sender.covers_alone(1)


def test_whether_a_frame_that_is_alone_has_been_run_is_asked_often():
    """Where nobody answers, no silence is heard sooner for that."""
    sender, _ = pair()
    sender.admit("a", 1, alone=True)
    times = [1.01 * step * ALONE_SECONDS for step in range(1, 10)]
    asked = [sender.probe(now) is not None for now in times]

    assert asked == [True] * 9
    assert not sender.suspect


def test_late_grant_of_a_dead_receiver_counts_for_nothing():
    """It would name as done what the new process never saw."""
    sender, old = pair()
    late = old.grant(1, 0.0)._replace(done=99, frames=99)
    new = HopReceiver(12, WINDOW_FRAMES, WINDOW_BYTES)
    new.arrived(sender.sent("a", 10), 10, 0.0)
    sender.granted(new.grant(1, 0.0))

    assert sender.granted(late).lost == []
    assert sender.outstanding == 1


def test_living_receiver_comes_back_after_a_late_grant_was_believed():
    """The first grant ever heard of a dead process may come after the living one's."""
    sender = HopSender(1, "client")
    living = grant(receiver=12, frames=4)
    sender.granted(living)
    sender.granted(grant(receiver=11, frames=0))
    assert not sender.covers(1)

    for beat in range(SUSPECT_PROBES + 1):
        sender.probe(beat * PROBE_SECONDS, waiting=True)
        sender.granted(living)
    assert sender.covers(1)


def test_older_grant_takes_nothing_back():
    """Grants are cumulative: a late one changes nothing."""
    sender = HopSender(1, "client")
    sender.granted(grant())
    sender.granted(grant(frames=1, size_bytes=1))

    assert sender.covers(1000)


def test_grant_to_another_stream_is_not_ours():
    """After a restart, grants to the stream before still arrive."""
    sender = HopSender(2, "client")
    sender.granted(grant(hop=1))

    assert not sender.covers(1)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_duplicates_and_older_frames_are_refused(deliveries):
    """A position is taken once, and never after a later one."""
    receiver = HopReceiver(11, 100, 1000)
    highest = -1
    for index, probe in deliveries:
        position = Position(1, index, 10 * index, "client")
        if probe:
            receiver.probed(position, 0.0)
            highest = max(highest, index - 1)
        else:
            assert receiver.arrived(position, 10, 0.0) is (index > highest)
            highest = max(highest, index)


def test_first_probe_asks_at_once_and_then_every_half_second():
    """A sender that waits for its first credit asks without delay, then at the probes' rate."""
    sender = HopSender(1, "client")
    times = [step / 10 for step in range(21) if sender.probe(step / 10, waiting=True)]

    assert times == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_no_probe_while_all_is_well():
    """Grants that keep coming make probes needless; an idle sender is silent."""
    sender, _ = pair()
    assert sender.probe(99.0) is None
    sender.sent("a", 1)

    for step in range(10):
        assert sender.probe(100 + step * 0.4) is None
        sender.granted(grant())


def test_three_unanswered_probes_make_a_suspect_and_an_answer_clears_it():
    """Suspicion is what operators see; it ends with the first answer."""
    sender, _ = pair()
    sender.sent("a", 1)
    for step in range(SUSPECT_PROBES + 1):
        assert not sender.suspect
        sender.probe(10 + step * PROBE_SECONDS)
    assert sender.suspect

    sender.granted(grant())
    assert not sender.suspect


def test_silent_neighbour_has_lost_what_it_was_sent():
    """After five seconds without an answer to probes, every frame there ends, once."""
    sender, _ = pair()
    sender.sent("a", 1)
    sender.sent("b", 1)
    ask(sender, 10.0, SILENCE_SECONDS)

    assert sender.lost_by_silence(10.5 + SILENCE_SECONDS - 0.1) == []
    expected = [Lost("b", "worker.lost", alone=True), Lost("a", "worker.lost", alone=True)]
    assert sender.lost_by_silence(10.5 + SILENCE_SECONDS) == expected
    assert sender.lost_by_silence(10.5 + SILENCE_SECONDS) == []


def test_a_silent_client_is_asked_again_with_the_next_result():
    """It is given up after five seconds, and counts as silent anew once it is sent something."""
    sender = HopSender(1, "d1", credited=False)
    sender.sent("a", 1)
    ask(sender, 10.0, SILENCE_SECONDS)
    assert sender.silent(10.5 + SILENCE_SECONDS)

    sender.sent("b", 1)

    assert not sender.silent(10.5 + SILENCE_SECONDS)
    assert sender.outstanding == 2
    assert sender.granted(grant(done=2, gaps=((0, 1),))).lost == [Lost("a", "link.lost")]


@pytest.mark.parametrize("given_up", ["lost", "waiting"])
def test_silence_of_long_ago_does_not_condemn_the_next_frame(given_up):
    """After a pause in which nobody asked, a neighbour has its whole time to answer again."""
    sender, _ = pair()
    if given_up == "lost":
        sender.sent("a", 1)
    for step in range(10):
        sender.probe(10.0 + step * PROBE_SECONDS, waiting=True)
    sender.lost_by_silence(10.5 + (SILENCE_SECONDS if given_up == "lost" else 0))
    sender.probe(16.0)

    sender.sent("b", 1)
    assert sender.lost_by_silence(3600.0) == []
    ask(sender, 3600.0, SILENCE_SECONDS)
    assert sender.lost_by_silence(3600.4 + SILENCE_SECONDS) == []
    assert sender.lost_by_silence(3600.5 + SILENCE_SECONDS) == [
        Lost("b", "worker.lost", alone=True)
    ]


def test_way_to_a_client_needs_no_credit_but_hears_what_arrived():
    """The client's own window bounds its results, so nothing waits there; losses are still told."""
    sender = HopSender(1, "worker", credited=False)
    receiver = HopReceiver(11, 4, 100)
    for key in range(50):
        position = sender.sent(key, 1000)
        if key != 7:
            receiver.arrived(position, 1000, 0.0)
            receiver.released(position, 0.0)

    assert not sender.never_fits(1 << 40)
    assert sender.granted(receiver.grant(1, 0.0)).lost == [Lost(7, "link.lost")]
    assert sender.outstanding == 0


def test_memory_of_what_was_sent_without_credit_is_bounded():
    """To a client that never answers, the oldest frames are forgotten."""
    sender = HopSender(1, "worker", credited=False)
    forgotten = []
    for key in range(25):
        sender.sent(key, 1)
        forgotten += sender.forgotten(beyond=10)

    assert forgotten == list(range(15))

    assert sender.outstanding == 10
    assert {lost.key for lost in sender.granted(grant(since=25, done=25)).lost} == set(
        range(15, 25)
    )


@given(U64, COUNTS, COUNTS)
def test_position_survives_the_wire(hop, frames, size_bytes):
    """A position in meta comes back as it was."""
    position = Position(hop, frames, size_bytes, "dev-1")

    assert Position.from_meta(msgspec.msgpack.decode(msgspec.msgpack.encode(position))) == position


@given(
    st.builds(Grant, *[U64] * 9, st.lists(st.tuples(U64, U64), max_size=MAX_GAPS).map(tuple)),
)
def test_grant_survives_the_wire(given_grant):
    """A grant in meta comes back as it was."""
    received = msgspec.msgpack.decode(msgspec.msgpack.encode(given_grant.to_meta()))

    assert Grant.from_meta(received) == given_grant


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "1234",
        {},
        [],
        [1, 2, 3],
        [1, 2, 3, "client", 5],
        [1, 2, 3, b"client"],
        [1, 2, 3, "a/b"],
        [1, 2, 3, "+"],
        [-1, 2, 3, "client"],
        [2**64, 2, 3, "client"],
        [True, 2, 3, "client"],
        [1, 2.0, 3, "client"],
        [1, 1 << 62, 3, "client"],
        [1, 2, 1 << 62, "client"],
    ],
)
def test_what_is_no_position_is_refused(value):
    """Any other shape, type, range or name is a FrameError."""
    with pytest.raises(FrameError, match="no position"):
        Position.from_meta(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "12345678",
        [],
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 5, 6, 7, 8, []],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, []],
        [1, 2, 3, 4, 5, 6, 7, 8, -9, []],
        [1, 2, 3, 4, 5, 6, 7, 8, 2**64, []],
        [1, 2, 3, 4, 5, 6, 7, 8, True, []],
        [1, 2, 3, 4, 5, 6, 7, 8, "9", []],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, [[1]]],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, [[1, 2, 3]]],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, [5]],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, [["1", 2]]],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, [[1, 2]] * (MAX_GAPS + 1)],
    ],
)
def test_what_is_no_grant_is_refused(value):
    """Any other shape, type or range is a FrameError."""
    with pytest.raises(FrameError, match="no grant"):
        Grant.from_meta(value)


def test_furthest_position_still_gets_a_grant_that_can_be_sent():
    """A hostile position makes no number too large for the answer."""
    receiver = HopReceiver(11, 1 << 20, 1 << 40)
    furthest = Position.from_meta([1, (1 << 62) - 1, (1 << 62) - 1, "client"])
    receiver.arrived(furthest, 1 << 30, 0.0)

    assert msgspec.msgpack.encode(receiver.grant(1, 0.0).to_meta())


def test_what_a_receiver_that_is_gone_was_sent_is_told_once():
    """Nobody need keep it for us; a receiver that comes back still says what it has missed."""
    sender = HopSender(1, "d0", credited=False)
    for key in "abc":
        sender.sent(key, 10)

    assert [sender.given_up(), sender.given_up()] == [["a", "b", "c"], []]
    assert sender.granted(grant(hop=1, arrived=3, done=3, gaps=((1, 2),))) == Heard(
        [Lost("b", "link.lost")], [], ["a", "c"]
    )


@pytest.mark.parametrize("told_every", [None, 4])
def test_a_slow_link_is_not_taken_for_silence(told_every):
    """Probes wait behind frames of a second each: what arrives is told, and nothing sent again."""
    sender = HopSender(1, "d0", credited=False)
    receiver = HopReceiver(11, 32, 1 << 20, told_every=told_every)
    lane = deque((sender.sent(key, 100), True) for key in range(16))
    arrived, free_at = [], 1.0
    for now in (tenth / 10 for tenth in range(200)):
        probe = sender.probe(now)
        if probe is not None:
            lane.append((probe, False))
        if now < free_at or not lane:
            continue
        position, is_frame = lane.popleft()
        if is_frame:
            free_at = now + 1.0
            receiver.arrived(position, 100, now)
            told = receiver.overdue(position, now)
        else:
            told = receiver.probed(position, now)
        if told is not None:
            arrived += sender.granted(told).arrived
        assert not sender.suspect
        assert sender.lost_by_silence(now) == []

    assert arrived == list(range(16))


@pytest.mark.parametrize("largest", [1, 64 << 20])
def test_who_was_asleep_has_not_heard_silence(largest):
    """A process that was stopped asks its neighbours first, before it takes them for gone."""
    sender, receiver = pair(size_bytes=largest)
    receiver.arrived(sender.sent("a", largest), largest, 0.0)
    ask(sender, 10.0, PROBE_SECONDS)
    assert sender.lost_by_silence(3600.0) == []

    assert sender.probe(3600.0) is not None
    assert sender.lost_by_silence(3600.0) == []
    sender.granted(receiver.probed(sender.position(), 3600.0))
    assert (sender.suspect, sender.outstanding) == (False, 1)


def slow_hop(sizes, bytes_per_second):
    """Send frames over a link that carries so much; returns what became of them.

    Returns:
        Keys in the order of their arrival, how often a neighbour was suspect, and what was lost.
    """
    sender = HopSender(1, "d0")
    receiver = HopReceiver(11, 32, 1 << 30)
    sender.granted(receiver.probed(sender.position(), 0.0))
    lane, arrived, lost, suspected, free_at = deque(), [], [], 0, 0.0
    waiting = deque(enumerate(sizes))
    for now in (tenth / 10 for tenth in range(4000)):
        while waiting and sender.covers(waiting[0][1]):
            key, size_bytes = waiting.popleft()
            free_at = max(free_at, now) + size_bytes / bytes_per_second
            lane.append((free_at, sender.sent(key, size_bytes), size_bytes))
        probe = sender.probe(now, waiting=bool(waiting))
        if probe is not None:
            lane.append((free_at, probe, None))
        while lane and lane[0][0] <= now:
            _, position, size_bytes = lane.popleft()
            if size_bytes is None:
                told = receiver.probed(position, now)
            else:
                receiver.arrived(position, size_bytes, now)
                told = receiver.overdue(position, now)
            if told is not None:
                arrived += sender.granted(told).arrived
        suspected += sender.suspect
        lost += sender.lost_by_silence(now)
    return arrived, suspected, lost


@pytest.mark.parametrize("megabits_per_second", [2, 20, 200])
@pytest.mark.parametrize(
    "sizes", [[64 << 20], [100, 64 << 20, 100, 600_000], [8 << 20] * 6], ids=["one", "mixed", "six"]
)
def test_a_large_frame_on_a_slow_link_is_under_way_and_not_lost(sizes, megabits_per_second):
    """However long it takes, nobody becomes suspect and nothing is sent again."""
    arrived, suspected, lost = slow_hop(sizes, megabits_per_second * 125_000)

    assert arrived == list(range(len(sizes)))
    assert (suspected, lost) == (0, [])


def test_a_link_that_carried_much_makes_silence_known_soon():
    """What is under way on a quick link delays the word of a dead neighbour hardly."""
    sender, receiver = pair(frames=64, size_bytes=1 << 30)
    for key in range(8):
        receiver.arrived(sender.sent(key, 600_000), 600_000, 0.0)
    sender.granted(receiver.grant(1, 0.0))
    for key in range(8):
        sender.sent(key, 600_000)
    ask(sender, 10.0, SILENCE_SECONDS + 2 * 2 * PROBE_SECONDS)

    assert sender.suspect
    assert len(sender.lost_by_silence(13.0 + SILENCE_SECONDS)) == 16


def test_who_closes_is_sent_nothing_more():
    """What it had granted is withdrawn at once, for good, also when an older grant comes late."""
    sender, receiver = pair()
    receiver.arrived(sender.sent("a", 10), 10, 0.0)
    older = receiver.grant(1, 0.0)
    ((told, closed),) = receiver.close(0.0)
    sender.granted(closed)
    sender.granted(older)

    assert told == "client"
    assert not sender.covers(1)
    assert sender.outstanding == 1
    receiver.released(Position(1, 0, 0, "client"), 0.0)
    assert sender.granted(receiver.probed(sender.position(), 0.0)).done == ["a"]
    sender.granted(HopReceiver(12, 4, 100).probed(sender.position(), 1.0))
    assert sender.covers(1)


def test_a_frame_that_came_again_is_settled_with_the_first():
    """Whoever sent it again keeps it until we do not hold it any longer."""
    sender, receiver = pair(frames=8)
    first, again = sender.sent("a", 10), sender.sent("a again", 10)
    receiver.arrived(first, 10, 0.0)
    receiver.arrived(again, 10, 0.0)
    assert receiver.came_again(first, again)
    assert sender.granted(receiver.farewell(0.0)[0][1]).done == []

    receiver.released(first, 0.0, settled=False)
    assert sender.granted(receiver.grant(1, 0.0)).done == []
    receiver.settled(first, 0.0)
    assert sender.granted(receiver.grant(1, 0.0)).done == ["a", "a again"]
    assert receiver.held_frames == 0
    assert not receiver.came_again(first, again)


def test_a_frame_that_comes_without_end_fills_no_memory():
    """A sender that repeats it for ever is no longer waited for."""
    _, receiver = pair(frames=100)
    first, *others = [Position(1, index, 10 * index, "client") for index in range(100)]
    receiver.arrived(first, 10, 0.0)

    assert sum(receiver.came_again(first, other) for other in others) == MAX_REPEATS


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 2), st.floats(0, 0.3)), max_size=60))
def test_a_frame_that_is_out_of_our_hands_at_once(steps):
    """`passed` grants what `arrived`, `released` and `settled` do together."""
    one, three = (HopReceiver(7, 1 << 20, 1 << 40, told_every=4) for _ in range(2))
    now, sent = 0.0, [0, 0, 0]
    for hop, jump, seconds in steps:
        now += seconds
        frames_before = max(0, sent[hop] + jump)
        sent[hop] = max(sent[hop], frames_before + 1)
        position = Position(hop, frames_before, 10 * frames_before, "c")
        new = three.arrived(position, 10, now)
        three.released(position, now, settled=False)
        grant = three.settled(position, now) or three.overdue(position, now)

        assert one.passed(position, 10, now) == (new, grant)
    assert one.frames_missed == three.frames_missed
