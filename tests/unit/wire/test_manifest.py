"""`pipeline.json`: a chain that fits together, or refused."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import manifest
from wire.errors import ManifestError
from wire.manifest import Answer, Edge, File, Manifest, ModelRef, Picture, Segment
from wire.tensors import TensorSpec

SHA = "0123456789abcdef" * 4


def specs(*names):
    """Tensors of these names."""
    return tuple(TensorSpec(name=name, dtype=1, shape=("N", 3)) for name in names)


def segment(name, inputs, outputs, **changes):
    """One segment with one file."""
    fields = {
        "name": name,
        "format": "onnx",
        "files": (File(name="segment.onnx", sha256=SHA, size_bytes=10),),
        "inputs": specs(*inputs),
        "outputs": specs(*outputs),
        "operators": 3,
        "weight_bytes": 100,
        "peak_bytes": 200,
    }
    return Segment(**fields | changes)


def sample(**changes):
    """A pipeline of two segments; ``early`` passes by the second, ``late`` by the first."""
    fields = {
        "schema": 1,
        "name": "detector",
        "model": ModelRef(name="m.onnx", sha256=SHA, size_bytes=5),
        "inputs": specs("x", "late"),
        "outputs": specs("y", "early"),
        "segments": (
            segment("00-a", ["x"], ["cut", "early"]),
            segment("01-b", ["cut", "late"], ["y"]),
        ),
        "edges": (
            Edge(source="input", target="00-a", tensors=specs("x", "late")),
            Edge(source="00-a", target="01-b", tensors=specs("cut", "early", "late")),
            Edge(source="01-b", target="output", tensors=specs("y", "early")),
        ),
        "preprocess": Picture(input="x", width=32, height=32),
        "postprocess": Answer(kind="labels", output="y"),
    }
    return Manifest(**fields | changes)


def plain():
    """The sample as JSON's own types, to be spoiled."""
    return json.loads(manifest.encode(sample()))


def spoiled(path, value):
    """The sample's JSON with one place changed."""
    tree = plain()
    *way, last = path
    here = tree
    for step in way:
        here = here[step]
    here[last] = value
    return json.dumps(tree).encode()


def places(tree, path=()):
    """Every object in the tree, by its path."""
    if isinstance(tree, dict):
        yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for step, value in items:
        if isinstance(value, dict | list):
            yield from places(value, (*path, step))


def test_manifest_comes_back_as_it_was():
    """Encode and decode are inverse, and the text is stable."""
    text = manifest.encode(sample())

    assert manifest.decode(text) == sample()
    assert manifest.encode(manifest.decode(text)) == text


def test_edges_are_spelled_from_and_to():
    """JSON says `from` and `to`, which are no names in Python."""
    edge = plain()["edges"][1]

    assert (edge["from"], edge["to"]) == ("00-a", "01-b")
    assert not {"source", "target"} & set(edge)


@pytest.mark.parametrize(
    "path", list(places(plain())), ids=lambda p: ".".join(map(str, p)) or "top"
)
def test_unknown_field_is_refused_everywhere(path):
    """A manifest that says more than we understand is not half understood."""
    tree = plain()
    here = tree
    for step in path:
        here = here[step]
    here["surprise"] = 1

    with pytest.raises(ManifestError, match="surprise"):
        manifest.decode(json.dumps(tree).encode())


@pytest.mark.parametrize(
    "name", ["schema", "name", "model", "inputs", "outputs", "segments", "edges"]
)
def test_missing_field_is_refused(name):
    """What has no default must stand there."""
    tree = plain()
    del tree[name]

    with pytest.raises(ManifestError, match=name):
        manifest.decode(json.dumps(tree).encode())


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["schema"], 2, "schema 2 is unknown"),
        (["schema"], "1", "Expected `int`"),
        (["segments"], [], "distinct names"),
        (["segments", 1, "name"], "00-a", "distinct names"),
        (["segments", 0, "name"], "00-x", "no chain"),
        (["edges", 0, "from"], "output", "no chain"),
        (["edges", 1, "to"], "output", "no chain"),
        (["edges"], [], "no chain"),
        (["edges", 0, "tensors"], [], "segment 00-a: no edge brings"),
        (["edges", 1, "tensors"], [], "segment 01-b: no edge brings"),
        (["edges", 2, "tensors"], [], "pipeline's output: no edge brings"),
        (["outputs", 0, "name"], "z", r"pipeline's output: no edge brings \['z'\]"),
        (["inputs"], [], "edge to 00-a: nothing makes"),
        (["segments", 0, "outputs"], [], r"edge to 01-b: nothing makes \['cut', 'early'\]"),
        (["edges", 2, "tensors", 0, "name"], "z", r"edge to output: nothing makes \['z'\]"),
        (["segments", 0, "files", 0, "name"], "../x", "file '../x'"),
        (["segments", 0, "files", 0, "name"], "/etc/passwd", "file '/etc/passwd'"),
        (["segments", 0, "files", 0, "name"], "..", "file"),
        (["segments", 0, "files", 0, "name"], "", "file"),
        (["segments", 0, "files", 0, "name"], "a\n", "file"),
        (["segments", 0, "files", 0, "sha256"], "../" + SHA[3:], "digest"),
        (["segments", 0, "files", 0, "sha256"], SHA.upper(), "digest"),
        (["segments", 0, "files", 0, "sha256"], SHA[1:], "digest"),
    ],
)
def test_parts_that_do_not_fit_are_refused(path, value, problem):
    """The sentence names the file and the place."""
    with pytest.raises(ManifestError, match=f"^p.json: .*{problem}"):
        manifest.decode(spoiled(path, value), "p.json")


