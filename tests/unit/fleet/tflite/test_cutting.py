"""TFLite models are cut anywhere, and the segments give every bit that the whole gives."""

import shutil

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from fleet import formats, split_folder, survey
from fleet.errors import InvalidCutError, OutputsDifferError
from fleet.formats import UNTIMED, CutRequest
from fleet.split import split
from fleet.verify import VerifyRequest, verify
from tests.fixtures import tflite_builder, tflite_graphs
from tests.fixtures.tflite_builder import TfliteModel
from tests.fixtures.tflite_graphs import KINDS, WIDTH
from wire import manifest
from wire.tflite import structure

pytestmark = pytest.mark.usefixtures("in_process")


AT_EVERY_PLACE = ("pictures", "quantised pictures", "ends", "unpacked")


def cut(path, out, **request):
    """Cut a model; return the manifest and each segment's structure."""
    made = split(path, out, CutRequest(**request))
    folders = [split_folder.segment_folder(out, segment) for segment in made.segments]
    return made, [structure.read((f / "segment.tflite").read_bytes()) for f in folders]


def notes_of(out):
    """Return what the split told people."""
    return split_folder.read_report(out).notes


def kinds_in(segment):
    """Return the operators of a segment, by their kinds."""
    return [segment.codes[operator.code].name for operator in segment.graphs[0].operators]


@pytest.mark.parametrize("kind", KINDS)
def test_the_segments_are_bit_equal(kind, saved, tmp_path):
    """With any number of frames where that varies, whatever the model has in it."""
    path = saved(kind)
    places = survey.chain(path, CutRequest()).blocks[:-1]
    assert places

    for block in places if kind in AT_EVERY_PLACE else places[1:2]:
        split(path, tmp_path / "out", CutRequest(at=("+".join(block.cut),)))
        found = verify(tmp_path / "out", path, VerifyRequest(sizes=3))

        assert found.bit_equal
        assert found.max_abs_diff == 0
        assert len(found.cases) == (3 if found.cases[0].sizes else 1)


def test_constants_that_are_computed_never_cross(saved, tmp_path):
    """Weights of float16 are unpacked in each segment that reads them."""
    made, segments = cut(saved("unpacked"), tmp_path / "out", at=("a",))

    assert [kinds_in(one).count("DEQUANTIZE") for one in segments] == [1, 1]
    assert [spec.name for spec in made.edges[1].tensors] == ["a"]
    notes = split_folder.read_report(tmp_path / "out").notes
    assert any("operators on weights alone that several segments compute: 1" in n for n in notes)


def test_what_crosses_stays_quantised(saved, tmp_path):
    """The tensor travels as int8, and both segments say what its numbers stand for."""
    made, segments = cut(saved("quantised"), tmp_path / "out", at=("q0",))

    (spec,) = made.edges[1].tensors
    assert (spec.dtype, spec.shape) == (3, ("batch", WIDTH))
    said = [
        (tensor.quantization.scales, tensor.quantization.zero_points, tensor.signature)
        for one in segments
        for tensor in one.graphs[0].tensors
        if tensor.name == "q0"
    ]
    assert said == [(pytest.approx((0.05,)), (-7,), (-1, WIDTH))] * 2


def test_what_is_quantised_may_round_elsewhere_on_a_device(saved, tmp_path):
    """By steps where it crosses, by their size where it is a float again; else nothing may."""
    made, _ = cut(saved("quantised"), tmp_path / "out", at=("q0",))
    plain, _ = cut(saved("batched", "plain.tflite"), tmp_path / "plain", at=("a",))

    assert 1 <= made.segments[0].quanta <= 16
    assert made.segments[1].quanta is UNSET
    assert [segment.quanta for segment in plain.segments] == [UNSET, UNSET]
    assert any("an answer may be off by" in n for n in notes_of(tmp_path / "out"))
    assert not any("an answer may be off by" in n for n in notes_of(tmp_path / "plain"))


def test_golden_frames_stand_in_for_a_quantised_model(saved, tmp_path):
    """Bit-equal with the kernels that made them, within their steps with the others."""
    path = saved("quantised pictures")
    cut(path, tmp_path / "out", at=("convolved",))
    path.unlink()

    found = verify(tmp_path / "out")

    assert (found.compared_with, found.bit_equal, found.passes) == ("golden frames", True, True)


