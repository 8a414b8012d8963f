"""The walk of `wire.model.scan` through one model: functions, graphs, nodes, attributes.

It descends wherever onnx.proto can hold a tensor or a graph, whatever an attribute's type says,
because a runtime may look there too. Strings, types and the shapes of values are only claims and
are passed over. The walk stops at the first thing that is refused.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from wire.model import operator_domains, sized_operators
from wire.model import structure as onnx_walk
from wire.model.element_data import Constant, elements
from wire.model.errors import ModelMalformedError, ModelTooLargeError, OperatorRefusedError
from wire.model.external_data import Policy
from wire.model.function_calls import Body, FunctionKey, expanded, key_shown
from wire.model.protobuf import Budget, Message
from wire.model.schema import AttributeField, FunctionField, GraphField, ModelField
from wire.model.stored_weights import Weights
from wire.model.structure import Node, shown


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model may ask for; the defaults are far above real models."""

    max_fields: int = 2_000_000
    """Protobuf fields in the whole file; bounds the scan's time and memory."""
    max_nodes: int = 200_000
    """Nodes, when every function is written out where it is called."""
    max_graph_depth: int = 16
    """Graphs within graphs."""
    max_tensor_bytes: int = 2 << 30
    """One tensor made out of nothing, and all those together that are made while loading."""


@dataclass(slots=True)
class _Scope:
    """The constants that a graph sees: its own, then those of the graphs around it."""

    outer: "_Scope | None" = None
    constants: dict[str, Constant] = field(default_factory=dict)

    def find(self, name: str) -> Constant | None:
        scope: _Scope | None = self
        while scope and name not in scope.constants:
            scope = scope.outer
        return scope.constants[name] if scope else None


_TENSORS: Final = (AttributeField.T, AttributeField.TENSORS)
_SPARSE_TENSORS: Final = (AttributeField.SPARSE_TENSOR, AttributeField.SPARSE_TENSORS)
_GRAPHS: Final = (AttributeField.G, AttributeField.GRAPHS)


