"""Small TFLite models on disk; without LiteRT these tests are skipped."""

import pytest

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (paceline[coral])")

from tests.fixtures import tflite_graphs


@pytest.fixture
def saved(tmp_path):
    """Return what writes a model, by its kind or as it is, and returns the path."""

    def save(model, name="model.tflite"):
        data = tflite_graphs.KINDS[model]() if isinstance(model, str) else model.data()
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return save
