"""Walk a model's graphs: they are whole, of known operators, and of a bearable size.

The numbers and versions are those of the runtime that agents use; a test holds
them against the one that is installed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import onnx
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from registry.inspecting.findings import Findings, require_text

IR_VERSIONS = range(3, 14)
OPSETS = {"": range(1, 27), "ai.onnx.ml": range(1, 6)}
MOST_NODES = 100_000
DEEPEST = 16


class TooComplexError(Exception):
    """There is no use in looking further."""


@dataclass(slots=True)
class _Scope:
    """The names a node may use: its graph's so far, and those of the graphs around it."""

    names: set[str]
    outer: Self | None = None

    def knows(self, name: str) -> bool:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return True
            scope = scope.outer
        return False


@dataclass(slots=True)
class GraphWalk:
    """One walk through all graphs of a model, outermost first."""

    opsets: dict[str, int]
    findings: Findings
    nodes: int = 0
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def visit(self, graph: onnx.GraphProto, *, outer: _Scope | None = None, depth: int = 1) -> None:
        """Check one graph and those inside its nodes.

        Raises:
            TooComplexError: too many nodes, or nested too deep.
            NotTextError: a name is not UTF-8.
        """
        if depth > DEEPEST:
            self.findings.reject("too_complex", f"Graphs are nested deeper than {DEEPEST}.")
            raise TooComplexError
        self._check_unknown(graph, "a graph")
        require_text(value.name for value in (*graph.input, *graph.output))
        self.tensors += graph.initializer
        for sparse in graph.sparse_initializer:
            self.tensors += (sparse.values, sparse.indices)
        scope = _Scope(_given_names(graph), outer)
        for node in graph.node:
            self._visit_node(node, scope, depth=depth)
        for output in graph.output:
            if not scope.knows(output.name):
                self.findings.reject("malformed", f"Nothing makes the output {output.name!r}.")

    def _visit_node(self, node: onnx.NodeProto, scope: _Scope, *, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self.findings.reject("too_complex", f"There are more than {MOST_NODES} nodes.")
            raise TooComplexError
        self._check_unknown(node, "a node")
        require_text((node.op_type, node.domain, *node.input, *node.output))
        self._check_operator(node)
        for name in node.input:
            if name and not scope.knows(name):
                message = f"{node.op_type} uses {name!r} before anything makes it."
                self.findings.reject("malformed", message)
        for attribute in node.attribute:
            self.tensors += _tensors_of(attribute)
            for graph in _graphs_of(attribute):
                self.visit(graph, outer=scope, depth=depth + 1)
        for name in filter(None, node.output):
            if name in scope.names:
                self.findings.reject("malformed", f"{name!r} is made more than once.")
            scope.names.add(name)

    def _check_operator(self, node: onnx.NodeProto) -> None:
        domain = "" if node.domain == "ai.onnx" else node.domain
        key = (domain, node.op_type)
        if key not in self._known:
            self._known[key] = self._is_known(*key)
        if not self._known[key]:
            name = f"{domain}.{node.op_type}" if domain else node.op_type
            self.findings.reject("custom_operator", f"{name} is not an operator of the runtime.")

    def _is_known(self, domain: str, operator: str) -> bool:
        if domain not in self.opsets:
            return False
        try:
            schema = onnx.defs.get_schema(operator, self.opsets[domain], domain)
        except onnx.defs.SchemaError:
            return False
        return not schema.deprecated

    def _check_unknown(self, message: Message, what: str) -> None:
        check_unknown(message, what, findings=self.findings)


def check_unknown(message: Message, what: str, *, findings: Findings) -> None:
    """Reject fields this ONNX does not know: whatever they are, nobody has looked at them."""
    if len(UnknownFieldSet(message)):
        findings.reject("not_onnx", f"There are bytes in {what} that are no part of ONNX.")


def _given_names(graph: onnx.GraphProto) -> set[str]:
    names = {value.name for value in graph.input}
    names.update(tensor.name for tensor in graph.initializer)
    names.update(sparse.values.name for sparse in graph.sparse_initializer)
    return names


def _tensors_of(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    for each in (*sparse, *attribute.sparse_tensors):
        yield each.values
        yield each.indices


def _graphs_of(attribute: onnx.AttributeProto) -> Iterator[onnx.GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs
