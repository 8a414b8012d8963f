import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx import helper as h

from wire.model.errors import (
    ExternalDataError,
    ModelError,
    ModelMalformedError,
    ModelTooLargeError,
    OperatorRefusedError,
)
from wire.model.scan import Limits, Policy, Reference, scan

X = h.make_tensor_value_info("x", T.FLOAT, [4])
Y = h.make_tensor_value_info("y", T.FLOAT, [4])
ADD = h.make_node("Add", ["x", "w"], ["y"], name="add")


def graph(nodes, initializers=(), name="g"):
    """Return a graph from x to y."""
    return h.make_graph(list(nodes), name, [X], [Y], list(initializers))


def model(nodes, initializers=(), functions=()):
    """Return a model from x to y."""
    imports = [h.make_opsetid("", 17)]
    return h.make_model(graph(nodes, initializers), opset_imports=imports, functions=functions)


def weight(location="weights.bin", offset="0", length="16", name="w"):
    """Return a tensor of four floats in another file."""
    tensor = T(name=name, data_type=T.FLOAT, dims=[4], data_location=T.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    return tensor


def sparse(values):
    """Return a sparse tensor with these values."""
    made = onnx.SparseTensorProto(dims=[4])
    made.values.CopyFrom(values)
    made.indices.CopyFrom(h.make_tensor("i", T.INT64, [4], [0, 1, 2, 3]))
    return made


def scanned(made, policy=Policy.SEGMENT, **more):
    """Scan a model that onnx wrote."""
    return scan(made.SerializeToString(), source="m.onnx", policy=policy, **more)


def in_initializer(tensor):
    """Put the tensor into an initializer."""
    return model([ADD], [tensor])


def in_attribute(tensor):
    """Put the tensor into the tensor of an attribute."""
    return model([h.make_node("Constant", [], ["w"], value=tensor), ADD])


def in_attribute_list(tensor):
    """Put the tensor into an attribute's list of tensors."""
    node = h.make_node("Constant", [], ["w"])
    node.attribute.append(onnx.AttributeProto(name="all", type=T.FLOAT, tensors=[tensor]))
    return model([node, ADD])


def in_sparse_attribute(tensor):
    """Put the tensor into the sparse tensor of an attribute."""
    return model([h.make_node("Constant", [], ["w"], sparse_value=sparse(tensor)), ADD])


def in_sparse_attribute_list(tensor):
    """Put the tensor into an attribute's list of sparse tensors."""
    node = h.make_node("Constant", [], ["w"])
    node.attribute.append(onnx.AttributeProto(name="all", sparse_tensors=[sparse(tensor)]))
    return model([node, ADD])


def in_sparse_initializer(tensor):
    """Put the tensor into a sparse initializer's values."""
    made = model([ADD])
    made.graph.sparse_initializer.append(sparse(tensor))
    return made


def in_sparse_indices(tensor):
    """Put the tensor into a sparse initializer's indices."""
    made = in_sparse_initializer(h.make_tensor("v", T.FLOAT, [4], [1, 2, 3, 4]))
    made.graph.sparse_initializer[0].indices.CopyFrom(tensor)
    return made


def in_subgraph(tensor):
    """Put the tensor into a graph that is an attribute."""
    inner = graph([ADD], [tensor], "then")
    return model([h.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)])


def in_subgraph_list(tensor):
    """Put the tensor into an attribute's list of graphs."""
    node = h.make_node("If", ["c"], ["y"])
    node.attribute.append(onnx.AttributeProto(name="all", graphs=[graph([ADD], [tensor])]))
    return model([node])


def in_subgraph_of_subgraph(tensor):
    """Put the tensor into a graph in a graph."""
    middle = graph([in_subgraph(tensor).graph.node[0]], name="middle")
    return model([h.make_node("If", ["c"], ["y"], then_branch=middle)])


def in_function(tensor):
    """Put the tensor into a function's node."""
    inner = [h.make_node("Constant", [], ["w"], value=tensor), ADD]
    body = h.make_function("own", "F", ["x"], ["y"], inner, [h.make_opsetid("", 17)])
    return model([h.make_node("F", ["x"], ["y"], domain="own")], functions=[body])


def in_function_default(tensor):
    """Put the tensor into the default of a function's attribute."""
    made = in_function(h.make_tensor("w", T.FLOAT, [4], [1, 2, 3, 4]))
    made.functions[0].attribute_proto.append(onnx.AttributeProto(name="d", t=tensor))
    return made


def in_training(tensor):
    """Put the tensor into a training graph."""
    made = in_initializer(h.make_tensor("w", T.FLOAT, [4], [1, 2, 3, 4]))
    made.training_info.add().algorithm.CopyFrom(graph([ADD], [tensor], "train"))
    return made


