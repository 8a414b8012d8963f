"""How long to wait before trying again: longer each time, never in step with others.

Pure: the caller brings the randomness and does the waiting.
Source: M. Brooker, "Exponential Backoff And Jitter" (the "equal jitter" form: half of each
delay is fixed, so that no retry follows at once).
"""

import random
from collections.abc import Iterator


def delays(base_seconds: float, cap_seconds: float, rng: random.Random) -> Iterator[float]:
    """Yield the delays in seconds before the first, second, ... retry, without end.

    The n-th lies between half of and the whole of ``min(cap_seconds, base_seconds * 2**n)``.

    Raises:
        ValueError: Not ``0 < base_seconds <= cap_seconds``: a bug in the caller.
    """
    if not 0 < base_seconds <= cap_seconds:
        raise ValueError(f"no delays from {base_seconds} to {cap_seconds} seconds")
    ceiling_seconds = base_seconds
    while True:
        yield rng.uniform(ceiling_seconds / 2, ceiling_seconds)
        ceiling_seconds = min(cap_seconds, ceiling_seconds * 2)
