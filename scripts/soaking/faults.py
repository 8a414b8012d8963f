"""How each fault of the plan is done to the site, and undone."""

import contextlib
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scripts.soaking import garbage, plan
from scripts.soaking.plan import Fault
from scripts.soaking.site import Soaked

REFILL_SECONDS: Final = 0.01
_PIECE: Final = 1 << 20


class Faults:
    """Does faults.

    Args:
        site: To what.
        stopping: Set when the soak is interrupted: no fault is held any longer.
    """

    def __init__(self, site: Soaked, stopping: threading.Event) -> None:
        self._site = site
        self._stopping = stopping
        self._ways: dict[str, Callable[[Fault], str]] = {
            "worker killed": self._kill_worker,
            "worker stopped": self._stop_worker,
            "agent killed": self._kill_agent,
            "segment corrupted": self._corrupt_segment,
            "broker restarted": self._restart_broker,
            "broker stopped": self._stop_broker,
            "redeployed": self._redeploy,
            plan.UNDEPLOYED: self._undeploy_deploy,
            plan.DISK_FULL: self._fill_disk,
            "garbage flood": self._flood,
            "client restarted": self._restart_client,
        }

    def do(self, fault: Fault) -> str:
        """Do a fault, hold it as long as its kind says, undo it; returns what was done.

        Raises:
            CodedError: An order that should have been obeyed was not.
        """
        return self._ways[fault.kind.name](fault)

    def _hold(self, fault: Fault) -> None:
        self._stopping.wait(fault.kind.hold_seconds)

    def _worker(self, fault: Fault) -> tuple[int, str]:
        """Return a worker of the fault's device and pipeline: its process id and its key."""
        assert fault.device is not None
        workers = self._site.control.workers(fault.device)
        of_it = [(pid, key) for pid, key in workers.items() if key.startswith(f"{fault.pipeline}.")]
        return of_it[0]

    def _kill_worker(self, fault: Fault) -> str:
        pid, key = self._worker(fault)
        os.kill(pid, signal.SIGKILL)
        return f"{fault.device} {key}"

    def _stop_worker(self, fault: Fault) -> str:
        pid, key = self._worker(fault)
        os.kill(pid, signal.SIGSTOP)
        self._hold(fault)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        return f"{fault.device} {key}"

    def _kill_agent(self, fault: Fault) -> str:
        assert fault.device is not None
        self._site.kill_agent(fault.device)
        return fault.device

    def _corrupt_segment(self, fault: Fault) -> str:
        """Flip a byte of a stored file while the agent is down: it must fetch the file again."""
        assert fault.device is not None
        with self._site.held(fault.device) as agent:
            agent.stop(30.0)
            store = self._site.folder / fault.device / "store"
            files = sorted(f for f in store.glob("*/*") if f.parent.name != "partial")
            file = random.Random(fault.seed).choice(files)
            data = bytearray(file.read_bytes())
            data[fault.seed % len(data)] ^= 0xFF
            mode = file.stat().st_mode
            file.chmod(0o600)
            file.write_bytes(data)
            file.chmod(mode)
        return f"{fault.device} {file.name} of {file.parent.name[:8]}"

    def _restart_broker(self, _fault: Fault) -> str:
        self._site.broker.stop()
        self._site.broker.start()
        return "what it keeps is kept"

    def _stop_broker(self, fault: Fault) -> str:
        self._site.broker.stop()
        self._hold(fault)
        self._site.broker.start()
        return f"for {fault.kind.hold_seconds:g} s"

    def _redeploy(self, _fault: Fault) -> str:
        self._site.control.deploy(plan.STEADY)
        return f"{plan.STEADY}: a new generation"

    def _undeploy_deploy(self, fault: Fault) -> str:
        self._site.control.undeploy(plan.FICKLE)
        self._hold(fault)
        self._site.control.deploy(plan.FICKLE)
        return plan.FICKLE

    def _fill_disk(self, fault: Fault) -> str:
        """Leave no room for the journal, and kill a worker, which the journal should note.

        What is given back meanwhile (the journal replaces its older copy) is taken again.
        """
        assert fault.device is not None
        folder = self._site.folder / fault.device
        filler = folder / "filler"
        try:
            _fill(filler)
            pid, key = self._worker(fault)
            os.kill(pid, signal.SIGKILL)
            ends = time.monotonic() + fault.kind.hold_seconds
            while time.monotonic() < ends and not self._stopping.wait(REFILL_SECONDS):
                _fill(filler)
        finally:
            filler.unlink(missing_ok=True)
        return f"{fault.device}, and {key} killed meanwhile"

    def _flood(self, fault: Fault) -> str:
        with self._site.control.session() as session:
            said = garbage.flood(
                session, self._site.control.topics, fault.seed, fault.kind.hold_seconds
            )
        return f"{said} messages"

    def _restart_client(self, fault: Fault) -> str:
        self._site.end_client(fault.pipeline)
        self._site.start_client(fault.pipeline)
        return fault.pipeline


def _fill(file: Path) -> None:
    """Write until the file system is full."""
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as out:
        while True:
            room = shutil.disk_usage(file.parent).free
            if not out.write(b"\0" * min(_PIECE, room or 1)):
                return
