"""What the demo feeds: pages that it draws, or made-up tensors for any other model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from fleet import inputs
from paceline.demo.page import draw_page
from paceline.pictures import drawing, preprocess, text_boxes
from wire.manifest import Manifest

if TYPE_CHECKING:
    from PIL.Image import Image

DISTINCT: Final = 6
"""Different inputs, fed in turn."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Feed:
    """A few inputs, fed in turn."""

    inputs: tuple[Arrays, ...]

    def number(self, sequence: int) -> int:
        """Return which input the frame ``sequence`` carries."""
        return sequence % len(self.inputs)

    def frames(self) -> Iterator[Arrays]:
        """Yield inputs without end."""
        while True:
            yield from self.inputs


def pages(manifest: Manifest) -> Feed:
    """Return drawn pages, preprocessed as the manifest says."""
    block = manifest.preprocess
    assert block is not None
    arrays = [preprocess.prepare(draw_page(number), block).array for number in range(DISTINCT)]
    return Feed(tuple({block.input: array} for array in arrays))


def made_up(manifest: Manifest) -> Feed:
    """Return seeded random inputs of the sizes that a cut without sizes takes."""
    samples = [inputs.made(manifest.inputs, {}, seed) for seed in range(DISTINCT)]
    return Feed(tuple(dict(sample.arrays) for sample in samples))


def draw_answer(manifest: Manifest, number: int, tensors: Arrays) -> "Image":
    """Return page ``number`` with the text boxes that were found on it."""
    assert manifest.preprocess is not None
    assert manifest.postprocess is not None
    page = preprocess.prepare(draw_page(number), manifest.preprocess)
    found = text_boxes.find(
        tensors[manifest.postprocess.output], manifest.postprocess, page.geometry
    )
    return drawing.draw_text_boxes(page.picture, found)
