"""The whole model beside the pipeline: its answers to the same inputs, and its own pace."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fleet import children
from fleet.children import RunOptions
from paceline.demo.feed import Feed
from wire import codecs, samples
from wire.reports import BenchReport

Arrays = Mapping[str, NDArray[Any]]


def references(model: Path, feed: Feed) -> dict[int, Arrays]:
    """Return the whole model's answer to each input of ``feed``, computed in a child.

    Raises:
        ChildFailedError: The model does not run.
    """
    ran = children.run(model, feed.inputs, RunOptions(optimisations=True))
    return dict(enumerate(ran.outputs))


def bench(model: Path, feed: Feed, seconds: float) -> BenchReport:
    """Run the whole model in a child with all threads for ``seconds`` and return its pace.

    Raises:
        ChildFailedError: The model does not run.
    """
    with tempfile.TemporaryDirectory(prefix="paceline-demo-") as name:
        given = Path(name, "inputs")
        with given.open("wb") as file:
            file.writelines(samples.encode([codecs.tensors(sample) for sample in feed.inputs]))
        arguments = ["--segment", str(model), "--inputs", str(given)]
        arguments += ["--threads", str(RunOptions().threads), "--seconds", str(seconds)]
        return children.call("bench", arguments, BenchReport, limit_seconds=60 + seconds)
