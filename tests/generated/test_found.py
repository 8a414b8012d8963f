"""Small models, each of which the random graphs once showed to be cut wrongly or not at all."""

import onnx
import pytest

from fleet.errors import NoCutError
from fleet.formats import CutRequest
from fleet.split import split
from tests.generated.graphs import Generated
from tests.generated.judge import judged

HEAD = '<ir_version: 10, opset_import: ["" : 17, "own" : 1, "com.microsoft" : 1]>\n'
PARTS = ", ".join(f"p{place}" for place in range(140))
ONES = ", ".join(["1"] * 140)

FOUND = {
    "a function's attribute has a value of its own, which calls leave out": (
        1,
        """g (float[2,2] x) => (float[2,2] y) { y = own.F (x) }
        <domain: "own", opset_import: ["" : 17]>
        F <slope: float = 0.125> (p) => (q) { q = LeakyRelu <alpha: float = @slope> (p) }""",
    ),
    "an overload calls its namesake, whose attribute has a value of its own": (
        1,
        """g (float[3] x) => (float[3] y) { y = own.F:two (x) }
        <domain: "own", opset_import: ["" : 17]>
        F <slope: float = 0.5> (p) => (q) { q = LeakyRelu <alpha: float = @slope> (p) }
        <domain: "own", overload: "two", opset_import: ["" : 17, "own" : 1]>
        F (p) => (q) { q = own.F (p) }""",
    ),
    "an operator without a reader reads what is computed from weights": (
        1,
        """g (float[2,2] x) => (float[2,2] y) <float[2,2] w = {1, 2, 3, 4}> {
            v = Neg (w)
            u = Abs (v)
            y = Add (x, u)
            dead = Add (x, v)
        }""",
    ),
    "a factor is computed from weights": (
        1,
        """g (float[N,4] x) => (float[N,4] y) <float[4,4] w = {0.1, 0.2, 0.3, 0.4, 0.7, 0.9, 1.1,
            1.3, 0.6, 0.35, 0.15, 0.55, 0.45, 0.65, 0.85, 0.95}> {
            v = Neg (w)
            y = MatMul (x, v)
        }""",
    ),
    "halves are computed from halves": (
        1,
        """g (float16[99,4] x) => (float16[99,4] y) <float16[4] w = {13171, 45426, 46893, 46990}> {
            v = Mul (w, w)
            y = Mean (x, v)
        }""",
    ),
    "a half that is computed from a half is a factor of each element": (
        1,
        """g (float16[99] x) => (float16[99] y) <float16 w = {45347}> {
            v = Mul (w, w)
            y = Mul (x, v)
        }""",
    ),
    "a tensor that does not travel is of a type that only a run tells": (
        1,
        """g (float[2,3] x) => (float[2,3] y) <int64 n = {2}, float[3,3] w = {1, 2, 3, 4, 5, 6, 7,
            8, 9}> {
            a = Loop (n, "", x) <body = b (int64 i, bool c, float[2,3] s) => (bool d, float[2,3] t)
                { d = Identity (c)
                  t = Sin (s) }>
            text = Cast <to = 8> (a)
            y = Cast <to = 1> (text)
        }""",
    ),
    "a sequence is of a type that only a run tells": (
        1,
        """g (float[2,3] x) => (float[2,1] y) <int64 zero = {0}> {
            a = com.microsoft.QuickGelu (x)
            s = SplitToSequence <axis = 1, keepdims = 1> (a)
            y = SequenceAt (s, zero)
        }""",
    ),
    "a tensor that may be missing": (
        1,
        """g (float[2,3] x) => (float[2,3] y) {
            o = Optional (x)
            y = OptionalGetElement (o)
        }""",
    ),
    "the sizes of many parts are a weight of more than 1 KiB": (
        1,
        f"""g (float[1,140] x) => (float[1,140] y) <int64[140] sizes = {{{ONES}}}> {{
            {PARTS} = Split <axis = 1> (x, sizes)
            y = Concat <axis = 1> ({PARTS})
        }}""",
    ),
    "what does not travel is read again by an operator that is listed last": (
        2,
        """g (double[3] x) => (double[3] y, float[3] z) {
            a = Cast <to = 16> (x)
            b = Cast <to = 11> (a)
            y = Neg (b)
            z = Cast <to = 1> (a)
        }""",
    ),
    "everything is computed from weights": (
        1,
        "g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Neg (w) }",
    ),
    "an operator's work is not known": (
        2,
        """g (float[2,3] x) => (float[2,3] y) <int64 n = {2}> {
            a = Neg (x)
            y = Loop (n, "", a) <body = b (int64 i, bool c, float[2,3] s) => (bool d, float[2,3] t)
                { d = Identity (c)
                  t = Add (s, a) }>
        }""",
    ),
}
"""By what is special: into how many segments the model can be cut, and the model."""


@pytest.mark.parametrize("case", FOUND)
def test_a_model_that_was_found_is_cut_and_stays_what_it_is(in_process, tmp_path, case):
    """Into as many segments as there can be, or into one."""
    stages, text = FOUND[case]
    model = onnx.parser.parse_model(HEAD + text)

    assert judged(Generated(model, False, stages, {"N": 1}), tmp_path) == "cut"


@pytest.mark.parametrize("stages", [1, 2])
def test_a_model_that_computes_nothing_is_refused(in_process, tmp_path, stages):
    """There is nothing for a device to do, and the error says so."""
    model = onnx.parser.parse_model(HEAD + "g (float[2] x) => (float[2] x) {}")
    onnx.save(model, tmp_path / "m.onnx")

    with pytest.raises(NoCutError, match="run no pipeline"):
        split(tmp_path / "m.onnx", tmp_path / "out", CutRequest(stages=stages))
