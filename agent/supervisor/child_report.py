"""A child command run from the event loop: ``python -I -m agent probe|doctor``, and its report.

The supervisor imports neither a runtime nor the doctor: what they cost, and how they crash, is a
child's affair.
"""

import asyncio
import sys
from typing import TypeVar

import msgspec

Report = TypeVar("Report")


class ChildReportError(Exception):
    """The child gave no report; says why. Whoever asked makes something of it."""


async def child_report(*arguments: str, kind: type[Report], limit_seconds: float) -> Report:
    """Run one child command to its end and return its report; cancelled, the child is killed.

    Raises:
        ChildReportError: It cannot be started, took too long, or printed no report.
    """
    name = arguments[0]
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "agent", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise ChildReportError(f"the {name} cannot be started ({error.strerror})") from error
    try:
        output, _ = await asyncio.wait_for(child.communicate(), limit_seconds)
        return msgspec.json.decode(output, type=kind)
    except TimeoutError as error:
        raise ChildReportError(f"the {name} took over {limit_seconds:g} s") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChildReportError(f"the {name} ended with status {child.returncode}") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