class Walk:
    """One walk over one model."""

    def __init__(
        self,
        source: str,
        policy: Policy,
        *,
        weights_bytes: int | None,
        domains: Collection[str],
        limits: Limits,
    ) -> None:
        self.place = ""
        """The node where the walk is, for messages; empty at the file as a whole."""
        self.budget = Budget(limits.max_fields, refuse_unknown=policy is Policy.SEGMENT)
        self.weights = Weights(source, policy, self.budget, weights_bytes=weights_bytes)
        self.operators = 0
        self.used_domains: set[str] = set()
        self._source = source
        self._policy = policy
        self._domains = frozenset("" if name == "ai.onnx" else name for name in domains)
        self._limits = limits
        self._functions: dict[FunctionKey, Body] = {}
        self._in_function = False
        self._body = Body()

    def model(self, fields: Message) -> Message:
        """Walk a ModelProto; return its top graph.

        Raises:
            ModelError: Something in it is refused.
            ProtobufError: Something at ``place`` is malformed.
        """
        graph = fields.view(ModelField.GRAPH)
        if graph is None:
            raise ModelMalformedError(self._source, "", "there is no graph; it is no ONNX model")
        self._in_function = True
        self._all_functions(fields.views(ModelField.FUNCTIONS))
        self._in_function = False
        self._body = Body()
        for info in fields.views(ModelField.TRAINING_INFO):
            for view in onnx_walk.training_graphs(info, self.budget):
                self._graph(view, None, "training", depth=1)
        top = self._graph(graph, None, "", depth=1)
        self.place = ""
        self._check_totals()
        return top

    def _all_functions(self, views: list[memoryview]) -> None:
        found: list[Message] = []
        for view in views:
            function = onnx_walk.function(view, self.budget)
            key = onnx_walk.function_key(function)
            if key in self._functions:
                raise ModelMalformedError(
                    self._source, f"function {key_shown(key)}", "is defined twice"
                )
            self._functions[key] = Body()
            found.append(function)
        for (key, body), function in zip(self._functions.items(), found, strict=True):
            self._body, scope = body, _Scope()
            self.place = place = f"function {key_shown(key)}"
            for view in function.views(FunctionField.ATTRIBUTE_PROTO):
                self._attribute(onnx_walk.attribute(view, self.budget), scope, place, depth=1)
            self._nodes(function.views(FunctionField.NODE), scope, place, depth=1)

    def _graph(self, data: memoryview, outer: _Scope | None, place: str, *, depth: int) -> Message:
        self.place = place
        if depth > self._limits.max_graph_depth:
            raise self._too_large(f"graphs nest deeper than {self._limits.max_graph_depth}")
        graph = onnx_walk.graph(data, self.budget)
        scope = _Scope(outer)
        for view in graph.views(GraphField.INITIALIZER):
            name, scope.constants[name] = self.weights.take(view, place)
        for view in graph.views(GraphField.SPARSE_INITIALIZER):
            name, scope.constants[name] = self._sparse(view, place)
        self._nodes(graph.views(GraphField.NODE), scope, place, depth=depth)
        return graph

    def _nodes(self, views: list[memoryview], scope: _Scope, place: str, *, depth: int) -> None:
        self.operators += len(views)
        self._body.nodes += len(views)
        if self.operators > self._limits.max_nodes:
            raise self._too_large(f"more than {self._limits.max_nodes} nodes")
        for index, view in enumerate(views):
            self.place = f"{place} > node #{index}" if place else f"node #{index}"
            node = onnx_walk.node(view, self.budget)
            if node.name:
                self.place = (
                    f"{place} > node {shown(node.name)}" if place else f"node {shown(node.name)}"
                )
            self.place += f" ({node.op_type:.80})"
            self._node(node, scope, depth=depth)

    def _node(self, node: Node, scope: _Scope, *, depth: int) -> None:
        place = self.place
        problem = operator_domains.problem(node, self._domains, self._functions)
        if problem:
            refusal = OperatorRefusedError(self._source, place, problem)
            if not self._in_function:
                raise refusal
            self._body.refusal = self._body.refusal or refusal
            return
        self.used_domains.add(node.domain)
        key = (node.domain, node.op_type, node.overload)
        if key in self._functions:
            self._body.calls[key] += 1
        tensors: dict[str, Constant] = {}
        for name, attribute in node.attributes.items():
            first = self._attribute(
                attribute, scope, f"{place}, attribute {shown(name)}", depth=depth
            )
            if first:
                tensors[name] = first
        self.place = place
        if not node.domain:
            self._follow(node, scope, tensors)

    def _follow(self, node: Node, scope: _Scope, tensors: dict[str, Constant]) -> None:
        """Note what a standard operator makes of constants, and refuse it when that is too much."""
        if node.op_type == "Constant":
            made = next(iter(tensors.values()), None) or sized_operators.written(node)
        else:
            inputs = tuple(scope.find(name) if name else None for name in node.inputs)
            call = sized_operators.Call(node, inputs, filled_with=tensors.get("value"))
            self._size(call)
            made = sized_operators.folded(call)
        if made and node.outputs:
            scope.constants[node.outputs[0]] = made

    def _attribute(
        self, attribute: Message, scope: _Scope, place: str, *, depth: int
    ) -> Constant | None:
        """Walk what an attribute holds; return its first tensor."""
        self.place = place
        found = [
            self.weights.take(view, place) for which in _TENSORS for view in attribute.views(which)
        ]
        found += [
            self._sparse(view, place)
            for which in _SPARSE_TENSORS
            for view in attribute.views(which)
        ]
        for which in _GRAPHS:
            for view in attribute.views(which):
                self._graph(view, scope, place, depth=depth + 1)
        return found[0][1] if found else None

    def _sparse(self, data: memoryview, place: str) -> tuple[str, Constant]:
        """Walk a sparse tensor; what counts is its dense size, for runtimes make it dense."""
        self.place = f"{place}, sparse tensor" if place else "sparse tensor"
        parts, dims = onnx_walk.sparse(data, self.budget)
        (name, values), _ = (self.weights.take(part, self.place) for part in parts)
        count = elements(dims)
        self._made(count * values.bits / 8, while_loading=True)
        return name, Constant(count, values.bits)

    def _size(self, call: sized_operators.Call) -> None:
        if self._policy is Policy.SEGMENT and sized_operators.has_unseen_size(call):
            raise self._too_large("its size is in another file, where it cannot be checked")
        size_bytes = sized_operators.made_bytes(call)
        if size_bytes is not None:
            self._made(size_bytes, while_loading=call.is_fixed)

    def _made(self, size_bytes: float, *, while_loading: bool) -> None:
        limit = self._limits.max_tensor_bytes
        if size_bytes > limit:
            raise self._too_large(f"makes a tensor of {size_bytes:.3g} bytes (at most {limit})")
        if while_loading:
            self._body.made_bytes += size_bytes

    def _check_totals(self) -> None:
        whole = expanded(
            self._body, self._functions, source=self._source, max_nodes=self._limits.max_nodes
        )
        limit = self._limits.max_tensor_bytes
        if whole.made_bytes > limit:
            raise self._too_large(
                f"makes constants of {whole.made_bytes:.3g} bytes together (at most {limit})"
            )
        self.weights.check_total()

    def _too_large(self, rule: str) -> ModelTooLargeError:
        return ModelTooLargeError(self._source, self.place, rule)
