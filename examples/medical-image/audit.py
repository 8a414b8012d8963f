"""An audit that can be added to and not changed: each line is signed and names the one before.

A line says who, when, and the SHA-256 of what went in and of what came out; no picture, no answer.
Whoever changes, removes or reorders a line breaks the chain, and cannot sign another without the
key. What the file cannot show is that lines are missing at its end: keep the last digest elsewhere.
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FIRST = "0" * 64


class Audit:
    """Adds lines to a file; each is on the disk before the answer is shown."""

    def __init__(self, path: Path, who: str, key: Ed25519PrivateKey) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._who = who
        self._key = key
        lines = path.read_bytes().splitlines()
        self._before = _digest(lines[-1]) if lines else FIRST
        self.lines = len(lines)

    def add(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], error: str | None) -> None:
        """Add a line for one frame."""
        said = {
            "line": self.lines,
            "who": self._who,
            "when_unix_ns": time.time_ns(),
            "input_sha256": tensors_digest(inputs),
            "answer_sha256": tensors_digest(outputs) if error is None else None,
            "error": error,
            "before_sha256": self._before,
        }
        signature = self._key.sign(_canonical(said))
        line = _canonical({**said, "signature": base64.b64encode(signature).decode()})
        os.write(self._file, line + b"\n")
        os.fsync(self._file)
        self._before = _digest(line)
        self.lines += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def verify(path: Path, key: Ed25519PublicKey) -> int:
    """Return how many lines there are, if every one is as it was written.

    Raises:
        ValueError: A line was changed, removed, or put elsewhere; it says which.
    """
    before, number = FIRST, -1
    for number, line in enumerate(path.read_bytes().splitlines()):
        try:
            said = json.loads(line)
            signature = base64.b64decode(said.pop("signature"))
            key.verify(signature, _canonical(said))
        except (ValueError, KeyError, InvalidSignature) as error:
            raise ValueError(f"line {number} was changed") from error
        if said["line"] != number or said["before_sha256"] != before:
            raise ValueError(f"line {number} does not follow the one before it")
        before = _digest(line)
    return number + 1


def tensors_digest(tensors: Mapping[str, Any]) -> str:
    """Return one digest of arrays: of their names, types, shapes and bytes."""
    made = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        made.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        made.update(array)
    return made.hexdigest()


def _canonical(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
