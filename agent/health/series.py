"""Which readings are told when there are too many: the least important go first. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from agent.probes import Reading

MAX_SERIES: Final = 60
"""Readings in one message: what a service that stores metrics takes from thousands of devices."""
FAIR: Final = 8
"""So many of one name (zones, workers) come before the ninth of any."""

IMPORTANCE: Final = (
    "throttled_flag",
    "cpu_busy_ratio",
    "memory_available_bytes",
    "disk_free_bytes",
    "clock_synchronised_flag",
    "clock_impossible_flag",
    "worker_cpu_ratio",
    "worker_private_bytes",
    "control_refused_total",
    "thermal_celsius",
    "coral_alive_flag",
    "coral_celsius",
    "coral_link_bits_per_second",
    "gpu_busy_ratio",
    "network_received_bytes",
    "network_sent_bytes",
    "network_carrier_flag",
    "memory_total_bytes",
    "disk_total_bytes",
    "cpu_cores_total",
    "cpu_frequency_hertz",
    "load_average_tasks",
    "power_rail_watts",
    "disk_life_used_ratio",
    "disk_spare_used_ratio",
    "network_errors_total",
    "network_dropped_total",
    "network_signal_dbm",
    "probe_failures_total",
    "memory_agent_bytes",
    "cpu_agent_seconds",
    "throttle_events_total",
    "worker_resident_bytes",
    "worker_cpu_seconds",
    "disk_written_bytes",
    "disk_lifetime_written_bytes",
    "swap_total_bytes",
    "swap_free_bytes",
    "cooling_ratio",
    "network_link_bits_per_second",
    "gpu_frequency_hertz",
    "memory_frequency_hertz",
    "power_mode_number",
    "power_rail_volts",
    "coral_limit_celsius",
    "coral_slowest_celsius",
    "thermal_limit_celsius",
)
"""From the most important on; what is not here comes after these, ``probe_seconds`` last."""

_RANKS: Final = {name: rank for rank, name in enumerate(IMPORTANCE)} | {"probe_seconds": 1000}


def most_important(readings: Sequence[Reading], most: int = MAX_SERIES) -> tuple[Reading, ...]:
    """Return at most ``most`` of the readings, in their order; the same ones for the same names."""
    if len(readings) <= most:
        return tuple(readings)
    seen: Counter[str] = Counter()
    keys = []
    for place, reading in enumerate(readings):
        rank = _RANKS.get(reading.name, len(IMPORTANCE))
        keys.append((seen[reading.name] // FAIR, rank, place))
        seen[reading.name] += 1
    kept = sorted(place for *_, place in sorted(keys)[:most])
    return tuple(readings[place] for place in kept)
