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


def errors():
    """Return every subclass of CodedError that the four rooms define."""
    for name in modules():
        importlib.import_module(name)
    found, frontier = set(), {CodedError}
    while frontier:
        frontier = {sub for parent in frontier for sub in parent.__subclasses__()} - found
        found |= frontier
    ours = [error for error in found if error.__module__.partition(".")[0] in ROOMS]
    return sorted(ours, key=lambda error: (error.__module__, error.__qualname__))


ERRORS = errors()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.__module__}.{error.__name__}")
def test_error_has_its_own_code(error):
    """The code is set on the class itself, of the form `noun.problem`; the exit code is known."""
    assert "code" in vars(error)
    assert CODE.fullmatch(error.code)
    assert error.exit_code in range(1, 10)


def test_no_two_errors_have_one_code():
    """Whoever reads a code in a log finds one class."""
    by_code = defaultdict(list)
    for error in ERRORS:
        by_code[error.code].append(f"{error.__module__}.{error.__qualname__}")

    assert {code: names for code, names in by_code.items() if len(names) > 1} == {}


def test_every_room_is_looked_at():
    """The rule sees the modules: if it finds no errors, it is the rule that is broken."""
    assert {name.partition(".")[0] for name in modules()} == set(ROOMS)
    assert CodedError not in ERRORS
    assert len(ERRORS) > 10
