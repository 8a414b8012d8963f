"""House rule: every error raised on purpose has a stable code of its own."""

import importlib
import pkgutil
import re
from collections import defaultdict

import pytest

from wire.errors import CodedError

ROOMS = ("agent", "fleet", "paceline", "wire")
CODE = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z0-9]+(_[a-z0-9]+)*")


def modules():
    """Return the names of all modules of the four rooms."""
    names = list(ROOMS)
    for room in ROOMS:
        path = importlib.import_module(room).__path__
        names += [found.name for found in pkgutil.walk_packages(path, f"{room}.")]
    return [name for name in names if not name.endswith("__main__")]


@pytest.fixture(scope="module")
def errors():
    """Every subclass of CodedError that the four rooms define, after importing all of them."""
    for name in modules():
        importlib.import_module(name)
    found, frontier = set(), {CodedError}
    while frontier:
        frontier = {sub for parent in frontier for sub in parent.__subclasses__()} - found
        found |= frontier
    ours = [error for error in found if error.__module__.partition(".")[0] in ROOMS]
    return {f"{error.__module__}.{error.__qualname__}": error for error in ours}


def test_every_error_sets_a_code_of_the_form(errors):
    """The code is set on the class itself, never inherited, and reads `noun.problem`."""
    broken = [
        name
        for name, error in errors.items()
        if "code" not in vars(error) or not CODE.fullmatch(error.code)
    ]

    assert broken == []


def test_every_error_has_a_documented_exit_code(errors):
    """1 internal to 8 refused; 0 is no error and 130 belongs to the keyboard."""
    assert {name: e.exit_code for name, e in errors.items() if e.exit_code not in range(1, 9)} == {}


def test_no_two_errors_have_one_code(errors):
    """Whoever reads a code in a log finds one class."""
    by_code = defaultdict(list)
    for name, error in sorted(errors.items()):
        by_code[error.code].append(name)

    assert {code: names for code, names in by_code.items() if len(names) > 1} == {}


def test_every_room_is_looked_at(errors):
    """The rule sees the modules: if it finds no errors, it is the rule that is broken."""
    assert {name.partition(".")[0] for name in modules()} == set(ROOMS)
    assert "wire.errors.FrameError" in errors
    assert len(errors) > 10
