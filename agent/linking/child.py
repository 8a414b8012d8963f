"""``python -I -m agent link``: reads its setup from stdin, measures, and prints what it came to."""

import argparse
import os
import sys
import threading
from collections.abc import Sequence

import msgspec

from agent import orphans
from agent.linking.receiver import Receiver
from agent.linking.sender import Sender
from agent.linking.setup import Ended, Offered, Setup
from agent.profiling import NICE
from wire.errors import CodedError
from wire.reports import Failure, FailureReport


def main(arguments: Sequence[str] = ()) -> int:
    """Be one end; returns the exit code. ``arguments``: none but --help."""
    argparse.ArgumentParser(
        prog="python -I -m agent link",
        description="One end of a link that is measured: reads its setup from stdin, as the agent"
        " writes it. People use paceline link DEVICE DEVICE.",
    ).parse_args(arguments)
    line = sys.stdin.buffer.readline()
    try:
        setup = msgspec.json.decode(line, type=Setup, dec_hook=lambda kind, text: kind(text))
    except msgspec.DecodeError as error:
        _print(FailureReport(error=Failure(code="child.bad_setup", message=str(error))))
        return 2
    orphans.die_with_parent(setup.parent)
    orphans.die_before_parent()
    os.nice(NICE)
    try:
        if setup.order.role == "sender":
            with Sender(setup) as sender:
                _print(sender.measured())
        else:
            _receive(setup)
    except CodedError as error:
        _print(FailureReport(error=Failure(code=error.code, message=str(error))))
        return error.exit_code
    return 0


def _receive(setup: Setup) -> None:
    """Answer frames until the sender has ended or stdin has."""
    with Receiver(setup) as receiver:
        threading.Thread(target=_end_with_stdin, args=(receiver.ended,), daemon=True).start()
        _print(Offered(offers=receiver.offers))
        receiver.ended.wait()
        _print(Ended(frames=receiver.frames))


def _end_with_stdin(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


def _print(report: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    sys.stdout.flush()
