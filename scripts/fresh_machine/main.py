"""Follows README.md on a fresh machine."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from machine import HOST, USER, FailedError, Machine, fresh

REPOSITORY = Path(__file__).parents[2]
LAPTOP = f"/home/{USER}/laptop"
DEVICE = f"/home/{USER}/device"
"""Two clones, as on two machines."""
CHANGED = {
    "paceline demo": "paceline demo --seconds 10",
    "--stages 3": "--stages 1",
    "--to pi1,pi2,pi3": f"--to {HOST}",
}
"""What of the README's lines is done otherwise: it ends by itself, and there is one device."""
MODEL = """python - <<'END'
import numpy, onnx
from onnx import helper, numpy_helper
w = numpy_helper.from_array(numpy.eye(64, dtype="float32") * 2, "w")
x, y = (helper.make_tensor_value_info(n, 1, [1, 64]) for n in "xy")
node = helper.make_node("MatMul", ["x", "w"], ["y"])
graph = helper.make_graph([node], "g", [x], [y], [w])
opset = [helper.make_opsetid("", 17)]
onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), "model.onnx")
numpy.savez("inputs.npz", x=numpy.ones((1, 64), "float32"))
END"""
ANSWER = (
    """python -c 'import numpy; y = numpy.load("outputs.npz")["y"]; assert (y == 2).all(), y'"""
)


def block(begins: str) -> list[str]:
    """Return the lines of the README's block that has a line which begins so."""
    for part in (REPOSITORY / "README.md").read_text().split("```")[1::2]:
        lines = [line for line in part.splitlines() if line.strip()]
        if any(line.startswith(begins) for line in lines):
            return [_changed(line) for line in lines]
    raise FailedError(f"README.md has no block with a line that begins with `{begins}`")


def _changed(line: str) -> str:
    for old, new in CHANGED.items():
        line = line.replace(old, new)
    return line


def lines(block: list[str], *begins: str, without: bool = False) -> str:
    """Return the lines of a block that begin so, or the others."""
    return "\n".join(line for line in block if line.startswith(begins) is not without)


def clone(machine: Machine, folder: str) -> None:
    """Put what is committed here into a folder of the user's."""
    target = machine.root / folder.removeprefix("/")
    target.mkdir(parents=True)
    archive = subprocess.Popen(["git", "-C", REPOSITORY, "archive", "HEAD"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", target], stdin=archive.stdout, check=True)
    machine.fetch(f"chown -R {USER}: {folder}", user="root")


def follow(machine: Machine, *, tests: bool) -> None:
    """Do what the README says, in its order as far as fetching comes first."""
    venv, demo = "\n".join(block("python3 -m venv .venv && . ")), "\n".join(block("pip install -q"))
    broker, keys = block("sudo apt-get install"), "\n".join(block("export PACELINE"))
    device = block("sudo .venv/bin/paceline agent install")
    use = block("paceline split")
    for folder in (LAPTOP, DEVICE):
        clone(machine, folder)

    step("Try it")
    machine.fetch(f"{venv}\n{demo}", folder=LAPTOP)
    if tests:
        step("Develop")
        machine.fetch(f"{venv}\n{lines(block('scripts/test'), 'scripts')}", folder=LAPTOP)
    step("Use it: what is fetched for the broker and the device")
    machine.fetch(lines(broker, "sudo apt-get"), folder=LAPTOP)
    machine.fetch(lines(device, "python3"), folder=DEVICE)
    with machine.booted():
        step("Use it: broker, key, device")
        machine.do(lines(broker, "sudo apt-get", without=True), folder=LAPTOP)
        (machine.root / LAPTOP[1:] / "settings").write_text(f". .venv/bin/activate\n{keys}\n")
        machine.do(". ./settings", folder=LAPTOP)
        machine.do(f"cp broker.password trusted.pub {DEVICE}", folder=LAPTOP)
        machine.do(lines(device, "sudo"), folder=DEVICE)
        machine.do("sudo .venv/bin/paceline agent status", folder=DEVICE)
        step("Use it: a model on it")
        machine.do(f". ./settings\n{MODEL}", folder=LAPTOP)
        commands = lines(use, "paceline restore", "paceline undeploy", without=True)
        machine.do(f". ./settings\n{commands}\n{ANSWER}", folder=LAPTOP)
        machine.do(f". ./settings\n{lines(use, 'paceline undeploy')}", folder=LAPTOP)
        step("Off again")
        machine.do("sudo .venv/bin/paceline agent uninstall --purge", folder=DEVICE)
        machine.do("! id paceline && ! ls /etc/paceline /var/lib/paceline", folder=DEVICE)


def step(title: str) -> None:
    """Say what comes now."""
    print(f"\n== {title}", flush=True)


def main() -> int:
    """Follow it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/fresh-machine-test", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="run the README's test command, too")
    parser.add_argument("--keep", action="store_true", help="leave the machine's root there")
    options = parser.parse_args()
    began = time.monotonic()
    with fresh(keep=options.keep) as machine:
        try:
            follow(machine, tests=options.tests)
        except FailedError as error:
            print(f"\nFAILED after {time.monotonic() - began:.0f} s: {error}")
            return 1
    print(f"\nall of it worked, in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
