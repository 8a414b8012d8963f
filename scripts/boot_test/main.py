"""Boots the real unit and prints what holds: one line a claim, with its evidence.

Exit status 0: every claim holds on every machine that was asked for.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import machines
import models
import roots

MACHINES = ("nspawn", "uml", "pair")


def main() -> int:
    """Boot each machine; returns the exit status."""
    options = _parser().parse_args()
    if os.geteuid() != 0:
        sys.stderr.write("systemd-boot-test needs root: it makes and boots a root folder\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was made is taken away
    asked = options.machine or MACHINES
    failed = 0
    with tempfile.TemporaryDirectory(prefix="paceline-boot-") as name:
        work = Path(name)
        for machine in asked:
            share = work / f"share-{machine}"
            models.write(share)
            addresses = machines.PAIR if machine == "pair" else ()
            made = []
            for number in range(1, len(addresses or "1") + 1):
                root = roots.made(options.suite, work / f"{machine}-d{number}")
                roots.install(root, share, machine, f"d{number}", addresses)
                made.append(root)
            print(f"\n== {options.suite} in {machine}", flush=True)
            failed += machines.boot(machine, made, share, work)
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                for file in (*work.glob(f"console-{machine}-*.log"), *share.glob("[jr]*.*")):
                    shutil.copy(file, options.keep / f"{options.suite}-{machine}-{file.name}")
    print(f"\n{'all holds' if not failed else f'{failed} do not hold'}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="systemd-boot-test", description=__doc__)
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm")
    parser.add_argument("--machine", action="append", choices=MACHINES)
    parser.add_argument("--keep", type=Path, help="keep consoles, journals and results there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
