"""The command line as a user of one site calls it."""

import json

from paceline import cli

WITHOUT_A_SITE = frozenset({"show", "split", "verify"})


class FrontDoor:
    """Runs commands with ``--json``; calling it gives the exit code and what was printed."""

    def __init__(self, url, capsys):
        self.stderr = ""
        """What the last command said aside."""
        self._url = url
        self._capsys = capsys

    def __call__(self, *arguments):
        """Run one command."""
        site = [] if arguments[0] in WITHOUT_A_SITE else ["--broker", self._url]
        code = cli.run([*map(str, arguments), "--json", *site])
        out, self.stderr = self._capsys.readouterr()
        return code, json.loads(out.splitlines()[-1])
