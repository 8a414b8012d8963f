"""One sender and several receivers that lose, repeat, fall silent and start anew."""

from collections import Counter, deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wire.hop import MAX_GAPS, MAX_LOSSES, PROBE_SECONDS
from wire.hop.receiver import HopReceiver
from wire.hop.replicas import MAX_OUTSTANDING, Replicas

NAMES = ("a", "b", "c")
WORK = ["send", "send", "send", "deliver", "deliver", "finish", "finish", "settle", "hear", "tick"]
FAULTS = ["lose frame", "lose grant", "repeat grant", "restart", "silence", "sound"]


class Pool(RuleBasedStateMachine):
    """A client with a window, and three replicas that answer it.

    Each replica's lane keeps order; grants may be lost, late and repeated. The client sends what is
    lost again, as long as it may, and takes each answer once. ``submitted = results + errors +
    in_flight`` holds at each step, and at the end nothing is in flight.
    """

    @initialize()
    def open(self):
        """Begin without any credit."""
        self.now = 0.0
        self.hops = 0
        self.processes = 0
        self.replicas = Replicas("client", NAMES, self.draw)
        self.lanes = {name: deque() for name in NAMES}
        self.receivers = {name: self.process() for name in NAMES}
        self.held = {name: [] for name in NAMES}
        self.unsettled = {name: [] for name in NAMES}
        self.silent = set()
        self.grants = []
        self.submitted = 0
        self.again = deque()
        self.alone = deque()
        self.losses = Counter()
        self.in_flight = set()
        self.results = set()
        self.errors = {}
        self.late = 0
        self.gap_ranges = 0

    def draw(self):
        """Return a hop's number."""
        self.hops += 1
        return self.hops

    def process(self):
        """Return a receiver of its own process."""
        self.processes += 1
        return HopReceiver(self.processes, 3, 100)

    def take_back(self, losses):
        """What is lost is sent again, unless it was lost too often or has its answer."""
        for loss in losses:
            key = loss.key
            if key not in self.in_flight:
                continue
            self.losses[key, loss.cause] += 1
            if self.losses[key, loss.cause] <= MAX_LOSSES[loss.cause]:
                (self.alone if loss.alone else self.again).append(key)
            else:
                self.in_flight.discard(key)
                self.errors[key] = loss.code

    @rule(what=st.sampled_from(WORK * 2 + FAULTS), number=st.integers(0, 30))
    def act(self, what, number):
        """Somebody does something, or something fails."""
        name = NAMES[number % 3]
        getattr(self, what.replace(" ", "_"))(name, number)

    def send(self, _name, _number):
        """Send a frame, first those that were lost."""
        for queue in (self.again, self.alone):
            while queue and queue[0] not in self.in_flight:
                queue.popleft()
        queue = self.again or self.alone
        if not queue and len(self.in_flight) >= 8:
            return
        key = queue[0] if queue else self.submitted
        taken = self.replicas.take(key, 10, alone=queue is self.alone and bool(queue))
        if taken is None:
            return
        if queue:
            queue.popleft()
        else:
            self.submitted += 1
            self.in_flight.add(key)
        assert taken.forgotten == []
        self.lanes[taken.address].append(("frame", taken.position, key))

    def deliver(self, name, _number):
        """A replica takes what is next on its lane."""
        if name in self.silent or not self.lanes[name]:
            return
        what, position, key = self.lanes[name].popleft()
        receiver = self.receivers[name]
        missed = receiver.frames_missed
        if what == "probe":
            self.grants.append(receiver.probed(position, self.now))
        elif receiver.arrived(position, 10, self.now):
            self.held[name].append((position, key))
        self.gap_ranges += receiver.frames_missed > missed

    def finish(self, name, number):
        """A replica has run a frame: its answer comes, once or late."""
        if name in self.silent or not self.held[name]:
            return
        position, key = self.held[name].pop(number % len(self.held[name]))
        if key in self.in_flight:
            self.in_flight.discard(key)
            self.results.add(key)
        else:
            self.late += 1
        self.unsettled[name].append(position)
        self.told(self.receivers[name].released(position, self.now, settled=False))

    def settle(self, name, number):
        """A frame is out of a replica's hands."""
        if name in self.silent or not self.unsettled[name]:
            return
        position = self.unsettled[name].pop(number % len(self.unsettled[name]))
        self.told(self.receivers[name].settled(position, self.now))

    def told(self, grant):
        """A grant is on its way."""
        if grant is not None:
            self.grants.append(grant)

    def hear(self, _name, number, *, again=False):
        """The client hears a grant, in any order."""
        if self.grants:
            index = number % len(self.grants)
            heard = self.replicas.granted(self.grants[index])
            if not again:
                del self.grants[index]
            self.take_back(heard.lost)

    def tick(self, _name, _number):
        """Time passes; probes leave."""
        self.now += PROBE_SECONDS
        due = self.replicas.due(self.now, waiting=True, up=True)
        self.take_back(due.lost)
        for address, position in due.probes:
            self.lanes[address].append(("probe", position, None))

    def lose_frame(self, name, number):
        """The lane loses something."""
        if self.lanes[name]:
            del self.lanes[name][number % len(self.lanes[name])]

    def lose_grant(self, _name, number):
        """A grant never comes."""
        if self.grants:
            del self.grants[number % len(self.grants)]

    def repeat_grant(self, name, number):
        """A grant comes twice."""
        self.hear(name, number, again=True)

    def restart(self, name, _number):
        """A replica's process ends, and another begins."""
        self.receivers[name] = self.process()
        self.held[name].clear()
        self.unsettled[name].clear()
        self.gap_ranges = 0

    def silence(self, name, _number):
        """A replica is cut off; what is sent to it is lost."""
        self.silent.add(name)
        self.lanes[name].clear()

    def sound(self, name, _number):
        """It is there again."""
        self.silent.discard(name)

    @invariant()
    def the_sum_holds(self):
        """Each frame is in one place of the account."""
        if hasattr(self, "results"):
            ended = len(self.results) + len(self.errors)
            assert self.submitted == ended + len(self.in_flight)
            assert not self.results & set(self.errors)
            assert self.replicas.outstanding <= MAX_OUTSTANDING

    def teardown(self):
        """When faults stop, every frame gets its end."""
        if not hasattr(self, "results"):
            return
        self.silent.clear()
        gaps_forgotten = self.gap_ranges > MAX_GAPS
        for _ in range(60):
            self.tick("a", 0)
            for name in NAMES:
                while self.lanes[name]:
                    self.deliver(name, 0)
                while self.held[name]:
                    self.finish(name, 0)
                while self.unsettled[name]:
                    self.settle(name, 0)
            while self.grants:
                self.hear("a", 0)
            for _ in range(len(self.again) + len(self.alone)):
                self.send("a", 0)
        if not gaps_forgotten:
            assert self.in_flight == set()
            assert self.replicas.outstanding == 0
        assert self.replicas.suspects == []


