"""One end of ``paceline bench hop``: ``python -I -m paceline.bench.hop_child sender|receiver``.

Frames are made and taken apart as a worker does it, and travel over a link as it is deployed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from paceline.bench.ends import Decoded, run_receiver, run_sender
from paceline.bench.messages import Setup
from wire import broker_url, codecs, frame
from wire.buffers import Buffer
from wire.frame import Frame, Kind
from wire.links import LinkOptions, Meeting, open_link
from wire.topics import Lane, Site

CONNECT_SECONDS: Final = 10.0
_PIPELINE: Final = "bench"
_LANE: Final = Lane(1, 1)


class LinkSender:
    """Hands frames to a link; see ``SendingEnd``."""

    def __init__(self, setup: Setup) -> None:
        self._address = _address(setup)
        self._meta = {"client": setup.name}
        random = np.random.default_rng(0)
        self._arrays = {"x": random.integers(0, 256, setup.size_bytes, np.uint8)}
        self._link = open_link(setup.link, _options(setup, "sender"))
        self._link.start(CONNECT_SECONDS)

    def send(self, sequence: int) -> None:
        """Encode one frame and hand it to the link."""
        made = Frame(
            Kind.DATA,
            1,
            sequence,
            generation=_LANE.generation,
            stage=_LANE.stage,
            meta=self._meta,
            tensors=codecs.tensors(self._arrays),
        )
        self._link.send(self._address, frame.encode(made))

    def close(self) -> None:
        """Close the link."""
        self._link.close()


class LinkReceiver:
    """Takes frames from a link; see ``ReceivingEnd``."""

    def __init__(self, setup: Setup, decoded: Decoded) -> None:
        self._decoded = decoded
        self._link = open_link(setup.link, _options(setup, "receiver"))
        self._link.listen(_address(setup), self._take)
        self._link.start(CONNECT_SECONDS)

    @property
    def meeting(self) -> dict[str, Any]:
        """Nothing: both know the address."""
        return {}

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def _take(self, _address: str, data: Buffer) -> None:
        self._decoded(codecs.arrays(frame.decode(data)))


def _address(setup: Setup) -> str:
    return Site().lane(setup.name, _PIPELINE, _LANE)


def _options(setup: Setup, end: str) -> LinkOptions:
    broker = setup.broker
    return LinkOptions(
        url=broker_url.parse(broker.url if broker else broker_url.DEFAULT_URL),
        client_id=f"c:{setup.name}-{end}",
        access=broker.access if broker else None,
        max_packet_bytes=setup.max_packet_bytes,
        meeting=Meeting(Path(setup.folder), setup.token),
    )


def main(arguments: Sequence[str]) -> int:
    """Be the end that ``arguments`` name; returns the exit status."""
    if arguments[0] == "sender":
        return run_sender(LinkSender)
    return run_receiver(LinkReceiver)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
