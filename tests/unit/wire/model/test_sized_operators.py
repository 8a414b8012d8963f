import pytest
from onnx import TensorProto as T
from onnx import helper as h

from wire.model.errors import ModelTooLargeError
from wire.model.scan import Limits, Policy, scan

LIMIT = 1 << 20
SMALL, LARGE = 512, 1025
"""Squares of them are 2**18 float32 elements, exactly the limit, and a little more."""


def ints(name, *values, data_type=T.INT64):
    """Return a constant of integers."""
    return h.make_tensor(name, data_type, [len(values)], values)


def floats(name, *values):
    """Return a constant of floats."""
    return h.make_tensor(name, T.FLOAT, [len(values)], values)


def model(nodes, initializers):
    """Return a model's bytes."""
    x = h.make_tensor_value_info("x", T.FLOAT, None)
    made = h.make_model(h.make_graph(nodes, "g", [x], [x], initializers))
    return made.SerializeToString()


def scanned(nodes, initializers=(), policy=Policy.SEGMENT, **more):
    """Scan a model with a limit of 1 MiB for one tensor."""
    data = model(nodes, initializers)
    limits = Limits(max_tensor_bytes=LIMIT)
    return scan(data, source="m.onnx", policy=policy, limits=limits, **more)


def node(op_type, *inputs, **attributes):
    """Return a node named n."""
    return h.make_node(op_type, list(inputs), ["y"], name="n", **attributes)


def ways(n):
    """Return one model for each operator whose output has about ``n * n`` float32 elements."""
    half, side = n * n // 2, n - 1
    return {
        "ConstantOfShape": (node("ConstantOfShape", "s"), [ints("s", n, n)]),
        "Expand": (node("Expand", "x", "s"), [ints("s", n, n)]),
        "Tile": (node("Tile", "x", "s"), [ints("s", n, n)]),
        "Tile of a constant": (node("Tile", "c", "s"), [floats("c", 1, 2), ints("s", half)]),
        "Range": (
            node("Range", "a", "b", "c"),
            [floats("a", 0), floats("b", n * n), floats("c", 1)],
        ),
        "Resize by sizes": (node("Resize", "x", "", "", "s"), [ints("s", 1, 1, n, n)]),
        "Resize by scales": (node("Resize", "x", "", "f"), [floats("f", n, n)]),
        "Resize of opset 10": (node("Resize", "x", "f"), [floats("f", n, n)]),
        "Upsample": (node("Upsample", "x", scales=[float(n), float(n)]), []),
        "Pad": (node("Pad", "x", "s"), [ints("s", side, 0, 0, side)]),
        "Pad of opset 2": (node("Pad", "x", pads=[0, side, side, 0]), []),
        "OneHot": (node("OneHot", "x", "d", "v"), [ints("d", n * n), floats("v", 0, 1)]),
        "RandomNormal": (node("RandomNormal", shape=[n, n]), []),
        "RandomUniform": (node("RandomUniform", shape=[n, n]), []),
        "HannWindow": (node("HannWindow", "s"), [ints("s", n * n, data_type=T.INT32)]),
    }


@pytest.mark.parametrize("way", ways(SMALL))
def test_what_fits_is_taken(way):
    """Up to the limit these operators are ordinary."""
    made, initializers = ways(SMALL)[way]

    assert scanned([made], initializers).operators == 1


@pytest.mark.parametrize("way", ways(LARGE))
def test_what_is_too_large_is_refused(way):
    """A size that is written in the file is refused before anybody allocates it."""
    made, initializers = ways(LARGE)[way]

    with pytest.raises(ModelTooLargeError, match=r"node 'n' .*makes a tensor of .* bytes"):
        scanned([made], initializers)


def test_the_bomb_is_refused():
    """195 bytes that took 6.3 GiB are refused with the default limits."""
    shape = ints("v", int(6.3 * 2**30 / 4))
    nodes = [
        h.make_node("Constant", [], ["s"], value=shape),
        h.make_node("ConstantOfShape", ["s"], ["c"], name="fill", value=floats("w", 1)),
        h.make_node("ReduceSum", ["c"], ["r"], keepdims=0),
        h.make_node("Add", ["x", "r"], ["y"]),
    ]

    with pytest.raises(ModelTooLargeError) as caught:
        scan(model(nodes, []), source="bomb.onnx", policy=Policy.SOURCE)

    assert str(caught.value) == (
        "bomb.onnx: node 'fill' (ConstantOfShape): makes a tensor of 6.76e+09 bytes"
        " (at most 2147483648); correct the size in the model"
    )
    assert (caught.value.code, caught.value.exit_code) == ("model.too_large", 3)


@pytest.mark.parametrize(
    "shape",
    [
        [h.make_node("Constant", [], ["s"], value=ints("v", LARGE, LARGE))],
        [h.make_node("Constant", [], ["s"], value_ints=[LARGE, LARGE])],
        [h.make_node("Constant", [], ["s"], value_int=LARGE * LARGE)],
        [
            h.make_node("Constant", [], ["a"], value_floats=[float(LARGE)] * 2),
            h.make_node("Cast", ["a"], ["s"], to=T.INT64),
        ],
        [
            h.make_node("Constant", [], ["a"], value_ints=[LARGE]),
            h.make_node("Identity", ["a"], ["b"]),
            h.make_node("Concat", ["b", "a"], ["s"], axis=0),
        ],
    ],
)
def test_sizes_are_found_where_they_are_written(shape):
    """Constant nodes in every spelling, and what only hands numbers on, are followed."""
    with pytest.raises(ModelTooLargeError, match="ConstantOfShape"):
        scanned([*shape, node("ConstantOfShape", "s")])


