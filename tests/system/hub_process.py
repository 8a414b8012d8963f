"""A hub as its user starts it: a process of its own, asked over HTTP."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

from tests.system.place import PATIENCE_SECONDS, until


class HubProcess:
    """``paceline hub serve`` on a free port; ended with the test.

    Args:
        broker: The broker's address.
        database: The file that it keeps things in.
    """

    def __init__(self, broker, database, *options):
        self._log = database.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "paceline", "hub", "serve", "--json"),
                *("--broker", broker, "--listen", "127.0.0.1:0"),
                *("--db", f"sqlite:///{database}", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("PACELINE_")},
        )
        line = self.process.stdout.readline()
        self.url = json.loads(line)["url"] if line else ""

    def get(self, path):
        """Return what is at ``/api/v1/PATH``; None: nothing is."""
        try:
            address = f"{self.url}api/v1/{path}"
            with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            return None

    def status_of(self, path):
        """Return the HTTP status of a path."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=PATIENCE_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def pipeline(self, name="p"):
        """Return a pipeline's view, or None."""
        return self.get(f"pipelines/{name}")

    def device(self, name):
        """Return a device's view, or None."""
        return self.get(f"devices/{name}")

    def until_pipeline(self, claim, what, name="p"):
        """Wait until a pipeline's view is as claimed; return it."""

        def found():
            view = self.pipeline(name)
            return view if view and claim(view) else None

        # each look is a request that the hub answers: not so often that it does little else
        return until(found, lambda: f"{what}: {self.pipeline(name)}", every_seconds=0.1)

    def kill(self):
        """Kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def end(self):
        """End it as its service manager would; returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()
        self._log.close()
        return code
