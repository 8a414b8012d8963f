"""Names and sizes of what travels."""

from fleet.compose.contract import Contract, Transpose
from fleet.compose.joints import Joint, named, sized, unified


def contract(name, stage, shape=(1, 2), format_="onnx"):
    """Return a contract of floats."""
    return Contract(stage=stage, format=format_, name=name, dtype=1, shape=shape)


def joint(made, wanted, *, host="reader", steps=()):
    """Return a joint."""
    return Joint(made=made, wanted=wanted, by="name", steps=steps, host=host)


def names(joints, outputs, inside):
    """Return the names that are found."""
    return [one.name for one in named(joints, outputs, inside)]


def test_a_tensor_keeps_the_name_of_the_side_that_stays_as_it_is():
    """The host's own is renamed."""
    reader_hosts = joint(contract("y", 0), contract("x", 1))
    maker_hosts = joint(contract("y", 0), contract("x", 1), host="maker")

    assert names([reader_hosts], ["z"], [{"y"}, {"x", "z"}]) == ["y"]
    assert names([maker_hosts], ["z"], [{"y"}, {"x", "z"}]) == ["x"]


def test_a_name_that_is_taken_is_changed():
    """By an output of the pipeline, or by another tensor inside a stage on either side."""
    made = joint(contract("y", 0), contract("x", 1))

    assert names([made], ["y"], [{"y"}, {"x"}]) == ["x"]
    assert names([made], ["z"], [{"y"}, {"x", "y", "z"}]) == ["x"]
    assert names([made], ["z"], [{"y", "x"}, {"x", "y", "z"}]) == ["y.1"]
    assert names([made], ["z"], [{"y", "x", "y.1"}, {"x", "y", "z"}]) == ["y.2"]


def test_whoever_takes_the_same_takes_one_tensor():
    """It travels once; with an adapter for one reader it is another tensor."""
    made, moved = contract("y", 0), (Transpose((0, 1)),)
    readers = [joint(made, contract("a", 1)), joint(made, contract("b", 2))]
    adapted = joint(made, contract("c", 2, format_="tflite"), host="maker", steps=moved)

    assert names([*readers, adapted], [], [{"y"}, {"a"}, {"b", "c"}]) == ["y", "y", "c"]


def test_the_pipelines_inputs_keep_their_names():
    """A client feeds them by these."""
    passed = joint(contract("x", -1), contract("mask", 1))

    assert names([passed], ["y"], [{"x"}, {"mask", "y"}]) == ["x"]


def test_dimensions_that_meet_have_one_name():
    """That of the first stage; where it means another there, it gets a new one."""
    made, wanted = contract("y", 0, ("N", 4)), contract("x", 1, ("B", 4))
    other = contract("z", 1, ("N", "B"))

    sizes = unified([joint(made, wanted)], [made, wanted, other])

    assert sized(made, 0, sizes) == ("N", 4)
    assert sized(wanted, 1, sizes) == ("N", 4)
    assert sized(other, 1, sizes) == ("N.1", "N")


def test_a_size_that_one_stage_fixes_is_fixed_before_it_too():
    """Else a client could send what no later stage takes."""
    first = joint(contract("y", 0, ("N", 4)), contract("x", 1, ("B", 4)))
    second = joint(contract("z", 1, ("B", 4)), contract("x", 2, (1, 4)))
    contracts = [contract("in", 0, ("N", 7)), contract("z", 1, ("B", 4))]

    sizes = unified([first, second], contracts)

    assert [sized(one, one.stage, sizes) for one in contracts] == [(1, 7), (1, 4)]


def test_moved_dimensions_meet_where_they_went():
    """The adapter's order counts."""
    moved = (Transpose((0, 2, 1)),)
    made, wanted = contract("y", 0, (1, "C", "T")), contract("x", 1, (1, "time", "channels"))

    sizes = unified([joint(made, wanted, steps=moved)], [made, wanted])

    assert sized(wanted, 1, sizes) == (1, "T", "C")
