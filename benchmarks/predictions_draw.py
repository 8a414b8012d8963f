"""Plans drawn by a seed: devices, models, links and windows are all equally often in them."""

import itertools
import random
from typing import NamedTuple

from fleet.planner.plan import Stage

LARGEST_CUT_BYTES = 700_000
LEAST_SHARE = 0.06
"""Of the model's work, in each stage."""
_TRIES = 2000


class Drawn(NamedTuple):
    """One plan."""

    model: str
    link: str
    window: int
    stages: tuple[Stage, ...]

    @property
    def devices(self):
        return tuple(stage.device for stage in self.stages)


def drawn(chains, devices, links, count, seed):
    """Return plans.

    Args:
        chains: The models' chains by name.
        devices: Ids.
        links: Names of link classes.
        count: How many plans.
        seed: Of all chance.
    """
    chance = random.Random(seed)

    def dealt(values):
        hand = [values[number % len(values)] for number in range(count)]
        chance.shuffle(hand)
        return hand

    counts = dealt(list(range(2, len(devices) + 1)))
    models, classes = dealt(sorted(chains)), dealt(list(links))
    windows = dealt(list(range(1, 9)))
    return [
        Drawn(model, link, window, _stages(chance, chains[model], devices, stages))
        for model, link, window, stages in zip(models, classes, windows, counts, strict=True)
    ]


def _stages(chance, chain, devices, count):
    """Return so many stages on devices drawn, cut where not too much crosses."""
    blocks = chain.blocks
    work = [block.multiply_accumulates for block in blocks]
    whole = sum(work)
    places = [n for n, b in enumerate(blocks[:-1]) if 0 < b.out_bytes <= LARGEST_CUT_BYTES]
    chosen = chance.sample(devices, count)
    for _ in range(_TRIES):
        cuts = [-1, *sorted(chance.sample(places, count - 1)), len(blocks) - 1]
        shares = [sum(work[a + 1 : b + 1]) / whole for a, b in itertools.pairwise(cuts)]
        if min(shares) >= LEAST_SHARE:
            return tuple(
                Stage(device, a + 1, b)
                for device, (a, b) in zip(chosen, itertools.pairwise(cuts), strict=True)
            )
    raise ValueError(f"{chain.model.name} has no {count} stages with {LEAST_SHARE:.0%} each")
