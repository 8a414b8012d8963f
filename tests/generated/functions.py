"""Functions of the model's own: called several times, nested, with attributes, or by nobody."""

from onnx import AttributeProto, FunctionProto, helper

from tests.generated.arithmetic import smooth
from tests.generated.building import Build, F, Tensor, tensor_type
from tests.generated.single_nodes import UnfitError

DOMAINS = ("own", "pkg.onnxscript.torch_lib", "pkg.torch.nn.modules.activation")
SLOPE = "slope"
"""The attribute that functions have."""


def call(build: Build, tensor: Tensor | None = None) -> Tensor:
    """Call a function, an old one or one that is written now.

    Raises:
        UnfitError: The functions are not for such a tensor.
    """
    root = build.root
    tensor = tensor or build.pick((F,), fits=lambda t: t.known)
    if tensor.dtype != F or not tensor.known or root.is_function:
        raise UnfitError
    if not root.functions or build.chance(2):
        define(root)
    return _called(build, build.choose(root.functions), tensor)


def define(root: Build) -> None:
    """Write a function, which may call those before it."""
    inner = Build(root.draw, root.opset, "f{}", is_function=True)
    kind = tensor_type(F, ("A", "B"))  # a function is for tensors of any shape
    formals = [Tensor(f"p{place}", kind, True, True) for place in range(root.size(1, 2))]
    inner.tensors += formals
    has_attribute, made = False, formals[0]
    for way in root.choose(_RECIPES):
        if way == "call" and root.functions:
            made = _called(inner, root.choose(root.functions), made)
        elif way == "attribute":
            made, has_attribute = _leaky(inner, made), True
        else:
            made = smooth(inner, made)
    outputs = [made.name]
    if root.chance(3):
        outputs.append(inner.op("Neg", [made])[0].name)
    has_default = has_attribute and root.chance(2)
    domain, name, overload = root.choose(DOMAINS), f"Function{len(root.functions)}", ""
    if root.functions and root.chance(4):
        domain, name = root.functions[-1].domain, root.functions[-1].name
        overload = f"overload{len(root.functions)}"
    root.functions.append(
        helper.make_function(
            domain,
            name,
            [tensor.name for tensor in formals],
            outputs,
            inner.nodes,
            [helper.make_opsetid("", root.opset)],
            [SLOPE] if has_attribute and not has_default else [],
            [helper.make_attribute(SLOPE, 0.125)] if has_default else [],
            overload=overload,
        )
    )


_RECIPES = (
    ("smooth", "smooth"), ("call",), ("attribute",), ("call", "smooth"), ("call", "attribute"),
    ("smooth", "call", "smooth"), ("attribute", "attribute"), ("smooth", "smooth", "call", "call"),
)  # fmt: skip


def _leaky(inner: Build, tensor: Tensor) -> Tensor:
    """Add an operator whose attribute is that of the function."""
    (made,) = inner.op("LeakyRelu", [tensor], alpha=0.25)
    attribute = inner.nodes[-1].attribute[0]
    attribute.ClearField("f")
    attribute.ref_attr_name = SLOPE
    attribute.type = AttributeProto.FLOAT
    return made


def _called(build: Build, function: FunctionProto, tensor: Tensor) -> Tensor:
    given = [tensor]
    for _ in function.input[1:]:
        same = [t for t in build.visible() if t.dtype == F and t.type == tensor.type]
        given.append(build.choose(same) if same else tensor)
    wanted = [True]
    if len(function.output) > 1:
        wanted = build.choose(([True, True], [True, False], [False, True]))
    names = [build.name() if is_wanted else "" for is_wanted in wanted]
    attributes = {}
    if function.attribute or (function.attribute_proto and build.chance(2)):
        attributes[SLOPE] = 0.5
    node = helper.make_node(
        function.name,
        [t.name for t in given],
        names,
        domain=function.domain,
        overload=function.overload,
        **attributes,
    )
    return build.add(node, given, [tensor.type] * sum(wanted))[0]
