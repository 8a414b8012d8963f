"""The plan with the smallest sum of all times, in one space of states."""

from collections.abc import Sequence

from fleet.planner import walks
from fleet.planner.spaces import Layer
from fleet.planner.tables import Tables, Walk
from fleet.planner.walks import Costs


def shortest(tables: Tables, space: Sequence[Layer], fewest: int) -> tuple[float, Walk]:
    """Return the smallest sum of all times of a plan of ``fewest`` stages or more, and the plan.

    Returns:
        Infinity and no stages where nothing fits.
    """
    return walks.cheapest(costs(tables), space, fewest)


def costs(tables: Tables) -> Costs:
    """Return what adds up to latency."""
    return Costs(
        prefix=tables.prefix,
        first=tables.first_fit,
        hops=tables.transfer + tables.latency[:, :, None],
        entry=tables.entry_transfer + tables.entry_latency,
        exit=tables.exit_transfer + tables.exit_latency,
    )
