"""Which stage of which pipeline a worker is, and where its neighbours are."""

from dataclasses import dataclass
from functools import cached_property

from wire.messages import Assignment, Peer
from wire.topics import Lane, Site


@dataclass(frozen=True)
class Stage:
    """One worker's place."""

    device: str
    site: Site
    assignment: Assignment
    instance: int
    """Drawn at random for this process: tells neighbours that the one before is gone."""
    clock: str
    """Names the monotonic clock: the same for all processes of one boot of one machine."""

    @cached_property
    def lane(self) -> Lane:
        """This worker's lane."""
        return Lane(self.assignment.generation, self.assignment.stage)

    @cached_property
    def upstream(self) -> frozenset[str]:
        """Devices that may send frames here; empty: clients do."""
        return frozenset(peer.device for peer in self.assignment.peers.upstream)

    @property
    def downstream(self) -> tuple[Peer, ...]:
        """The replicas of the stage that follows; none: results go to clients."""
        return self.assignment.peers.downstream

    def inbox_address(self) -> str:
        """Where frames for this worker come in."""
        return self.site.lane(self.device, self.assignment.pipeline, self.lane)

    def credit_address(self) -> str:
        """Where this worker hears of credits as a sender."""
        return self.site.credit(self.device, self.assignment.pipeline, self.lane)

    def next_address(self, peer: Peer) -> str:
        """Where frames for the next stage go."""
        lane = Lane(self.assignment.generation, peer.stage)
        return self.site.lane(peer.device, self.assignment.pipeline, lane)

    def client_address(self, client: str) -> str:
        """Where a client's results go."""
        return self.site.topic("out", pipeline=self.assignment.pipeline, client=client)

    def grant_address(self, sender: str) -> str:
        """Where a sender of this lane hears of its credits."""
        pipeline = self.assignment.pipeline
        if not self.upstream:
            return self.site.topic("client_credit", pipeline=pipeline, client=sender)
        before = {peer.device: peer.stage for peer in self.assignment.peers.upstream}
        return self.site.credit(sender, pipeline, Lane(self.lane.generation, before[sender]))