POSITIONS = [
    in_initializer,
    in_attribute,
    in_attribute_list,
    in_sparse_attribute,
    in_sparse_attribute_list,
    in_sparse_initializer,
    in_sparse_indices,
    in_subgraph,
    in_subgraph_list,
    in_subgraph_of_subgraph,
    in_function,
    in_function_default,
    in_training,
]
AWAY = ["../outside/marker.bin", "/outside/marker.bin", "link/marker.bin", "hard.bin"]


@pytest.mark.parametrize("location", AWAY)
@pytest.mark.parametrize("position", POSITIONS)
def test_a_segment_refers_to_nothing_but_its_weights(position, location):
    """Wherever a tensor can stand, its elements come from weights.bin or not at all."""
    with pytest.raises(ExternalDataError, match=r"^m\.onnx: .*tensor 'w': .*is not 'weights\.bin'"):
        scanned(position(weight(location)), weights_bytes=64)


@pytest.mark.parametrize("position", POSITIONS)
def test_a_segment_may_refer_to_its_weights(position):
    """The same positions pass when the range is inside weights.bin; none is overlooked."""
    references = scanned(position(weight(offset="48")), weights_bytes=64).references

    assert {(r.location, r.offset_bytes, r.size_bytes) for r in references} == {
        ("weights.bin", 48, 16)
    }


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(("offset", "size"), [("49", 64), ("0", 15), ("0", None)])
def test_a_range_outside_the_weights_is_refused(position, offset, size):
    """The real size of weights.bin bounds every reference."""
    with pytest.raises(ExternalDataError, match=r"are outside weights\.bin"):
        scanned(position(weight(offset=offset)), weights_bytes=size)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("location", AWAY[:2])
def test_a_source_model_stays_in_its_folder(position, location):
    """Models from outside cannot name a file elsewhere in any position."""
    with pytest.raises(ExternalDataError, match="external location"):
        scanned(position(weight(location)), Policy.SOURCE)


def test_a_source_models_files_are_returned():
    """The caller learns which files to check and how long they must be."""
    tensors = [weight("a.bin", "32", name="w"), weight("a.bin", "0", name="v"), weight("sub/b")]
    found = scanned(model([ADD], tensors), Policy.SOURCE)

    assert found.references[0] == Reference("a.bin", 32, 16, "tensor 'w'")
    assert found.needed_bytes == {"a.bin": 48, "sub/b": 16}


def test_many_tensors_cannot_share_a_few_bytes():
    """A thousand references to one range would be a thousand times the memory."""
    tensors = [weight(name=f"w{i}") for i in range(1000)]

    with pytest.raises(ModelTooLargeError, match=r"tensors of 16000 bytes are said to be in"):
        scanned(model([ADD], tensors), weights_bytes=64)


def test_elements_are_in_one_place():
    """A tensor that is both inside and outside is whatever its reader likes."""
    tensor = weight()
    tensor.raw_data = bytes(16)

    with pytest.raises(ModelMalformedError, match="in this file and in another one"):
        scanned(model([ADD], [tensor]), weights_bytes=64)


def test_what_a_model_consists_of():
    """A model that passes is described."""
    found = scanned(model([ADD], [h.make_tensor("w", T.FLOAT, [4], [1, 2, 3, 4])]))

    assert (found.operators, found.weight_bytes, found.references) == (1, 16, ())
    assert (found.inputs, found.outputs) == (("x",), ("y",))
    assert (found.domains, dict(found.opsets)) == ({""}, {"": 17})


def test_a_foreign_domain_is_refused_by_name():
    """The error names the node, the domain and what is allowed."""
    with pytest.raises(OperatorRefusedError) as caught:
        scanned(model([h.make_node("Crypt", ["x"], ["y"], name="c1", domain="evil.ops")]))

    assert str(caught.value).startswith(
        "m.onnx: node 'c1' (Crypt): operator domain 'evil.ops' is not allowed"
        " (allowed: ai.onnx, com.microsoft);"
    )
    assert (caught.value.code, caught.value.exit_code) == ("model.operator_refused", 3)


@pytest.mark.parametrize("domain", ["", "ai.onnx", "com.microsoft"])
def test_domains_of_the_runtimes_are_allowed(domain):
    """What is in these domains, the runtime knows."""
    scanned(model([h.make_node("Whatever", ["x"], ["y"], domain=domain)]))


