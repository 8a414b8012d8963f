"""Which frames of a stream were seen: refuses what comes twice, in bounded memory."""

from collections import OrderedDict
from typing import Final

REMEMBERED: Final = 1024
"""Sequence numbers remembered behind the highest of a stream; older ones count as seen."""
_ALL: Final = (1 << REMEMBERED) - 1


class SeenSequences:
    """The sequence numbers seen of one stream."""

    def __init__(self) -> None:
        self.highest = -1
        self.seen = 0
        """Bit n: ``highest - n`` was seen."""

    def first_time(self, sequence: int) -> bool:
        """Register ``sequence``; False if it was seen before or is too old to know."""
        ahead = sequence - self.highest
        if ahead > 0:
            kept = self.seen << ahead if ahead < REMEMBERED else 0
            self.seen = (kept | 1) & _ALL
            self.highest = sequence
            return True
        if -ahead >= REMEMBERED or self.seen >> -ahead & 1:
            return False
        self.seen |= 1 << -ahead
        return True


class SeenStreams:
    """The same for many streams; the one unused for longest is forgotten when full."""

    def __init__(self, max_streams: int = 64) -> None:
        self._max_streams = max_streams
        self._streams: OrderedDict[int, SeenSequences] = OrderedDict()

    def first_time(self, stream: int, sequence: int) -> bool:
        """Register one frame; False if it was seen before."""
        seen = self._streams.get(stream)
        if seen is None:
            seen = self._streams[stream] = SeenSequences()
            if len(self._streams) > self._max_streams:
                self._streams.popitem(last=False)
        self._streams.move_to_end(stream)
        if sequence != seen.highest + 1:
            return seen.first_time(sequence)
        seen.seen = (seen.seen << 1 | 1) & _ALL  # the usual case, without a call
        seen.highest = sequence
        return True
