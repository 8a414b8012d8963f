"""Where to cut so that no segment's weights take more than some memory has. Pure.

An operator that is larger alone counts as if it just fitted: it gets a segment to itself, and the
others are not kept from fitting by it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fleet.cuts import choice as cut_choice
from fleet.cuts.choice import Choice
from fleet.cuts.space import Space

MOST_STAGES: Final = 64
"""More are never tried."""
SHARES: Final = (0.0, 0.25, 0.5, 0.75)
"""Of weights in what is made equal, from none on, until they fit."""


@dataclass(frozen=True)
class Bound:
    """What a segment's weights may take.

    Args:
        weights: Bytes by the caller's number of each operator.
        most: Bytes of a segment.
    """

    weights: Mapping[int, int]
    most: int

    def least_stages(self, space: Space) -> int:
        """Return the smallest number of segments that all fit, or that come nearest to it."""
        sizes = self._counted
        heaviest = max((sum(sizes[index] for index in ids) for ids in space.ids), default=0)
        enough = max(self.most, heaviest)
        last = min(cut_choice.largest(space), MOST_STAGES)
        best = (math.inf, 1)
        for stages in range(max(1, math.ceil(sum(sizes.values()) / self.most)), last + 1):
            choice = self._tightest(space, stages)
            if choice is not None:
                best = min(best, (choice.slowest_cost, stages))
                if choice.slowest_cost <= enough:
                    return stages
        return best[1] if best[0] < math.inf else max(1, last)

    def choose(self, space: Space, costs: Mapping[int, float], stages: int) -> Choice | None:
        """Return the best cuts by ``costs`` whose segments fit; None: there are not so many cuts.

        Where they cannot all fit, the largest is as small as can be. Between the two, costs and
        weights are made equal together, as little of weights as will do.
        """
        tightest = self._tightest(space, stages)
        if tightest is None:
            return None
        limit = max(self.most, tightest.slowest_cost)
        for share in SHARES:
            choice = cut_choice.choose(space, self._blended(costs, share), stages)
            if choice is not None and self._heaviest(space, choice) <= limit:
                return choice
        return tightest

    @property
    def _counted(self) -> dict[int, int]:
        return {index: min(size, self.most) for index, size in self.weights.items()}

    def _tightest(self, space: Space, stages: int) -> Choice | None:
        return cut_choice.choose(space, self._counted, stages, slack=1.0)

    def _heaviest(self, space: Space, choice: Choice) -> int:
        sizes = self._counted
        segments = cut_choice.segments_of(space, choice)
        return max(sum(sizes[index] for index in inside) for inside in segments)

    def _blended(self, costs: Mapping[int, float], share: float) -> dict[int, float]:
        sizes = self._counted
        of_costs = (1 - share) / (math.fsum(costs.values()) or 1.0)
        of_sizes = share / (sum(sizes.values()) or 1)
        return {index: of_costs * cost + of_sizes * sizes[index] for index, cost in costs.items()}