def test_allowed_domains_can_be_chosen():
    """A caller may allow more, or only ONNX's own."""
    made = model([h.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml")])

    assert scanned(made, domains={"ai.onnx.ml"}).domains == {"ai.onnx.ml"}
    with pytest.raises(OperatorRefusedError, match=r"allowed: ai\.onnx\)"):
        scanned(made, domains={"ai.onnx"})


@pytest.mark.parametrize("name", ["EPContext", "PythonOp"])
def test_operators_that_run_foreign_code_are_refused(name):
    """An allowed domain does not open the door to compiled engines and scripts."""
    with pytest.raises(OperatorRefusedError, match="runs code from outside the model"):
        scanned(model([h.make_node(name, ["x"], ["y"], domain="com.microsoft")]))


def function(name, nodes):
    """Return a function of the model's own domain."""
    return h.make_function("own", name, ["x"], ["y"], nodes, [h.make_opsetid("", 17)])


def call(name, domain="own"):
    """Return a call of such a function."""
    return h.make_node(name, ["x"], ["y"], domain=domain)


def test_a_models_own_functions_are_allowed():
    """A domain whose operators the model defines itself is no foreign code."""
    made = model([call("F")], functions=[function("F", [h.make_node("Relu", ["x"], ["y"])])])

    assert scanned(made).domains == {"", "own"}


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (model([call("G")], functions=[function("F", [])]), "has no function of this name"),
        (model([call("F")], functions=[function("F", [call("E", "evil")])]), "'evil' is not"),
    ],
)
def test_functions_do_not_hide_foreign_operators(made, problem):
    """Neither what a function calls nor what it does not define comes in with it."""
    with pytest.raises(OperatorRefusedError, match=problem):
        scanned(made)


def test_functions_are_defined_once():
    """Of two definitions runtimes take either."""
    made = model([call("F")], functions=[function("F", []), function("F", [])])

    with pytest.raises(ModelMalformedError, match=r"function 'own\.F': is defined twice"):
        scanned(made)


def test_functions_cannot_multiply():
    """Functions that double one another 40 times are a bomb of 10**12 nodes."""
    chain = [function(f"F{i}", [call(f"F{i + 1}")] * 2) for i in range(40)]
    last = function("F40", [h.make_node("Relu", ["x"], ["y"])])

    with pytest.raises(ModelTooLargeError, match="nodes with functions written out"):
        scanned(model([call("F0")], functions=[*chain, last]))


@pytest.mark.parametrize(
    ("functions", "problem"),
    [
        ([function("F0", [call("F0")])], "calls itself"),
        ([function("F0", [call("F1")]), function("F1", [call("F0")])], "calls itself"),
        (
            [*(function(f"F{i}", [call(f"F{i + 1}")]) for i in range(99)), function("F99", [])],
            "more than 64 levels deep",
        ),
    ],
)
def test_functions_end(functions, problem):
    """Calls without end, or almost, are refused before a runtime follows them."""
    with pytest.raises(ModelTooLargeError, match=problem):
        scanned(model([call("F0")], functions=functions))


def nested(depth):
    """Return a model of ``depth`` graphs, one in the other."""
    inner = graph([ADD])
    for _ in range(depth - 1):
        inner = graph([h.make_node("If", ["c"], ["y"], then_branch=inner)])
    return h.make_model(inner)


def test_deep_nesting_is_refused():
    """Graphs nest to a limit that can be chosen."""
    assert scanned(nested(16)).operators == 16
    with pytest.raises(ModelTooLargeError, match="graphs nest deeper than 16"):
        scanned(nested(17))
    with pytest.raises(ModelTooLargeError, match="graphs nest deeper than 2"):
        scanned(nested(3), limits=Limits(max_graph_depth=2))


@pytest.mark.parametrize(
    ("limits", "problem"),
    [(Limits(max_nodes=1), "more than 1 nodes"), (Limits(max_fields=9), "more fields than")],
)
def test_nodes_and_fields_are_bounded(limits, problem):
    """A file of a billion tiny parts is refused, not read."""
    with pytest.raises(ModelError, match=problem):
        scanned(nested(2), limits=limits)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (b"\x08\x07", "there is no graph"),
        (b"PK\x03\x04 no model at all", "m.onnx: "),
        (b"\x00\x00\x00\x00TFL3" + bytes(9), "marked as TFLite"),
        (b"\x12\x06\x00\x00ORTM" + b"\x3a\x00", "marked as onnxruntime's own format"),
        (b"\x3a\x00\x3a\x00", "field 7 stands twice"),
        (b"\x3a\x00\x98\x06\x01", "unknown field 99"),
    ],
)
def test_what_is_no_onnx_model_is_malformed(data, problem):
    """Empty, other and ambiguous files are refused with the file's name."""
    with pytest.raises(ModelMalformedError, match=problem) as caught:
        scan(data, source="m.onnx", policy=Policy.SEGMENT)

    assert (caught.value.code, caught.value.exit_code) == ("model.malformed", 3)


def test_newer_files_are_taken_from_outside_only():
    """What a segment holds is known exactly; a model from outside may be newer than we are."""
    data = model([ADD]).SerializeToString() + b"\x98\x06\x01"

    assert scan(data, source="m.onnx", policy=Policy.SOURCE).operators == 1


