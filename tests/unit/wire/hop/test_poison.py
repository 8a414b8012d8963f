"""A frame that ends whoever runs it: it alone is given up, whatever was there with it."""

import random
from collections import Counter, deque

from hypothesis import given, settings
from hypothesis import strategies as st

from wire.hop import ALONE_SECONDS, MAX_LOSSES
from wire.hop.receiver import HopReceiver
from wire.hop.replicas import Replicas

FRAMES = 12
MAX_TURNS = 3000
TURN_SECONDS = 1.2 * ALONE_SECONDS
SIZE_BYTES = 10


class Receiver:
    """A replica: it runs what came in order, several at once; ``poison`` ends it."""

    def __init__(self, name, batch, poison, chance):
        self.name = name
        self.deaths = 0
        self.grants = deque()
        """For whom, and what."""
        self._batch, self._poison, self._chance = batch, poison, chance
        self._process = 0
        self._begin()

    def _begin(self):
        self._process += 1
        self._hop = HopReceiver(self._process, 8, 1 << 20)
        self._inbox = deque()

    def take(self, position, frame, now):
        """Take what comes on a lane: a frame, or a probe."""
        if frame is None:
            self._tell(position, self._hop.probed(position, now))
            return
        if self._hop.arrived(position, SIZE_BYTES, now):
            self._inbox.append((position, frame))
        self._tell(position, self._hop.overdue(position, now))

    def _tell(self, position, grant):
        if grant is not None:
            self.grants.append((position.sender, grant))

    def run(self, now):
        """Run some of what waits; returns the frames that were run."""
        count = min(len(self._inbox), self._chance.randint(0, self._batch))
        batch = [self._inbox.popleft() for _ in range(count)]
        if self._poison in [frame for _, frame in batch]:
            self.deaths += 1
            self._begin()
            return []
        for position, _ in batch:
            settled = self._chance.random() < 0.5
            self._tell(position, self._hop.released(position, now, settled=settled))
        return [frame for _, frame in batch]


class Sender:
    """Sends so many frames, as workers and clients do, and again what was lost."""

    def __init__(self, name, receivers):
        self.name = name
        self.results, self.errors = set(), {}
        self.lanes = {receiver: deque() for receiver in receivers}
        self.grants = deque()
        self._replicas = Replicas(name, receivers, lambda: random.getrandbits(63))
        self._again, self._alone = deque(), deque()
        self._waiting = deque((name, number) for number in range(FRAMES))
        self._losses = Counter()

    @property
    def over(self):
        """Whether every frame has ended."""
        return len(self.results | set(self.errors)) == FRAMES

    def turn(self, now):
        """Hear what was granted, send what may be sent, ask what is to be asked."""
        while self.grants:
            self._lost(self._replicas.granted(self.grants.popleft()).lost)
        while queue := self._again or self._alone or self._waiting:
            taken = self._replicas.take(queue[0], SIZE_BYTES, alone=queue is self._alone)
            if taken is None:
                break
            self.lanes[taken.address].append((taken.position, queue.popleft()))
        due = self._replicas.due(now, waiting=bool(queue), up=True)
        self._lost(due.lost)
        for address, position in due.probes:
            self.lanes[address].append((position, None))

    def _lost(self, losses):
        for loss in losses:
            if loss.key in self.results:
                continue
            self._losses[loss.key, loss.cause] += 1
            if self._losses[loss.key, loss.cause] > MAX_LOSSES[loss.cause]:
                self.errors[loss.key] = loss.code
            else:
                (self._alone if loss.alone else self._again).append(loss.key)


def streamed(senders, receivers, batch, poison, chance):
    """Stream until all has ended; returns the senders and how often a receiver died."""
    names = [f"r{number}" for number in range(receivers)]
    all_of = {name: Receiver(name, batch, poison, chance) for name in names}
    clients = {f"s{number}": Sender(f"s{number}", names) for number in range(senders)}
    for turn in range(MAX_TURNS):
        now = turn * TURN_SECONDS
        for client in clients.values():
            client.turn(now)
        for receiver in all_of.values():
            for client in chance.sample(list(clients.values()), len(clients)):
                lane = client.lanes[receiver.name]
                for _ in range(chance.randint(0, len(lane))):
                    receiver.take(*lane.popleft(), now)
            for frame in receiver.run(now):
                clients[frame[0]].results.add(frame)
            while receiver.grants:
                sender, grant = receiver.grants.popleft()
                if chance.random() > 0.1:  # one is lost now and then
                    clients[sender].grants.append(grant)
        if all(client.over for client in clients.values()):
            break
    return clients, sum(receiver.deaths for receiver in all_of.values())


SCENES = given(
    receivers=st.integers(1, 3),
    batch=st.integers(1, 4),
    number=st.integers(0, FRAMES - 1),
    seed=st.integers(0, 1 << 32),
)


@settings(deadline=None, max_examples=150)
@SCENES
def test_only_the_frame_that_kills_is_given_up(receivers, batch, number, seed):
    """It ends with the second worker that it kills; all that was sent with it is answered."""
    poison = ("s0", number)
    clients, deaths = streamed(1, receivers, batch, poison, random.Random(seed))

    assert deaths == 1 + MAX_LOSSES["worker.lost"]
    assert clients["s0"].errors == {poison: "worker.lost"}
    assert clients["s0"].over


@settings(deadline=None, max_examples=100)
@SCENES
def test_other_senders_lose_a_frame_at_most(receivers, batch, number, seed):
    """What another sends alone may be there when a receiver dies for the second time."""
    poison = ("s0", number)
    clients, deaths = streamed(3, receivers, batch, poison, random.Random(seed))

    assert deaths == 1 + MAX_LOSSES["worker.lost"]
    assert clients["s0"].errors == {poison: "worker.lost"}
    assert all(client.over for client in clients.values())
    assert all(len(client.errors) <= 1 for client in clients.values())
