"""Which operators are expected on the Edge TPU, and the reasons of the others."""

import numpy as np
import pytest

from fleet.edgetpu import check, model, operators, rules
from fleet.edgetpu.errors import NothingMapsError, NotInt8Error
from fleet.tflite.errors import NotCuttableError
from tests.fixtures.int8_tflite import INT16, compiled_like, dense_chain, moving, one
from tests.fixtures.tflite_builder import FLOAT32, TfliteModel
from wire.model.errors import ModelMalformedError

FILTER = np.zeros((8, 1, 1, 8), np.int8)
NEWEST = operators.published().newest_runtime


@pytest.fixture
def read(tmp_path):
    """Return what reads a model's bytes."""

    def reading(data):
        path = tmp_path / "model.tflite"
        path.write_bytes(data)
        return model.read(path)

    return reading


def verdicts(found, runtime=NEWEST):
    """Return what is expected of a model's operators."""
    return check.verdicts(found, operators.published(), runtime)


def test_the_published_list_names_only_rules_that_there_are():
    """Each limitation of the data can be checked; each rule is used; the source is told."""
    known = operators.published()

    named = {limit.rule for o in known.operators.values() for limit in o.limits}
    assert named == set(rules.RULES)
    assert known.source.startswith("https://coral.ai/")
    assert all((o.since or 0) <= known.newest_runtime for o in known.operators.values())


def test_an_int8_model_maps_wholly(read):
    """Fully connected layers in int8, biases in int32."""
    found = read(dense_chain(layers=3))

    assert [verdict.reason for verdict in check.check(found, operators.published(), NEWEST)] == [
        ""
    ] * 3
    assert found.weight_bytes == 3 * (64 * 64 + 64 * 4)


def test_a_float_model_is_refused_with_what_quantises_it(read):
    """Nothing in it is of eight bits."""
    with pytest.raises(NotInt8Error, match=r"float32.*ai-edge-quantizer") as error:
        check.check(read(one("RELU", (1, 4), (1, 4), dtype=FLOAT32)), operators.published(), NEWEST)

    assert error.value.exit_code == 3


def test_what_is_behind_an_operator_of_the_cpu_stays_there(read):
    """The compiler makes one piece: it may begin late, but it ends at what it cannot map."""
    model = TfliteModel()
    places = {name: moving(model, name, (1, 8)) for name in "qabcd"}
    places["x"] = moving(model, "x", (1, 8), FLOAT32)
    for kind, read_by, written in (
        ("QUANTIZE", "x", "q"),
        ("RELU", "q", "a"),
        ("FLOOR", "a", "b"),
        ("TANH", "b", "c"),
        ("LOGISTIC", "a", "d"),
    ):
        model.operator(kind, [places[read_by]], [places[written]])
    model.graph.inputs, model.graph.outputs = [places["x"]], [places["c"], places["d"]]
    found = verdicts(read(model.data()))

    assert [(verdict.kind, verdict.mapped) for verdict in found] == [
        ("QUANTIZE", False),
        ("RELU", True),
        ("FLOOR", False),
        ("TANH", False),
        ("LOGISTIC", True),
    ]
    assert found[0].reason == "works on float32 (only int8 and uint8)"
    assert found[2].reason == "is not among the supported operators"
    assert found[3].reason == check.BEHIND
    assert [(row.kind, row.count) for row in check.by_kind(found)][-2:] == [
        ("RELU", 1),
        ("LOGISTIC", 1),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (one("SOFTMAX", (1, 4, 8), (1, 4, 8)), "takes more than one dimension"),
        (one("SOFTMAX", (1, 16_001), (1, 16_001)), "takes more than 16000 elements"),
        (one("MEAN", (1, 4, 4, 8), (4, 4, 8), [0]), "reduces along the batch"),
        (
            one("MEAN", (1, 4, 4, 6), (1, 4, 4), [-1]),
            "reduces a number of channels that is no multiple of 4",
        ),
        (one("PAD", (1, 4, 8), (3, 4, 8), [[1, 1], [0, 0], [0, 0]]), "pads the batch"),
        (one("STRIDED_SLICE", (1, 8), (1, 4), [0, 0], [1, 8], [1, 2]), "has a stride other than 1"),
        (
            one("MAX_POOL_2D", (1, 4, 4, 8), (1, 2, 2, 8), options="Pool2D",
                fusedActivationFunction=1),
            "has a fused activation",
        ),
        (
            one("CONV_2D", (1, 4, 4, 8), (1, 4, 4, 8), FILTER, options="Conv2D", dilationWFactor=2),
            "is dilated by other numbers in x than in y",
        ),
        (one("PACK", (4, 8), (1, 4, 8), options="Pack", axis=0, valuesCount=1),
         "packs along the batch"),
        (one("RELU", (2, 4, 4, 8), (2, 4, 4, 8)),
         "works on more than 3 dimensions above 1, such as a batch"),
        (one("GELU", (1, 8), (1, 8)), "is not among the supported operators"),
        (one("RELU", (1, 8), (1, 8), dtype=INT16), "works on int16 (only int8 and uint8)"),
    ],
)  # fmt: skip
def test_published_limitations_are_found(read, data, reason):
    """Each says what the operator does that the Edge TPU does not."""
    assert verdicts(read(data))[0].reason == reason


