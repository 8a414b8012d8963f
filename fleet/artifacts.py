"""Serve the files of split models to agents, by SHA-256.

In a process of its own, ``python -m fleet.artifacts --listen 127.0.0.1:8788 DIR...`` prints one
JSON line ``{"url": ..., "files": N}`` when it is ready. In another's:
``with serve([folder], "127.0.0.1:0") as server: server.url``.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from fleet.artifact_index import index
from fleet.artifact_server import ArtifactServer, ListenError
from wire.errors import CodedError

DEFAULT_LISTEN: Final = "127.0.0.1:8788"


def serve(folders: Iterable[Path], listen: str = DEFAULT_LISTEN) -> ArtifactServer:
    """Return a server of the split models in ``folders``; it listens, `start` or `with` answers.

    Raises:
        ArtifactFolderError: A folder holds no split model.
        ListenError: The address cannot be had.
    """
    files = index(folders)
    return ArtifactServer(files, *parse_listen(listen))


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``[V6]:PORT`` or ``:PORT`` (every interface).

    Raises:
        ListenError: It is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ListenError(text, "expected HOST:PORT")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - asked for by the empty host


def main(argv: list[str] | None = None) -> int:
    """Serve folders until SIGTERM or Ctrl-C; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m fleet.artifacts", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    options = parser.parse_args(argv)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    ended = threading.Event()
    code = 0

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal code
        code = 130 if number == signal.SIGINT else 0
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        with serve(options.folders, options.listen) as server:
            print(json.dumps({"url": server.url, "files": len(server.files)}), flush=True)
            ended.wait()
    except CodedError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
