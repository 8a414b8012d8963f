"""``paceline key show``."""

import os
from pathlib import Path

from rich.console import Console

from fleet import keys
from paceline.options import OutputOptions
from wire import signing


def show(
    *,
    key: Path | None = None,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Print the public half of the signing key.

    Args:
        key: The private key's file; made on first use.
        how: How to answer.
    """
    path = key or keys.default_path(os.environ)
    private = keys.load_or_make(path)
    pem = signing.public_pem(private).decode()
    fingerprint = signing.fingerprint(private.public_key())

    def people(console: Console) -> None:
        console.file.write(pem)

    output = how.output
    if not output.as_json:
        output.note(f"# fingerprint {fingerprint}, private half in {path}")
    output.result(
        {"fingerprint": fingerprint, "public_key": pem, "private_key_file": str(path)}, people
    )
    return 0
