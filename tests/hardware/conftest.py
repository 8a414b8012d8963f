"""Tests of real accelerators and boards; everywhere else they are skipped, with the command.

What they need is in docs/hardware.md.
"""

from tests.system.conftest import broker, chain, place

__all__ = ["broker", "chain", "place"]
