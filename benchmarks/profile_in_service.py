"""What `paceline profile` says of a model beside what it takes in service, on the same agent.

    uv run python benchmarks/profile_in_service.py MODEL.onnx...
    uv run python benchmarks/profile_in_service.py --rounds 5 --seconds 10 MODEL.onnx

One broker and one agent with one thread. In each round the model is profiled, then deployed and fed
with two frames in flight (the next one waits when one has run): the waterfall says what its run
takes. The sums of its kernels and of its operators stand beside. A machine at rest is needed.
"""

import argparse
import io
import json
import os
import statistics
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from fleet import keys
from paceline import cli
from paceline.demo.broker import Broker
from tests.system.place import Place, until
from wire import signing


def said(*arguments):
    """Run a command of the front door and return what it prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        code = cli.run([*map(str, arguments), "--json"])
    found = json.loads(out.getvalue().splitlines()[-1])
    if code:
        raise SystemExit(f"{arguments[0]}: exit code {code}: {found}")
    return found


def measured(place, model, seconds):
    """Return milliseconds by name, and which part of the cores others used."""
    site = "--broker", place.broker.url
    asked = "--on", "d1", "--again", "--seconds", seconds, "--serve", place.artifacts
    profile = said("profile", model, *asked, *site)["profiles"][0]
    report = profile["parts"][0]["report"]
    cut = place.folder / model.stem
    said("split", model, "--stages", 1, "--balance", "flops", "--out", cut)
    place.deploy(cut, "d1")
    asked = "--concurrency", 2, "--seconds", seconds
    level = said("bench", "pipeline", "p", *asked, *site)["levels"][0]
    place.undeploy()
    parts = {part["name"]: part["seconds"] for part in level["parts"]}
    found = {
        "whole": report["run"]["p50"],
        "kernels": sum(row[4] for row in report["kernels"]),
        "operators": sum(row[4] for row in report["operators"]),
        "service": parts["run"],
    }
    return {name: 1e3 * value for name, value in found.items()}, report["load"]


def table(place, models, rounds, seconds):
    """Print a line for each model: medians of the rounds, and the error of each round's profile."""
    print("| model | profiled ms | in service ms | error | kernels ms | operators ms | others |")
    print("|---" * 7 + "|")
    for model in models:
        seen = [measured(place, model, seconds) for _ in range(rounds)]
        middle = {name: statistics.median(one[name] for one, _ in seen) for name in seen[0][0]}
        errors = [one["whole"] / one["service"] - 1 for one, _ in seen]
        busy = max(load["others_busy_ratio"] for _, load in seen)
        print(
            f"| {model.stem} | {middle['whole']:.2f} | {middle['service']:.2f}"
            f" | {min(errors):+.1%} to {max(errors):+.1%} | {middle['kernels']:.2f}"
            f" | {middle['operators']:.2f} | {busy:.0%} |",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    print(f"load before {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="paceline-") as folder, Broker() as broker:
        os.environ.update(HOME=folder, PACELINE_CACHE=f"{folder}/cache")
        place = Place(Path(folder), broker)
        place.key = keys.load_or_make(keys.default_path({"HOME": folder}))
        place.public.write_bytes(signing.public_pem(place.key))
        try:
            place.start("d1")
            until(lambda: place.ear.last("info", "d1"))
            table(place, options.models, options.rounds, options.seconds)
        finally:
            place.end()


if __name__ == "__main__":
    main()
