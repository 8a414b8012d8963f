"""Reading TFLite files: what is refused, what is missing, what changes meanwhile."""

import sys

import pytest

from fleet.errors import ModelChangedError
from fleet.formats import for_model
from fleet.tflite import schema, source
from fleet.tflite.errors import SchemaMissingError
from tests.fixtures import tflite_graphs
from wire.model.errors import ModelError, ModelMalformedError


def test_a_file_that_is_none_is_refused(tmp_path):
    """By the scan that devices have, too."""
    path = tmp_path / "m.tflite"
    path.write_bytes(b"nothing of the kind")

    with pytest.raises(ModelMalformedError, match=r"m\.tflite"):
        for_model(path).identify(path)
    with pytest.raises(ModelError, match="cannot be opened"):
        for_model(path).identify(tmp_path / "missing.tflite")


def test_without_the_library_the_extra_is_named(saved, monkeypatch):
    """Only who reads such a model needs it."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    schema.schema.cache_clear()
    path = saved("batched")

    try:
        with pytest.raises(SchemaMissingError, match=r"pip install 'paceline\[coral\]'"):
            source.opened(path).__enter__()
    finally:
        schema.schema.cache_clear()


def test_a_file_that_is_written_to_meanwhile_is_no_model(saved):
    """What was read of it may be of two models."""
    path = saved("batched")

    with pytest.raises(ModelChangedError), source.opened(path):
        path.write_bytes(path.read_bytes() + bytes(16))


def test_names_stay_where_they_can(saved):
    """A name that was made up is none that another tensor has."""
    model = tflite_graphs.batched()
    names = ["x", "x", "x_2", ""]
    for tensor, name in zip(model.graph.tensors, names, strict=False):
        tensor.name = name

    with source.opened(saved(model)) as found:
        assert found.names[:4] == ("x", "x_3", "x_2", "tensor_3")
        assert found.renamed == 2
