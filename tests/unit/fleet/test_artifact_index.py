import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.artifact_index import Artifact, ArtifactFolderError, index, wanted_range
from wire import manifest
from wire.errors import ManifestError
from wire.manifest import Edge, File, Manifest, ModelRef, Segment


def _split(folder, name="00-head", data=b"graph", claimed_bytes=None):
    """Write a split model of one segment with one file; return the file's digest."""
    sha256 = hashlib.sha256(data).hexdigest()
    file = File(name="segment.onnx", sha256=sha256, size_bytes=claimed_bytes or len(data))
    segment = Segment(
        name=name,
        format="onnx",
        files=(file,),
        inputs=(),
        outputs=(),
        operators=1,
        weight_bytes=0,
        peak_bytes=0,
    )
    made = Manifest(
        schema=1,
        name="m",
        model=ModelRef(name="m", sha256=sha256, size_bytes=1),
        inputs=(),
        outputs=(),
        segments=(segment,),
        edges=(
            Edge(source="input", target=name, tensors=()),
            Edge(source=name, target="output", tensors=()),
        ),
    )
    path = folder / "segments" / name / "segment.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    (folder / "pipeline.json").write_bytes(manifest.encode(made))
    return sha256


def test_files_of_all_folders_are_found_by_digest(tmp_path):
    """The manifests say what there is; other files are not served."""
    first = _split(tmp_path / "a")
    second = _split(tmp_path / "b", data=b"other")
    (tmp_path / "a" / "secret").write_text("x")

    assert index([tmp_path / "a", tmp_path / "b"]) == {
        first: Artifact(tmp_path / "a/segments/00-head/segment.onnx", 5),
        second: Artifact(tmp_path / "b/segments/00-head/segment.onnx", 5),
    }


def test_folder_without_a_manifest_is_named(tmp_path):
    """The error says what to do instead."""
    with pytest.raises(ArtifactFolderError, match=r"no pipeline\.json .*paceline split") as caught:
        index([tmp_path])

    assert caught.value.exit_code == 3


def test_manifest_that_is_none_is_named(tmp_path):
    """It is not guessed what was meant."""
    (tmp_path / "pipeline.json").write_text("{}")

    with pytest.raises(ManifestError):
        index([tmp_path])


def test_missing_or_changed_file_is_found_before_anyone_asks(tmp_path):
    """A device would only find out after the download."""
    _split(tmp_path / "a", claimed_bytes=6)
    _split(tmp_path / "b")
    (tmp_path / "b/segments/00-head/segment.onnx").unlink()

    with pytest.raises(ArtifactFolderError, match="has 5 bytes, not 6"):
        index([tmp_path / "a"])
    with pytest.raises(ArtifactFolderError, match="is missing"):
        index([tmp_path / "b"])


def test_manifest_cannot_point_outside_of_its_folder(tmp_path):
    """A model from elsewhere does not publish the files of whoever serves it."""
    _split(tmp_path / "a", name="../../outside")

    with pytest.raises(ManifestError, match="is not allowed"):
        index([tmp_path / "a"])


def test_link_to_the_outside_is_refused(tmp_path):
    """Not by a path, and not by a link."""
    _split(tmp_path / "a")
    (tmp_path / "secret").write_bytes(b"graph")
    path = tmp_path / "a/segments/00-head/segment.onnx"
    path.unlink()
    path.symlink_to(tmp_path / "secret")

    with pytest.raises(ArtifactFolderError, match="outside of it"):
        index([tmp_path / "a"])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-", range(10)),
        ("bytes=4-", range(4, 10)),
        ("bytes=2-5", range(2, 6)),
        ("bytes=2-99", range(2, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("bytes=-0", range(10, 10)),
        ("bytes=10-", range(10, 10)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=x-", None),
    ],
)
def test_range_header_is_read_as_rfc_9110_says(header, expected):
    """One range is honoured; what may be ignored is; an empty one cannot be satisfied."""
    assert wanted_range(header, 10) == expected


@given(st.text(max_size=30), st.integers(0, 100))
def test_no_range_reaches_outside_of_the_file(text, size_bytes):
    """Whatever a client sends."""
    part = wanted_range(f"bytes={text}", size_bytes)

    assert part is None or not part or (part.start >= 0 and part.stop <= size_bytes)
