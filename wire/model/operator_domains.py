"""Whose operators a model may use.

A domain that no runtime knows by itself means a custom library, which is native code from whoever
made the model. The model's own functions are no such thing: they are written in operators that are
checked in their turn. Whether an operator exists in an allowed domain is the runtime's business.
"""

from collections.abc import Collection
from typing import Final

from wire.model.function_calls import FunctionKey
from wire.model.structure import Node, shown

ALLOWED_DOMAINS: Final = frozenset({"", "com.microsoft"})
"""Whose operators come with the runtimes; the empty one is also written ``ai.onnx``."""
REFUSED_OPERATORS: Final = frozenset(
    {"ATen", "EPContext", "PythonOp", "PythonOpGrad", "Snpe", "TritonOp"}
)
"""Of com.microsoft: those that load a compiled engine, a script or a file that they name."""


def problem(node: Node, domains: Collection[str], functions: Collection[FunctionKey]) -> str:
    """Return why ``node`` may not be used, or an empty string.

    Args:
        node: An operator, or a call of a function of the model.
        domains: Whose operators are allowed; the empty string for ONNX's own.
        functions: What the model defines itself.
    """
    if (node.domain, node.op_type, node.overload) in functions:
        return ""
    if node.domain in domains:
        if node.domain and node.op_type in REFUSED_OPERATORS:
            return f"operator {node.op_type} of {node.domain} runs code from outside the model"
        return ""
    if any(domain == node.domain for domain, _, _ in functions):
        return f"the model has no function of this name in its own domain {shown(node.domain)}"
    allowed = ", ".join(sorted(domain or "ai.onnx" for domain in domains))
    return f"operator domain {shown(node.domain)} is not allowed (allowed: {allowed})"
