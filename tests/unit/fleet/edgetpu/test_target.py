"""A cut model for the Edge TPU: what is expected of it, and what is compiled and listed."""

import pytest

from fleet import digests
from fleet.edgetpu.errors import MissingCompiledError, NotForEdgeTpuError, NotTheTwinError
from fleet.edgetpu.target import QUANTA, EdgeTpu
from fleet.formats import CutModel
from tests.fixtures.int8_tflite import compiled_like, dense_chain
from wire.manifest import ModelRef, Segment


@pytest.fixture
def cut(twin):
    """Return a cut model of one segment, and the folder with its segments."""
    segment = Segment(
        name=twin.name,
        format="tflite",
        files=digests.files(twin),
        inputs=(),
        outputs=(),
        operators=3,
        weight_bytes=0,
        peak_bytes=0,
    )
    made = CutModel(
        model=ModelRef(name="m.tflite", sha256="0" * 64, size_bytes=1),
        inputs=(),
        outputs=(),
        segments=(segment,),
        crossings=(),
        crossing_bytes=(),
        costs=(0,),
    )
    return made, twin.parent


def finished(target, cut, path=None):
    """Check and compile; returns the segment and what is said of it."""
    made, folder = cut
    found = target.checked(path or folder / made.segments[0].name / "segment.tflite")
    done = target.finished(made, folder, found, lambda _: None)
    return done.segments[0], done.edgetpu


def test_with_the_compiler_at_hand_a_segment_is_compiled(cut, compiler):
    """Its file is listed with its digest, and the report has the compiler's figures."""
    compiler("maps")

    segment, report = finished(EdgeTpu(), cut)

    assert segment.files == digests.files(cut[1] / segment.name)
    assert [file.name for file in segment.files] == ["segment.tflite", "segment_edgetpu.tflite"]
    assert segment.digest != cut[0].segments[0].digest
    assert segment.quanta == QUANTA
    (one,) = report.segments
    assert (one.compiled, one.expected_edgetpu, one.expected_cpu) == (True, 3, 0)
    assert (one.log.edgetpu_operators, one.log.off_chip_bytes) == (3, 0)
    assert report.source.startswith("https://coral.ai/")


def test_without_it_the_report_is_what_is_expected(cut, compiler):
    """And the segment is as it was."""
    segment, report = finished(EdgeTpu(), cut)

    assert segment == cut[0].segments[0]
    assert (report.segments[0].compiled, report.segments[0].log) == (False, None)
    assert report.segments[0].weight_bytes == 3 * (64 * 64 + 64 * 4)
    assert report.segments[0].expected_on_chip_bytes == 3 * (64 * 64 + 64 * 4)
    assert report.segments[0].expected_off_chip_bytes == 0


def test_a_segment_of_which_nothing_maps_keeps_its_twin_alone(cut, compiler):
    """The compiler then gives back what it got."""
    compiler("maps-nothing")

    segment, report = finished(EdgeTpu(), cut)

    assert segment == cut[0].segments[0]
    assert (report.segments[0].compiled, report.segments[0].log.edgetpu_operators) == (False, 0)


def test_what_was_compiled_elsewhere_is_taken(cut, compiler, tmp_path):
    """With no compiler here; the log that came with it is read."""
    there = tmp_path / "compiled" / "00-whole"
    there.mkdir(parents=True)
    (there / "segment_edgetpu.tflite").write_bytes(compiled_like(dense_chain()))
    (there / "edgetpu_compiler.txt").write_text("Number of Edge TPU subgraphs: 1\n")

    segment, report = finished(EdgeTpu(compiled=tmp_path / "compiled"), cut)

    assert "segment_edgetpu.tflite" in {file.name for file in segment.files}
    assert (report.segments[0].compiled, report.segments[0].log.subgraphs) == (True, 1)


def test_what_was_compiled_of_other_cuts_is_refused(cut, tmp_path):
    """And a folder that lacks a segment."""
    target = EdgeTpu(compiled=tmp_path / "compiled")
    with pytest.raises(MissingCompiledError, match="no folder 00-whole"):
        finished(target, cut)

    there = tmp_path / "compiled" / "00-whole"
    there.mkdir(parents=True)
    (there / "segment_edgetpu.tflite").write_bytes(compiled_like(dense_chain(layers=2)))
    with pytest.raises(NotTheTwinError, match="this very split"):
        finished(target, cut)


def test_only_tflite_models_are_for_the_edge_tpu(cut, tmp_path):
    """An ONNX model is told to come as another."""
    with pytest.raises(NotForEdgeTpuError, match=r"export it as \.tflite"):
        finished(EdgeTpu(), cut, tmp_path / "model.onnx")
