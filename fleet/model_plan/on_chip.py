"""Accelerators whose own memory holds only so many weights: the others travel for each frame. Pure.

A stage is not the sum of its blocks there, which a planner's problem cannot say. So it is planned
twice, once as if all weights stayed and once with stages that fit alone, and what each of these
plans is worth says which is better.
"""

import math

from msgspec.structs import replace

from fleet.fleet_file.description import BY_HAND, Figure
from fleet.model_plan.setting import DeviceFigures, Setting


def streamed_bytes(device: DeviceFigures, weight_bytes: int) -> int:
    """Return how many bytes of a stage's weights travel to the accelerator for each frame."""
    return 0 if device.on_chip_bytes is None else max(0, weight_bytes - device.on_chip_bytes)


def within(setting: Setting) -> Setting | None:
    """Return the setting with room for weights that stay alone; None: they stay anyway."""
    weights = sum(block.weight_bytes for block in setting.chain.blocks)
    if not any(streamed_bytes(device, weights) for device in setting.devices):
        return None
    return replace(setting, devices=tuple(map(_within, setting.devices)))


def _within(device: DeviceFigures) -> DeviceFigures:
    if device.on_chip_bytes is None:
        return device
    stored = math.inf if device.storage.value is None else device.storage.value
    twice = min(stored, 2.0 * max(device.on_chip_bytes, 1))  # storage is of two generations
    return replace(device, storage=Figure(value=twice, origin=BY_HAND))
