"""What the checks say of a split that is right, and of a model that is refused."""

from onnx import TensorProto, helper, save


def chain(path, operators):
    """Write a row of Relu operators."""
    nodes = [helper.make_node("Relu", [f"x{i}"], [f"x{i + 1}"]) for i in range(operators)]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4])
        for name in ("x0", f"x{operators}")
    ]
    graph = helper.make_graph(nodes, "made", values[:1], values[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_right_split_holds(tmp_path):
    """Its line tells what crosses the cuts, and that every bit is equal."""
    from split_check import Case, check

    row = check(Case(model=chain(tmp_path / "net.onnx", 3), dims={"batch": 2}), 3, None)

    assert (row.holds, row.result, row.cut_bytes) == (True, "bit-equal", [32, 32])


def test_a_refusal_holds_only_where_it_may(tmp_path):
    """A refusal by name fails for a model that should split, and names its code in both cases."""
    from split_check import Case, check

    path = chain(tmp_path / "net.onnx", 2)
    rows = [check(Case(model=path, may_refuse=may), 5, None) for may in (False, True)]

    assert [row.holds for row in rows] == [False, True]
    assert all(row.result.startswith("infeasible cut.impossible: ") for row in rows)


def test_a_model_that_cannot_be_read_is_no_good_refusal(tmp_path):
    """Only exit codes that stand for a named refusal count as one."""
    from split_check import Case, check

    row = check(
        Case(model=tmp_path / "missing.onnx", dims={"not a size": -1}, may_refuse=True), 2, None
    )

    assert not row.holds
