"""Tests that need an environment of their own: `scripts/test-extra` makes it."""

from tests.system.conftest import broker, chain, command, place

__all__ = ["broker", "chain", "command", "place"]
