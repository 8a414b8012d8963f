"""A PostgreSQL of one's own, from Debian's package: on a socket, and on a port of the loopback."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PASSWORD = "right"
USER = "postgres"
DATABASE = "hub"
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "listen_addresses": "127.0.0.1",
    "log_statement": "none",
    "timezone": "UTC",
}


def programs():
    """Return the folder of the newest PostgreSQL's programs; None: it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def missing():
    """Return why no PostgreSQL can be started here; None: one can."""
    if programs() is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv to run it as another user"
    return None


class Cluster:
    """A server with a database for one test at a time."""

    def __init__(self):
        self._made = False
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        (self.folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "password"):
                shutil.chown(path, USER, USER)
        data = str(self.folder / "data")
        self._run(
            "initdb", "--pgdata", data, "--username", USER, "--encoding=UTF8", "--no-locale",
            "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256",
            f"--pwfile={self.folder / 'password'}",
        )  # fmt: skip
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")

    def start(self):
        """Let it run; returns when it takes connections."""
        log = str(self.folder / "log")
        self._run(
            "pg_ctl",
            "start",
            "--wait",
            "--silent",
            f"--pgdata={self.folder / 'data'}",
            f"--log={log}",
        )

    def stop(self, mode="immediate"):
        """End it, as if its power went, or as ``mode`` says."""
        self._run(
            "pg_ctl",
            "stop",
            "--wait",
            "--silent",
            f"--mode={mode}",
            f"--pgdata={self.folder / 'data'}",
        )

    def url(self):
        """Return the URL of an empty database, by the socket; it is the same one, emptied."""
        if not self._made:
            self.sql(f"CREATE DATABASE {DATABASE}")
            self._made = True
        self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", DATABASE)
        return f"postgresql://{USER}@/{DATABASE}?host={self.folder}&port={self.port}"

    def sql(self, statement, database="postgres"):
        """Run a statement and return what it prints."""
        return self._run(
            "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
            "--host", str(self.folder), "--port", str(self.port), "--username", USER,
            "--command", statement, database,
        )  # fmt: skip

    def remove(self):
        """End it and remove its files."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program, *arguments):
        command = [str(programs() / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
        # the server keeps these streams: it must not get pipes that somebody waits for the end of
        with tempfile.TemporaryFile("w+") as told:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=told, stderr=told, timeout=60,
                cwd="/", env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            )  # fmt: skip
            told.seek(0)
            return told.read()