@pytest.mark.parametrize(
    ("tensor", "problem"),
    [
        (T(name="w", data_type=T.FLOAT, dims=[-1], raw_data=b""), "a dimension is negative"),
        (T(name="w", data_type=T.FLOAT, dims=[1 << 40]), "there are at most 0"),
        (T(name="w", data_type=T.FLOAT, dims=[2] * 64, raw_data=bytes(8)), "raw_data has 8"),
        (T(name="w", data_type=T.FLOAT, dims=[4], raw_data=bytes(15)), "needs 16 bytes"),
        (T(name="w", data_type=T.INT64, dims=[3], int64_data=[1, 2]), "needs 3 entries"),
        (T(name="w", data_type=T.FLOAT, dims=[3], float_data=[1, 2]), "needs 3 entries"),
        (T(name="w", data_type=T.STRING, dims=[3], string_data=[b"abc"]), "needs 3 entries"),
        (T(name="w", data_type=T.INT64, dims=[3], float_data=[1, 2, 3]), "needs 3 entries"),
        (T(name="w", dims=[1], raw_data=bytes(4)), "element type 0 is unknown"),
    ],
)
def test_shapes_must_be_backed_by_elements(tensor, problem):
    """A tensor that claims more than is there is refused by name."""
    with pytest.raises(ModelMalformedError, match=rf"tensor 'w': .*{problem}"):
        scanned(model([ADD], [tensor]))


ARRAYS = st.sampled_from(["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"])


@given(ARRAYS, st.lists(st.integers(0, 3), max_size=4), st.booleans())
def test_honest_tensors_pass(dtype, shape, raw):
    """Every type that numpy can make is counted as onnx stores it, raw or not."""
    array = np.ones(shape, dtype)
    tensor = onnx.numpy_helper.from_array(array, "w")
    if not raw:
        tensor = h.make_tensor("w", tensor.data_type, shape, array.flatten())

    assert scanned(model([ADD], [tensor])).weight_bytes == array.nbytes


def test_packed_types_are_counted_in_bits():
    """Five 4-bit numbers take three bytes."""
    tensor = h.make_tensor("w", T.INT4, [5], [1, 2, 3, 4, 5])

    assert scanned(model([ADD], [tensor])).weight_bytes == 3


def small_model():
    """Return a model that has one of nearly everything."""
    made = in_subgraph(weight())
    made.graph.sparse_initializer.append(sparse(h.make_tensor("v", T.FLOAT, [4], [1, 2, 3, 4])))
    made.graph.initializer.append(h.make_tensor("s", T.INT64, [2], [2, 2]))
    made.graph.node.append(h.make_node("ConstantOfShape", ["s"], ["z"]))
    made.graph.node.append(h.make_node("Constant", [], ["k"], value_ints=[1, 2]))
    made.graph.node.append(h.make_node("Expand", ["z", "k"], ["e"]))
    made.graph.node.append(call("F"))
    made.functions.append(function("F", [h.make_node("Relu", ["x"], ["y"])]))
    return made


SMALL = small_model().SerializeToString()


def answered(data, policy):
    """Scan ``data``; a refusal by the coded error is an answer too, anything else is not."""
    with contextlib.suppress(ModelError):
        scan(data, source="m.onnx", policy=policy, weights_bytes=64)
        return "taken"
    return "refused"


def test_every_truncation_is_answered():
    """Cut anywhere, the model scans or raises the coded error; most often the latter."""
    answers = [answered(SMALL[:size], Policy.SEGMENT) for size in range(len(SMALL) + 1)]

    assert answers[-1] == "taken"
    assert answers.count("refused") > 0.9 * len(SMALL)


def test_every_flipped_bit_is_answered():
    """One wrong bit anywhere never raises anything else."""
    answers = []
    for at in range(len(SMALL) * 8):
        data = bytearray(SMALL)
        data[at // 8] ^= 1 << at % 8
        answers.append(answered(data, Policy.SOURCE))

    assert set(answers) == {"taken", "refused"}


@given(
    st.lists(
        st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=2, max_size=6
    ),
    st.sampled_from(list(Policy)),
)
def test_many_wrong_bytes_are_answered(wrong, policy):
    """Nor do several wrong bytes."""
    data = bytearray(SMALL)
    for at, byte in wrong:
        data[at] = byte

    assert answered(data, policy) in {"taken", "refused"}


def test_the_file_may_be_a_read_only_view():
    """A mapped file is scanned where it lies."""
    assert (
        scan(
            memoryview(SMALL).toreadonly(), source="m.onnx", policy=Policy.SEGMENT, weights_bytes=64
        ).operators
        == 8
    )