Pool.TestCase.settings = settings(deadline=None, max_examples=120, stateful_step_count=50)
TestPool = Pool.TestCase


def known(addresses=NAMES, window=4):
    """Return replicas that have their first credit, and their receivers."""
    hops = iter(range(1, 9))
    replicas = Replicas("client", addresses, lambda: next(hops))
    receivers = {name: HopReceiver(100 + n, window, 100) for n, name in enumerate(addresses)}
    for name, position in replicas.due(0.0, waiting=True, up=True).probes:
        replicas.granted(receivers[name].probed(position, 0.0))
    return replicas, receivers


def test_the_one_with_the_least_to_do_is_next():
    """And of those alike the one that was sent nothing for longest."""
    replicas, _ = known()
    order = [replicas.take(key, 10).address for key in range(12)]

    assert order == [*NAMES] * 4
    assert replicas.take(12, 10) is None


def test_nobody_is_blamed_while_nobody_can_be_heard():
    """When our own link is down, silence means nothing."""
    replicas, _ = known(("a",))
    replicas.take("key", 10)
    lost = [replicas.due(t, waiting=False, up=False).lost for t in range(60)]

    assert lost == [[]] * 60


def test_a_single_one_is_waited_for():
    """There is nobody to give its frames to, until it has been silent for too long."""
    replicas, _ = known(("a",))
    replicas.take("key", 10)
    lost = [
        [loss.key for loss in replicas.due(t / 2, waiting=False, up=True).lost] for t in range(14)
    ]

    assert [seconds / 2 for seconds, keys in enumerate(lost) if keys] == [5.5]


def test_a_replica_that_died_with_large_frames_is_used_again():
    """It is given up once, stays so, is asked on, and has its share when it is back."""
    replicas = Replicas("client", ("a", "b"), iter((1, 2)).__next__)
    receivers = {"a": HopReceiver(11, 1, 1 << 30), "b": HopReceiver(12, 1, 1 << 30)}
    size_bytes, sent, lost, dead = 4_000_000, [], [], set()
    for step in range(400):
        now = step / 10
        if step == 100:
            dead = {"b"}
        if step == 300:
            dead, receivers["b"] = set(), HopReceiver(13, 1, 1 << 30)
        for _ in range(2):
            taken = replicas.take(step, size_bytes)
            if taken is not None:
                sent.append((now, taken.address))
                if taken.address not in dead:
                    receiver = receivers[taken.address]
                    receiver.arrived(taken.position, size_bytes, now)
                    grant = receiver.released(taken.position, now)
                    if grant is not None:
                        replicas.granted(grant)
        due = replicas.due(now, waiting=False, up=True)
        lost += due.lost
        for address, position in due.probes:
            if address not in dead:
                replicas.granted(receivers[address].probed(position, now))

    def used(begin, end):
        return {address for now, address in sent if begin <= now < end}

    assert used(2, 10) == used(31, 40) == {"a", "b"}
    assert used(20, 30) == {"a"}
    assert 1 <= len(lost) <= 4
    assert replicas.suspects == []
