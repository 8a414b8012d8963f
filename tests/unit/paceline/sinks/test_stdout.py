"""Lines of JSON on standard output, and what ends them."""

import json
import os
from pathlib import Path

import pytest

from paceline.sink_errors import SinkClosedError, SinkFullError
from paceline.sinks import Entry, Record, SinkOptions, open_sink

ENTRY = Entry(Record(frame=0, source="ä\n", outputs={"y": {"values": [float("nan")]}}))


def test_each_frame_is_one_line_and_is_there_at_once():
    """Whatever its names and numbers are."""
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as stdout:
        sink = open_sink("-", SinkOptions("json", 0, "paceline", None, stdout))
        sink.write(ENTRY)
        line = json.loads(reader.readline())

    assert (line["source"], line["outputs"]) == ("ä\n", {"y": {"values": [None]}})


def test_whoever_reads_is_gone():
    """Said by its code; what is left in the buffer makes no trouble at the end."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stdout:
        sink = open_sink("-", SinkOptions("json", 0, "paceline", None, stdout))
        with pytest.raises(SinkClosedError, match="is gone"):
            sink.write(ENTRY)


def test_a_full_disk_behind_it():
    """The kernel's own stand-in for one."""
    with Path("/dev/full").open("w") as stdout:
        sink = open_sink("-", SinkOptions("json", 0, "paceline", None, stdout))
        with pytest.raises(SinkFullError, match="No space left"):
            sink.write(ENTRY)
