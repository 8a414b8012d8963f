"""The scripts of the zoo are no package: their folder is on the path for these tests alone."""

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts" / "zoo"


@pytest.fixture(autouse=True, scope="session")
def _scripts_on_path():
    sys.path.insert(0, str(SCRIPTS))
    yield
    sys.path.remove(str(SCRIPTS))
