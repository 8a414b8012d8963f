"""House rule: log events are literal ``noun.past_verb`` names; facts are keywords."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("agent", "fleet", "paceline", "wire")
FILES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"log", "_log"}
EVENT = re.compile(r"[a-z_]+\.[a-z_]+")


def broken_calls(source):
    """Return the line numbers of log calls whose event cannot be searched for."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and logs(node.func) and not names_event(node.args)
    ]


def logs(function):
    """Whether ``function`` is ``log.info`` or its like, also as ``self._log.info``."""
    match function:
        case ast.Attribute(value=ast.Name(id=logger) | ast.Attribute(attr=logger), attr=level):
            return logger in LOGGERS and level in LEVELS
    return False


def names_event(arguments):
    """Whether the only positional argument is a literal event name."""
    match arguments:
        case [ast.Constant(value=str(event))]:
            return EVENT.fullmatch(event) is not None
    return False


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_event_names(file):
    """Each log call names its event by a literal that can be searched for."""
    assert broken_calls(file.read_text()) == []


@pytest.mark.parametrize(
    "call",
    [
        "log.info('Worker died')",
        "log.info('worker')",
        "log.warning(f'worker.{what}')",
        "log.error(event)",
        "log.info('worker.died', pid)",
        "log.info()",
        "log.info(*facts)",
        "self._log.debug('worker.died: %s' % pid)",
        "self.log.exception('x')",
    ],
)
def test_rule_finds_what_breaks_it(call):
    """The rule itself is tested: each of these is found."""
    assert broken_calls(f"import os\n{call}\n") == [2]


@pytest.mark.parametrize(
    "call",
    [
        "log.info('worker.died', pid=1)",
        "self._log.debug('frame.sent')",
        "math.log(2)",
        "log.bind(a)",
    ],
)
def test_rule_leaves_the_rest_alone(call):
    """What is right, and what is no log call, is not found."""
    assert broken_calls(call) == []
