"""What assignments say for direct links between stages: whom to trust, and a token. Pure.

A device's certificate is the one that it told of itself (`Info.certificate`); the token is drawn
for each generation. Both are covered by the order's signature.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from wire.messages import Assignment, Peer

TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Links:
    """What the workers of one generation know of each other."""

    token: str = field(default="", repr=False)
    """Drawn for this generation; a secret of its workers."""
    certificates: Mapping[str, str] = field(default_factory=dict)
    """By device; who is not in it has none."""


def linked(assignments: Sequence[Assignment], links: Links) -> tuple[Assignment, ...]:
    """Return the assignments of a generation with what its workers need for direct links."""
    return tuple(
        replace(
            assignment,
            peers=replace(
                assignment.peers,
                upstream=_known(assignment.peers.upstream, links),
                downstream=_known(assignment.peers.downstream, links),
                token=links.token,
            ),
        )
        for assignment in assignments
    )


def _known(peers: Iterable[Peer], links: Links) -> tuple[Peer, ...]:
    return tuple(
        replace(peer, certificate=links.certificates.get(peer.device, "")) for peer in peers
    )
