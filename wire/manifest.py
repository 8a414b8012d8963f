"""`pipeline.json`: what a split model is. Unknown fields are refused.

A *segment* is what a device runs: an ONNX model with its own inputs and outputs. An *edge* is
what travels between two stages; it may carry tensors that the stages on both sides only pass on
(an output that was ready early, an input that is needed late).
"""

import hashlib
import itertools
import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from wire import canonical
from wire.errors import ManifestError
from wire.ids import is_id
from wire.tensors import TensorSpec

SCHEMA: Final = 1
INPUT: Final = "input"
"""The `from` of the edge that enters the pipeline."""
OUTPUT: Final = "output"
"""The `to` of the edge that leaves it."""
MAX_MANIFEST_BYTES: Final = 4 << 20
MOST_QUANTA: Final = 32
"""How many steps a quantised element may be off at most, an eighth of what int8 has: an order that
allows more is refused, for what is further off is no rounding."""

_FILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ModelRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model that was cut."""

    name: str
    sha256: str
    size_bytes: int


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a segment."""

    name: str
    sha256: str
    size_bytes: int


class Tolerance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far an element may be from the expected one: |a - b| <= absolute + relative * |b|."""

    absolute: float = 1e-5
    relative: float = 1e-4


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one device loads and runs."""

    name: str
    """An id such as ``00-backbone``; also the folder under ``segments/``."""
    format: str
    files: tuple[File, ...]
    inputs: tuple[TensorSpec, ...]
    """What its runtime takes, in the order of the segment's own graph."""
    outputs: tuple[TensorSpec, ...]
    operators: int
    weight_bytes: int
    peak_bytes: int
    """Estimate of weights and live activations together."""
    tolerance: Tolerance = Tolerance()
    quanta: int | msgspec.UnsetType = msgspec.UNSET
    """How many steps elements of 8 and 16 bits may be off on a device: kernels for quantised
    tensors round in different places. Not set, and not written: none."""

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted (name, sha256, size) list: the segment's name in a store."""
        return files_digest(self.files)


class Edge(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"source": "from", "target": "to"},
):
    """The tensors that one frame carries from one stage to the next."""

    source: str
    target: str
    tensors: tuple[TensorSpec, ...]
    kind: str = "forward"


class Picture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`preprocess`: how a picture becomes the input tensor."""

    input: str
    """The input tensor that takes the picture."""
    width: int
    height: int
    fit: str = "letterbox"
    """``letterbox`` keeps the aspect and pads; ``stretch`` does not."""
    channels: str = "RGB"
    """Order in the tensor: ``RGB``, ``BGR`` or ``L``."""
    layout: str = "NCHW"
    scale: float = 1 / 255
    """Multiplies the 0..255 value before mean and std."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    pad: int = 114
    """Grey value of the letterbox, 0..255."""
    dtype: int = 1


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`postprocess`: what people want to see of the output tensors."""

    kind: Literal["labels", "text_boxes"]
    """``labels`` (top-k of a score vector) or ``text_boxes`` (boxes of a probability map)."""
    output: str
    threshold: float = 0.3
    """``text_boxes``: a pixel above it is text. ``labels``: scores below it are not shown."""
    box_threshold: float = 0.5
    """``text_boxes``: the mean probability a box must reach."""
    unclip: float = 1.6
    """``text_boxes``: how far a box grows beyond the shrunk text kernel."""
    top: int = 5
    """``labels``: how many."""
    labels: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pipeline.json`, schema 1."""

    schema: int
    name: str
    model: ModelRef
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    segments: tuple[Segment, ...]
    edges: tuple[Edge, ...]
    cut_space: str = "order"
    """Which cuts were searched, for people.

    ``downsets``: all there are. ``downsets:side_branches_joined``: all but those that part a short
    side branch from its neighbour. ``order:A+B``: in some block of the graph, only the positions
    of orders A and B; ``order`` alone: of the file's. ``named``: none, the user said where.
    ``composed``: none, the user gave the stages, so there is no whole model.
    """
    preprocess: Picture | None = None
    postprocess: Answer | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: the pipeline's identity."""
        return canonical.digest(self)


def files_digest(files: Iterable[File]) -> str:
    """Return the digest of a set of files: SHA-256 over the sorted (name, sha256, size) list."""
    rows = sorted((f.name, f.sha256, f.size_bytes) for f in files)
    return hashlib.sha256(canonical.encode(rows)).hexdigest()


def encode(manifest: Manifest) -> bytes:
    """Return the canonical JSON of ``manifest``."""
    return canonical.encode(manifest)


def decode(data: bytes, source: str = "pipeline.json") -> Manifest:
    """Return the manifest in ``data``, checked to be a chain.

    Raises:
        ManifestError: Not JSON, an unknown field or schema, or the parts do not fit together.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestError(source, f"too large ({len(data)} bytes, at most {MAX_MANIFEST_BYTES})")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(source, str(error)) from error
    _check(manifest, source)
    return manifest


def _check(manifest: Manifest, source: str) -> None:
    if manifest.schema != SCHEMA:
        raise ManifestError(source, f"schema {manifest.schema} is unknown (expected {SCHEMA})")
    names = [segment.name for segment in manifest.segments]
    if not names or len(set(names)) != len(names):
        raise ManifestError(source, f"segments need distinct names (got {names})")
    chain = [INPUT, *names, OUTPUT]
    got = [(edge.source, edge.target) for edge in manifest.edges]
    if got != list(itertools.pairwise(chain)):
        raise ManifestError(source, f"edges are no chain through the segments in order (got {got})")
    _check_names(manifest, source)
    _check_tensors(manifest, source)


def _check_names(manifest: Manifest, source: str) -> None:
    """Names become folders, files and parts of addresses on every device."""
    for segment in manifest.segments:
        if not is_id(segment.name) or segment.name in {INPUT, OUTPUT}:
            raise ManifestError(source, f"segment name {segment.name!r:.80} is not allowed")
        for file in segment.files:
            if not _FILE_NAME.fullmatch(file.name) or not _SHA256.fullmatch(file.sha256):
                raise ManifestError(
                    source,
                    f"segment {segment.name}: file {file.name!r:.80} has a name or digest that is"
                    " not allowed",
                )


def _check_tensors(manifest: Manifest, source: str) -> None:
    """What each edge carries was made before it, and what each reader needs is carried."""
    made = {tensor.name for tensor in manifest.inputs}
    for index, edge in enumerate(manifest.edges):
        carried = {tensor.name for tensor in edge.tensors}
        if carried - made:
            raise ManifestError(
                source, f"edge to {edge.target}: nothing makes {sorted(carried - made)}"
            )
        last = index == len(manifest.segments)
        reader = manifest.outputs if last else manifest.segments[index].inputs
        missing = [tensor.name for tensor in reader if tensor.name not in carried]
        if missing:
            raise ManifestError(source, f"{_reader(edge)}: no edge brings {missing}")
        if not last:
            made = carried | {tensor.name for tensor in manifest.segments[index].outputs}


def _reader(edge: Edge) -> str:
    return "the pipeline's output" if edge.target == OUTPUT else f"segment {edge.target}"