def test_inner_graphs_see_outer_constants():
    """A shape in the outer graph and its use in an inner one are put together."""
    inner = h.make_graph([node("ConstantOfShape", "s")], "then", [], [])

    with pytest.raises(ModelTooLargeError, match=r"then_branch.* > node 'n'"):
        scanned([h.make_node("If", ["x"], ["z"], then_branch=inner)], [ints("s", LARGE, LARGE)])


def test_many_small_constants_are_one_bomb():
    """What is made while loading is also counted together."""
    nodes = [h.make_node("ConstantOfShape", ["s"], [f"y{i}"]) for i in range(2)]
    shape = [ints("s", 400, 400)]

    scanned(nodes[:1], shape)
    with pytest.raises(ModelTooLargeError, match=r"makes constants of 1\.28e\+06 bytes together"):
        scanned(nodes, shape)


def test_what_depends_on_the_input_is_not_counted_together():
    """Activations come and go; only each of them is bounded."""
    nodes = [h.make_node("Expand", ["x", "s"], [f"y{i}"]) for i in range(9)]

    assert scanned(nodes, [ints("s", 400, 400)]).operators == 9


def test_a_sparse_tensor_counts_as_dense():
    """One value may claim a tensor of terabytes, which runtimes make dense."""
    data = h.make_sparse_tensor(floats("v", 1), ints("i", 0), [1 << 40])
    made = node("Constant", sparse_value=data)

    with pytest.raises(ModelTooLargeError, match="makes a tensor of"):
        scanned([made])


def test_a_size_in_another_file_is_refused_in_a_segment():
    """Our splitter keeps small tensors in the model; a size elsewhere hides from the scan."""
    shape = T(name="s", data_type=T.INT64, dims=[2], data_location=T.EXTERNAL)
    shape.external_data.add(key="location", value="weights.bin")
    made = [node("ConstantOfShape", "s")]

    scanned(made, [shape], Policy.SOURCE)
    with pytest.raises(ModelTooLargeError, match="its size is in another file"):
        scanned(made, [shape], weights_bytes=64)


@pytest.mark.parametrize(
    "made",
    [
        (node("ConstantOfShape", "s"), [ints("s", LARGE, LARGE, 0)]),
        (node("ConstantOfShape", "s"), [ints("s")]),
        (node("Expand", "x", "s"), [ints("s", -1, LARGE, LARGE)]),
        (node("Range", "a", "b", "c"), [floats("a", 0), floats("b", 9), floats("c", 0)]),
        (node("Range", "a", "b", "c"), [floats("a", 9), floats("b", 0), floats("c", 1)]),
        (node("Resize", "x", "", "f"), [floats("f", float("nan"))]),
        (node("Tile", "x"), []),
        (node("Reshape"), []),
    ],
)
def test_what_makes_nothing_is_left_to_the_runtime(made):
    """Empty, negative and missing sizes allocate nothing; the runtime answers for them."""
    assert scanned([made[0]], made[1]).operators == 1


@pytest.mark.parametrize("size", [1 << 62, (1 << 63) - 1])
@pytest.mark.parametrize("rank", [1, 2, 60])
def test_products_do_not_overflow(size, rank):
    """However large the numbers and many the dimensions, the answer is a refusal."""
    with pytest.raises(ModelTooLargeError, match="makes a tensor of"):
        scanned([node("ConstantOfShape", "s")], [ints("s", *[size] * rank)])


def test_infinite_scales_are_too_large():
    """Infinity is a size too."""
    with pytest.raises(ModelTooLargeError, match="makes a tensor of"):
        scanned([node("Resize", "x", "", "f")], [floats("f", float("inf"))])


def test_numbers_are_narrowed_as_runtimes_do():
    """A varint that is negative here and huge once cut to 32 bits does not slip through."""
    depth = T(name="d", data_type=T.INT32, dims=[1])
    data = bytearray(model([node("OneHot", "x", "d", "v")], [floats("v", 0, 1), depth]))
    packed = (-(1 << 33) + (1 << 31) - 1) % (1 << 64)
    varint = bytes([*(packed >> 7 * i & 0x7F | 0x80 for i in range(9)), packed >> 63])
    depth_bytes = depth.SerializeToString() + b"\x2a" + bytes([len(varint)]) + varint
    old = b"\x2a" + bytes([depth.ByteSize()]) + depth.SerializeToString()
    new = b"\x2a" + bytes([len(depth_bytes)]) + depth_bytes
    at = data.index(old)
    grown = len(new) - len(old)
    graph_at = data.index(b"\x3a") + 1
    data[at : at + len(old)] = new
    data[graph_at] += grown

    with pytest.raises(ModelTooLargeError, match="OneHot"):
        scan(bytes(data), source="m.onnx", policy=Policy.SOURCE)
