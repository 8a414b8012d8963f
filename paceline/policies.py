"""What a stream does when frames come faster than the pipeline takes them."""

from enum import StrEnum
from typing import Final

DROPPED: Final = "frame.dropped"
"""Why a frame that ``drop_oldest`` dropped has no result; counted as a drop, not as an error."""


class Policy(StrEnum):
    """The policy at a pipeline's entry."""

    BLOCK = "block"
    """Every frame goes through, in order; the next is asked for when the window has room."""
    DROP_OLDEST = "drop_oldest"
    """The newest frame goes through: one waits to leave, and a newer one takes its place."""