@pytest.mark.parametrize("name", ["../a", "a/b", "", "A", ".", "input", "output"])
def test_segment_name_must_be_an_id_of_its_own(name):
    """It becomes a folder on disk and an end of edges, which also end at input and output."""
    text = manifest.encode(sample()).replace(b'"00-a"', json.dumps(name).encode())

    with pytest.raises(ManifestError, match=r"not allowed|distinct|chain"):
        manifest.decode(text)


@settings(deadline=None)
@given(st.data())
def test_every_truncation_is_refused(data):
    """Half a file is no manifest."""
    text = manifest.encode(sample())

    with pytest.raises(ManifestError):
        manifest.decode(text[: data.draw(st.integers(0, len(text) - 1))])


@settings(deadline=None)
@given(st.data(), st.integers(0, 255))
def test_changed_byte_is_refused_or_still_a_manifest(data, byte):
    """Whatever bytes come, the answer is a checked manifest or a ManifestError."""
    text = bytearray(manifest.encode(sample()))
    text[data.draw(st.integers(0, len(text) - 1))] = byte

    try:
        found = manifest.decode(bytes(text))
    except ManifestError:
        return
    assert manifest.decode(manifest.encode(found)) == found


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"\xff", b'{"name":"\xff"}', b"[" * 100_000, b'{"surprise":' * 50_000],
    ids=["empty", "null", "list", "ff", "name", "deep", "deeper"],
)
def test_what_is_no_manifest_is_refused(data):
    """Other JSON, other bytes, and nesting without end."""
    with pytest.raises(ManifestError):
        manifest.decode(data)


def test_too_large_manifest_is_refused_unread():
    """The limit comes before the parser."""
    with pytest.raises(ManifestError, match="too large"):
        manifest.decode(b" " * (manifest.MAX_MANIFEST_BYTES + 1))


def test_digest_depends_on_content_and_not_on_spelling():
    """Order of keys, spaces and written-out defaults do not change a pipeline's identity."""
    tree = plain()
    backwards = dict(reversed(tree.items()))
    del backwards["cut_space"], backwards["segments"][0]["tolerance"]
    respelled = manifest.decode(json.dumps(backwards, indent=2).encode())

    assert respelled.digest == sample().digest
    assert msgspec.structs.replace(sample(), name="other").digest != sample().digest


def test_digest_is_pinned():
    """A release that changes the digest of the same content would orphan what is deployed."""
    expected = "8f4a8f0ca2eab58f363a452e88f9d4b5a56450f5dc11242fcaf42862f11dfc20"

    assert sample().digest == expected


def test_segments_digest_ignores_the_order_of_files_and_nothing_else():
    """The store's name of a segment follows from what its files are."""
    one = File(name="segment.onnx", sha256=SHA, size_bytes=10)
    two = File(name="weights.bin", sha256=SHA[::-1], size_bytes=20)
    digest = manifest.files_digest([one, two])
    others = [
        [one],
        [one, msgspec.structs.replace(two, size_bytes=21)],
        [one, msgspec.structs.replace(two, sha256=SHA)],
        [one, msgspec.structs.replace(two, name="other.bin")],
    ]

    assert manifest.files_digest([two, one]) == digest
    assert segment("00-a", [], [], files=(two, one)).digest == digest
    assert digest not in {manifest.files_digest(other) for other in others}
    assert digest == "d1a45aa1a5eb6c0d723d7bce9cd2b63cc697e453a4a63fc275144a7f280894cb"
