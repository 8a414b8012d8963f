"""Sentences beside a line that counts."""

import io

from paceline.aside import Aside
from paceline.output import Output


class Terminal(io.StringIO):
    """What somebody watches."""

    def isatty(self):
        """It is."""
        return True


def test_where_nobody_watches_only_sentences_are_printed():
    """A log file gets no line that counts."""
    stderr = io.StringIO()
    aside = Aside(Output(False, io.StringIO(), stderr))
    with aside.watched():
        aside.count("12 results")
        aside.say("source x: lost\nand more")

    assert stderr.getvalue() == "source x: lost and more\n"


def test_on_a_terminal_a_sentence_stands_above_the_line(monkeypatch):
    """Both are whole; afterwards sentences are plain again."""
    monkeypatch.setenv("TERM", "xterm")
    stderr = Terminal()
    aside = Aside(Output(False, io.StringIO(), stderr))
    with aside.watched():
        aside.count("12 results")
        aside.say("source x: lost")
    aside.say("done")

    lines = stderr.getvalue().replace("\r", "\n").splitlines()
    assert any("12 results" in line for line in lines)
    assert any(line.endswith("source x: lost") for line in lines)
    assert stderr.getvalue().endswith("done\n")


def test_the_line_can_be_left_out():
    """Where answers stand on the same terminal."""
    stderr = Terminal()
    aside = Aside(Output(False, io.StringIO(), stderr), counting=False)
    with aside.watched():
        aside.count("12 results")

    assert stderr.getvalue() == ""
