"""Damaged TFLite models: the scan raises nothing but its errors, and LiteRT survives the rest.

The long form is ``scripts/fuzz-litert``.
"""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.fuzzing.litert import RAN, REFUSED, Runner, damaged, outcomes
from tests.fixtures.tflite_builder import chain, quantised
from wire.model.errors import ModelError
from wire.model.tflite_scan import scan_tflite, tflite_operators

MODELS = {"chain": chain().data(), "quantised": quantised().data()}


def test_litert_survives_what_the_scan_admits():
    """Of hundreds of damaged models, those that pass run, or are refused by LiteRT."""
    with contextlib.closing(Runner()) as litert:
        found = [
            outcome.what
            for data in MODELS.values()
            for outcome in outcomes(data, range(150), litert)
        ]

    assert [what for what in found if what.startswith("ended")] == []
    assert found.count(RAN) > 30
    assert {REFUSED, "model.malformed", "model.too_large"} < set(found)


@given(st.sampled_from(sorted(MODELS)), st.integers(min_value=0))
def test_damage_is_refused_by_name(name, seed):
    """Whatever stands in a file, the scan ends with an answer or with its own error."""
    data = damaged(MODELS[name], random.Random(seed))

    with contextlib.suppress(ModelError):
        scan_tflite(data, source="damaged")
    with contextlib.suppress(ModelError):
        tflite_operators(data, source="damaged")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(data):
    """What only claims to be TFLite is refused as malformed."""
    with pytest.raises(ModelError):
        scan_tflite(b"\x08\0\0\0TFL3" + data, source="damaged")