def test_an_early_output_and_a_late_input_are_passed_on(saved, tmp_path):
    """The edges carry them past the segments that have no use for them."""
    made, _ = cut(saved("ends"), tmp_path / "out", at=("a",))

    carried = [{spec.name for spec in edge.tensors} for edge in made.edges]
    assert carried[0] == {"x", "late", "unread"}
    assert carried[1] == {"x", "late", "early", "a"}
    assert [spec.name for spec in made.outputs] == ["y", "early", "x"]
    assert {spec.name for spec in made.segments[1].inputs} == {"late", "early", "a"}


def test_names_are_made_unique(saved, tmp_path):
    """Ends keep theirs, and the report says how many tensors got another."""
    made, segments = cut(saved("repeated"), tmp_path / "out", stages=2, balance="flops")

    names = [t.name for one in segments for t in one.graphs[0].tensors]
    assert len(set(names)) == len(names) - len(made.edges[1].tensors)
    assert made.inputs[0].name == "x"
    notes = split_folder.read_report(tmp_path / "out").notes
    assert "tensors without a name of their own, which got one: 3" in notes


def test_ends_of_one_name_are_told_apart(saved, tmp_path):
    """No runtime could: the whole is run as a copy, which is said."""
    model = tflite_graphs.ends()
    model.graph.tensors[model.graph.outputs[0]].name = "x"
    path = saved(model)

    made, _ = cut(path, tmp_path / "out", stages=2, balance="flops")
    found = verify(tmp_path / "out", path)

    assert [spec.name for spec in made.outputs] == ["x_2", "early", "x"]
    assert found.bit_equal
    assert any("a copy with others was run" in note for note in found.notes)


def test_a_segment_has_one_signature_and_says_where_it_is_from(saved, tmp_path):
    """Its keys are tensors' names; metadata that only tools read is left out, and that is told."""
    made, segments = cut(saved("described"), tmp_path / "out", at=("a",))

    for segment, specs in zip(segments, made.segments, strict=True):
        (signature,) = segment.signatures
        assert signature.key == "serving_default"
        assert [one.name for one in signature.inputs] == [spec.name for spec in specs.inputs]
        assert [one.name for one in signature.outputs] == [spec.name for spec in specs.outputs]
        names = [entry.name for entry in segment.metadata]
        assert "min_runtime_version" in names
        assert "paceline.source" in names
        assert "TFLITE_METADATA" not in names
    notes = " ".join(split_folder.read_report(tmp_path / "out").notes)
    assert "do not carry: TFLITE_METADATA" in notes
    assert "signatures of the model (predict)" in notes


def test_constants_are_aligned_in_the_file(saved, tmp_path):
    """At multiples of 16 bytes, as the schema asks: processors read them in place."""
    _, segments = cut(saved("pictures"), tmp_path / "out", stages=3, balance="flops")

    at = [buffer.inside.at for one in segments for buffer in one.buffers if buffer.inside]
    assert at
    assert [place % 16 for place in at] == [0] * len(at)


def test_a_segment_of_an_old_file_has_its_operators_where_tools_look(saved, tmp_path):
    """LiteRT's quantizer reads the newer field alone, which files from before 2020 leave empty."""
    model = tflite_builder.chain()
    for code in model.made.operatorCodes:
        code.builtinCode = 0

    made, _ = cut(saved(model), tmp_path / "out", stages=1)

    (folder,) = (split_folder.segment_folder(tmp_path / "out", one) for one in made.segments)
    written = schema.ModelT.InitFromPackedBuf((folder / "segment.tflite").read_bytes(), 0)
    numbers = [code.builtinCode for code in written.operatorCodes]
    assert numbers == [code.deprecatedBuiltinCode for code in model.made.operatorCodes]


def test_the_same_cut_gives_the_same_bytes(saved, tmp_path):
    """So a device that has a segment needs not fetch it again."""
    path = saved("quantised pictures")

    first, _ = cut(path, tmp_path / "a", stages=2, balance="bytes")
    again, _ = cut(path, tmp_path / "b", stages=2, balance="bytes")

    assert first.digest == again.digest