@pytest.mark.parametrize(
    "data",
    [
        one("SOFTMAX", (1, 1, 1000), (1, 1, 1000)),
        one("MEAN", (1, 4, 4, 6), (1, 6), [1, 2]),
        one("MEAN", (1, 4, 4, 8), (1, 4, 4), [3]),
        one("PAD", (1, 4, 8), (1, 6, 8), [[0, 0], [1, 1], [0, 0]]),
        one("STRIDED_SLICE", (1, 8), (1, 4), [0, 0], [1, 4], [1, 1]),
        one("CONV_2D", (1, 4, 4, 8), (1, 4, 4, 8), FILTER, options="Conv2D", dilationWFactor=2,
            dilationHFactor=2),
        one("RESHAPE", (1, 8), (1, 2, 4), [1, 2, 4]),
    ],
)  # fmt: skip
def test_what_keeps_to_them_maps(read, data):
    """The same operators within their limitations."""
    assert verdicts(read(data))[0].reason == ""


def test_older_runtimes_have_fewer_operators_and_stricter_rules(read):
    """``--min-runtime`` decides."""
    transpose = read(one("TRANSPOSE", (1, 2, 4), (1, 4, 2), [0, 2, 1]))
    mean = read(one("MEAN", (1, 4, 4, 8), (1, 4, 4), [3]))

    assert "needs Edge TPU runtime 14" in verdicts(transpose, 13)[0].reason
    assert verdicts(mean, 12)[0].reason == "reduces along the channels"


def test_what_only_the_compiler_can_judge_is_a_caution(read):
    """A reshape maps, but not any."""
    found = verdicts(read(one("RESHAPE", (1, 8), (1, 2, 4), [1, 2, 4])))

    assert check.cautions(found)[0].startswith("RESHAPE: ")


def test_a_compiled_model_is_recognised(read):
    """It cannot be cut, and the error says what can."""
    made = read(compiled_like(dense_chain()))

    assert made.compiled
    with pytest.raises(NotCuttableError, match="edgetpu-custom-op"):
        check.check(made, operators.published(), NEWEST)


def test_an_int8_model_of_which_nothing_maps_is_refused(read):
    """With its first operator's reason."""
    with pytest.raises(NothingMapsError, match="GELU: is not among"):
        check.check(read(one("GELU", (1, 8), (1, 8))), operators.published(), NEWEST)


@pytest.mark.parametrize("data", [b"", b"????TFL2", b"\x20\0\0\0TFL3" + b"\xff" * 60])
def test_what_is_no_tflite_model_is_said_as_that(read, data):
    """A foreign file, or a damaged one."""
    with pytest.raises(ModelMalformedError):
        read(data)
