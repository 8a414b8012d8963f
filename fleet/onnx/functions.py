"""Write a model's own functions out where they are called, as torch's exporter leaves them.

By hand, since onnx's inliner forgets the default attributes of functions and takes overloads of
one name for one function. A call of a function stays where its meaning is not ours to decide: when
the function was written for another version of an operator set than the model, or when its domain
is one that runtimes have operators of their own in.

The scan has made sure that calls end, and how many operators they come to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, helper

from fleet.onnx.graph import bodies
from wire.model.operator_domains import ALLOWED_DOMAINS

Key: TypeAlias = tuple[str, str, str]
"""Domain, name and overload."""

_OWN: Final = "ai.onnx"


def write_out(model: ModelProto) -> int:
    """Write functions out in ``model``, drop those that nobody calls then; return how many went."""
    if not model.functions:
        return 0
    before = len(model.functions)
    writer = _Writer(model)
    nodes = [made for node in model.graph.node for made in writer.written(node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = called(nodes, model.functions)
    del model.functions[:]
    model.functions.extend(kept)
    return before - len(kept)


def called(nodes: Iterable[NodeProto], functions: Iterable[FunctionProto]) -> list[FunctionProto]:
    """Return the ``functions`` that ``nodes`` call, directly or not, in their order."""
    known = {key_of(function): function for function in functions}
    found: set[Key] = set()
    waiting = list(inner_nodes(nodes)) if known else []
    while waiting:
        key = _called_by(waiting.pop())
        if key in known and key not in found:
            found.add(key)
            waiting += inner_nodes(known[key].node)
    return [function for key, function in known.items() if key in found]


def key_of(function: FunctionProto) -> Key:
    """Return what calls name a function by."""
    return function.domain, function.name, function.overload


def all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Yield every node of a model: its graph's, its functions', and those inside of them."""
    yield from inner_nodes(model.graph.node)
    for function in model.functions:
        yield from inner_nodes(function.node)


def inner_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield ``nodes`` and all in the graphs inside of them."""
    for node in nodes:
        yield node
        for body in bodies(node):
            yield from inner_nodes(body.node)


def _called_by(node: NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


@dataclass(frozen=True, slots=True)
class _Scope:
    """What names and attributes of a function's text mean at one call of it."""

    names: dict[str, str]
    attributes: Mapping[str, AttributeProto]
    suffix: str
    """Makes names of the function's own unique in the model."""

    def own(self, name: str) -> str:
        """Return the name of a tensor that the function's text makes; remembers it."""
        if name:
            self.names[name] = f"{name}{self.suffix}"
        return self.names[name] if name else ""

    def inner(self) -> "_Scope":
        """Return the scope of a graph inside, whose names may hide those outside."""
        return _Scope(dict(self.names), self.attributes, self.suffix)