def test_sizes_are_for_the_batch_that_is_asked_for(saved, tmp_path):
    """The file knows shapes for one frame alone; those of others are seen in a run."""
    path = saved("batched")
    made, _ = cut(path, tmp_path / "out", at=("a",), dims={"batch": 5})

    report = split_folder.read_report(tmp_path / "out")
    assert report.cut_bytes == (5 * WIDTH * 4,)
    assert made.inputs[0].shape == ("batch", WIDTH)
    assert made.segments[0].outputs[0].shape == ("batch", WIDTH)


def test_an_example_says_values_and_sizes(saved, tmp_path):
    """As for every format."""
    example = tmp_path / "x.npz"
    np.savez(example, x=np.full((2, WIDTH), 0.25, np.float32))

    made, _ = cut(saved("batched"), tmp_path / "out", stages=2, balance="flops", example=example)

    assert verify(tmp_path / "out", request=VerifyRequest(examples=(example,))).bit_equal
    assert len(made.segments) == 2


def test_by_time_segments_are_measured(saved, tmp_path):
    """Operators are not: no runtime tells what each takes, and the report says so."""
    cut(saved("pictures"), tmp_path / "out", stages=2, balance="time")

    report = split_folder.read_report(tmp_path / "out")
    assert all(seconds > 0 for seconds in report.segment_seconds)
    assert UNTIMED in report.notes


def test_a_cut_at_an_input_is_refused(saved, tmp_path):
    """Nothing is computed before it."""
    with pytest.raises(InvalidCutError, match="nothing is computed before it"):
        split(saved("batched"), tmp_path / "out", CutRequest(at=("x",)))


def test_the_first_tensor_that_differs_is_found(saved, tmp_path):
    """Inside the whole model, whose tensors between operators are looked at."""
    path = saved("batched")
    made, _ = cut(path, tmp_path / "out", at=("a", "b"))
    other = tflite_graphs.batched()
    for tensor in other.graph.tensors:
        if tensor.name == "second_weights":
            buffer = other.made.buffers[tensor.buffer]
            buffer.data = np.zeros_like(buffer.data)
    wrong = saved(other, "wrong.tflite")
    swapped, _ = cut(wrong, tmp_path / "wrong", at=("a", "b"))
    source = formats.for_model(path).identify(path)
    mixed = _mixed(made, swapped, source)
    _put(tmp_path, mixed)

    with pytest.raises(OutputsDifferError) as failed:
        verify(tmp_path / "out", path)

    assert failed.value.tensor == "b"


def _mixed(made, swapped, source):
    """Return a manifest with the second segment of another."""
    segments = (made.segments[0], swapped.segments[1], made.segments[2])
    return replace(made, segments=segments, model=source)


def _put(folder, mixed):
    """Put that segment where the manifest says it is."""
    name = mixed.segments[1].name
    shutil.rmtree(folder / "out" / "segments" / name)
    shutil.copytree(folder / "wrong" / "segments" / name, folder / "out" / "segments" / name)
    (folder / "out" / "pipeline.json").write_bytes(manifest.encode(mixed))


STEPS = st.lists(
    st.tuples(st.sampled_from(["TANH", "LOGISTIC", "ADD", "MUL", "dense"]), st.integers(0, 99)),
    min_size=3,
    max_size=12,
)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, seed=st.integers(0, 99))
def test_any_graph_is_cut_right(steps, seed, tmp_path):
    """Whatever reads what, in as many segments as there are places for at most three."""
    model = TfliteModel()
    made = [tflite_graphs.varying(model, name, WIDTH) for name in ("x", "z")]
    model.graph.inputs = list(made)
    for number, (kind, pick) in enumerate(steps):
        first, second = made[pick % len(made)], made[(pick * 7 + seed) % len(made)]
        name = f"t{number}"
        if kind == "dense":
            made.append(tflite_graphs.dense(model, first, name))
        elif kind in {"ADD", "MUL"}:
            options = {"kind": kind.capitalize()}
            made.append(tflite_graphs.plain(model, kind, name, first, second, **options))
        else:
            made.append(tflite_graphs.plain(model, kind, name, first))
    model.graph.outputs = [made[-1], made[2 + seed % len(steps)]]
    path = tmp_path / "any.tflite"
    path.write_bytes(model.data())
    stages = min(3, len(survey.chain(path, CutRequest()).blocks))

    split(path, tmp_path / "any", CutRequest(stages=stages, balance="flops"))

    assert verify(tmp_path / "any", path, VerifyRequest(sizes=2)).bit_equal
