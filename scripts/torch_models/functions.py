"""Give a model functions of its own, as exporters do that keep a framework's operators.

torch 2.13 inlines every function on its way out, also with optimize=False (earlier versions kept
them), so they are put back here: each LayerNormalization and Gelu becomes a call of a function that
holds it, with its attributes handed through, and one function calls another.
"""

from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, helper

DOMAIN = "pkg.torch"


def with_functions(model: ModelProto) -> ModelProto:
    """Return ``model`` with calls in place of the operators named above."""
    opsets = [*model.opset_import, helper.make_opsetid(DOMAIN, 1)]
    for operator, arguments in (("LayerNormalization", ["x", "scale", "bias"]), ("Gelu", ["x"])):
        nodes = [node for node in model.graph.node if node.op_type == operator]
        if not nodes:
            continue
        attributes = sorted({attribute.name for node in nodes for attribute in node.attribute})
        for node in nodes:
            node.op_type, node.domain = f"aten_{operator.lower()}", DOMAIN
        inner = f"{nodes[0].op_type}_inner"
        calls = (
            (nodes[0].op_type, _handing_through(inner, DOMAIN, arguments, attributes)),
            (inner, _handing_through(operator, "", arguments, attributes)),
        )
        for name, body in calls:
            function: FunctionProto = helper.make_function(
                DOMAIN, name, arguments, ["y"], [body], opsets, attributes
            )
            model.functions.append(function)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return model


def _handing_through(
    operator: str, domain: str, arguments: list[str], attributes: list[str]
) -> NodeProto:
    node = helper.make_node(operator, arguments, ["y"], domain=domain)
    types = {
        "axis": AttributeProto.INT,
        "epsilon": AttributeProto.FLOAT,
        "stash_type": AttributeProto.INT,
        "approximate": AttributeProto.STRING,
    }
    for name in attributes:
        node.attribute.append(AttributeProto(name=name, type=types[name], ref_attr_name=name))
    return node
