"""TensorRT's engines: kept for one segment on one GPU and one version, and deleted with it."""

import subprocess

import pytest

from agent.runtimes import _tensorrt_engines, onnx_tensorrt
from agent.runtimes._tensorrt_engines import folder_of, key, make_ready

ORIN = ("NVIDIA Jetson Orin Nano", ("1.31.1", "101300"))
FIRST, SECOND = "1f" * 32, "2e" * 32


@pytest.fixture
def store(tmp_path):
    """A state folder's store with two segments."""
    for digest in (FIRST, SECOND):
        (tmp_path / "store" / digest).mkdir(parents=True)
    return tmp_path / "store"


@pytest.mark.parametrize(
    "other",
    [
        ("NVIDIA Jetson AGX Orin", ORIN[1]),
        (ORIN[0], ("1.32.0", "101300")),
        (ORIN[0], ("1.31.1", "101400")),
    ],
    ids=["GPU", "onnxruntime", "TensorRT"],
)
def test_an_engine_is_one_gpus_and_one_versions(store, other):
    """The same for the same; after an upgrade or a move of the disk, another is built."""
    assert key(*ORIN) == key(*ORIN)
    assert folder_of(store / FIRST, key(*ORIN)) != folder_of(store / FIRST, key(*other))


def test_engines_are_beside_the_store_and_never_in_it(store):
    """A segment's folder holds what its digest says, and nothing else."""
    folder = folder_of(store / FIRST, key(*ORIN))
    make_ready(folder, store / FIRST)

    assert folder.parent == store.parent / "engines"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list((store / FIRST).iterdir()) == []
    assert folder != folder_of(store / SECOND, key(*ORIN))


def test_the_engines_of_segments_that_have_gone_are_deleted(store):
    """When the next one is built; those of other GPUs for a segment that is here are kept."""
    folders = [folder_of(store / FIRST, "a" * 16), folder_of(store / FIRST, "b" * 16)]
    for folder in folders:
        make_ready(folder, store / FIRST)
        (folder / "graph.engine").write_bytes(b"program")
    (store / FIRST).rmdir()

    made = folder_of(store / SECOND, "a" * 16)
    make_ready(made, store / SECOND)

    assert list((store.parent / "engines").iterdir()) == [made]


def test_a_model_outside_a_store_is_known_by_its_bytes(tmp_path, monkeypatch):
    """Wherever it lies: measuring it twice builds once."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(b"model")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "segment.onnx").write_bytes(b"another")
    a, b, folder = (folder_of(tmp_path / name, "k") for name in ("a.onnx", "b.onnx", "folder"))

    assert a == b != folder
    assert a.parent == tmp_path / "cache" / "engines"
    make_ready(folder, tmp_path / "folder")
    make_ready(a, tmp_path / "a.onnx")
    assert folder.exists()


def test_the_version_is_that_of_the_library_that_is_loaded(tmp_path):
    """TensorRT says it itself; here a library of its name does."""
    source = tmp_path / "infer.c"
    source.write_text("int getInferLibVersion(void) { return 101302; }")
    library = tmp_path / "libnvinfer.so.10"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    maps = tmp_path / "maps"
    maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 123    {library}\n7f02-7f03 rw-p 0 0:0 0 \n")

    assert onnx_tensorrt.infer_version() == 0
    assert onnx_tensorrt.infer_version(maps) == 101302


def test_engines_are_no_part_of_what_is_shipped():
    """A segment has four or five files; an engine's name is none of them."""
    from agent.artifacts.store_files import NAMES

    assert _tensorrt_engines.FOLDER not in NAMES
    assert not [name for name in NAMES if name.endswith(".engine")]
