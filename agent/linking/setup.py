"""What a child is told that shall be one end of a measured link: one line of JSON on its stdin."""

import msgspec

from agent.channel import BrokerAccess, DirectAccess
from wire.access import Access
from wire.measuring import LinkOrder
from wire.topics import Lane, Site

SENDER_LANE = Lane(0, 0)
RECEIVER_LANE = Lane(0, 1)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """One end."""

    order: LinkOrder
    device: str
    site: str
    root: str
    broker: BrokerAccess
    direct: DirectAccess
    max_frame_bytes: int
    parent: int
    """Whoever started the child: it ends with that."""

    @property
    def sender(self) -> str:
        """The device that sends."""
        return self.device if self.order.role == "sender" else self.order.peer

    @property
    def receiver(self) -> str:
        """The device that receives."""
        return self.order.peer if self.order.role == "sender" else self.device

    @property
    def frame_address(self) -> str:
        """Where frames go."""
        topics = Site(self.site, self.root)
        return topics.lane(self.receiver, self.order.pipeline, RECEIVER_LANE)

    @property
    def answer_address(self) -> str:
        """Where answers go."""
        topics = Site(self.site, self.root)
        return topics.credit(self.sender, self.order.pipeline, SENDER_LANE)

    @property
    def client_id(self) -> str:
        """As a worker's."""
        lane = SENDER_LANE if self.order.role == "sender" else RECEIVER_LANE
        return f"{self.device}:{self.order.pipeline}:{lane.generation}:{lane.stage}"

    @property
    def access(self) -> Access:
        """Who we are to the broker."""
        broker = self.broker
        return Access(
            username=broker.username,
            password_file=broker.password_file,
            ca_file=broker.ca_file,
            certificate_file=broker.client_cert_file,
            key_file=broker.client_key_file,
        )


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver's child prints when it listens."""

    offers: list[object]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver's child prints at its end."""

    frames: int