@dataclass(slots=True)
class _Writer:
    """Writes the functions of one model out."""

    model: ModelProto
    calls: int = 0
    functions: dict[Key, FunctionProto] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    """Names in the model; none of ours may be one of them."""

    def __post_init__(self) -> None:
        imports = {_domain(o.domain): o.version for o in self.model.opset_import}
        for function in self.model.functions:
            own = {_domain(o.domain): o.version for o in function.opset_import}
            agrees = all(imports.get(domain, version) == version for domain, version in own.items())
            if agrees and function.domain not in ALLOWED_DOMAINS | {_OWN}:
                self.functions[key_of(function)] = function
        self.taken.update(_names(self.model.graph))

    def written(self, node: NodeProto) -> Iterator[NodeProto]:
        """Yield the operators that stand for ``node``: itself, or what the function does."""
        for body in bodies(node):
            nodes = [made for inner in body.node for made in self.written(inner)]
            del body.node[:]
            body.node.extend(nodes)
        function = self.functions.get(_called_by(node))
        if function is None:
            yield node
            return
        for made in self._body(node, function):
            yield from self.written(made)

    def _body(self, call: NodeProto, function: FunctionProto) -> Iterator[NodeProto]:
        """Yield the function's operators, with the call's names and attributes in place."""
        scope = self._scope(call, function)
        results = dict(zip(function.output, call.output, strict=False))
        renamed = {name: result for name, result in results.items() if result}
        made = {name for node in function.node for name in node.output if name}
        for name in made:
            if name in renamed:
                scope.names[name] = renamed[name]
            else:
                scope.own(name)
        for node in function.node:
            yield self._node(node, scope, call.name)
        for name, result in renamed.items():
            if name not in made:  # what came in goes out as it is
                yield helper.make_node("Identity", [scope.names.get(name, "")], [result])
        self._import(function)

    def _scope(self, call: NodeProto, function: FunctionProto) -> _Scope:
        inputs = dict.fromkeys(function.input, "")
        inputs.update(zip(function.input, call.input, strict=False))
        attributes = {attribute.name: attribute for attribute in function.attribute_proto}
        attributes.update((attribute.name, attribute) for attribute in call.attribute)
        return _Scope(inputs, attributes, self._suffix(function))

    def _suffix(self, function: FunctionProto) -> str:
        """Return what makes the names in a function's text names that nothing else has."""
        names = set(_names(function))
        while True:
            self.calls += 1
            suffix = f"__{self.calls}"
            made = {f"{name}{suffix}" for name in names}
            if self.taken.isdisjoint(made):
                self.taken |= made
                return suffix

    def _node(self, node: NodeProto, scope: _Scope, prefix: str) -> NodeProto:
        made = NodeProto()
        made.CopyFrom(node)
        if prefix and node.name:
            made.name = f"{prefix}/{node.name}"
        made.input[:] = [scope.names.get(name, name) for name in node.input]
        made.output[:] = [scope.names.get(name, name) for name in node.output]
        del made.attribute[:]
        made.attribute.extend(a for a in (_attribute(a, scope) for a in node.attribute) if a)
        for body in bodies(made):
            self._graph(body, scope.inner())
        return made

    def _graph(self, graph: GraphProto, scope: _Scope) -> None:
        """Rename what stands in a graph inside a function, in place."""
        for value in graph.input:
            value.name = scope.own(value.name)
        for tensor in graph.initializer:
            tensor.name = scope.own(tensor.name)
        for sparse in graph.sparse_initializer:
            sparse.values.name = scope.own(sparse.values.name)
        for node in graph.node:
            for name in node.output:
                scope.own(name)
        nodes = [self._node(node, scope, "") for node in graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
        for value in (*graph.output, *graph.value_info):
            value.name = scope.names.get(value.name, value.name)

    def _import(self, function: FunctionProto) -> None:
        known = {_domain(opset.domain) for opset in self.model.opset_import}
        for opset in function.opset_import:
            if _domain(opset.domain) not in known:
                self.model.opset_import.append(opset)
                known.add(_domain(opset.domain))


def _attribute(attribute: AttributeProto, scope: _Scope) -> AttributeProto | None:
    """Return an attribute of a function's operator as one call means it; None: it is left out."""
    made = AttributeProto()
    if not attribute.ref_attr_name:
        made.CopyFrom(attribute)
        return made
    given = scope.attributes.get(attribute.ref_attr_name)
    if given is None:
        return None
    made.CopyFrom(given)
    made.name = attribute.name
    return made


def _names(holder: GraphProto | FunctionProto) -> Iterator[str]:
    """Yield the names that a graph or function gives to tensors, those inside of it too."""
    if isinstance(holder, GraphProto):
        yield from (value.name for value in holder.input)
        yield from (tensor.name for tensor in holder.initializer)
        yield from (sparse.values.name for sparse in holder.sparse_initializer)
    for node in holder.node:
        yield from node.output
        for body in bodies(node):
            yield from _names(body)


def _domain(name: str) -> str:
    return "" if name == _OWN else name
