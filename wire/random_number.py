"""Numbers of hops, of streams, of one worker's life: nobody else draws the same."""

import random


def random_number() -> int:
    """Return a number below 2**63 by the system's own chance."""
    return random.SystemRandom().getrandbits(63)
