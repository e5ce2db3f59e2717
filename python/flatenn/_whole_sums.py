"""Quantized ONNX files without roundings that no layer needs.

ONNX Runtime's quantizer rounds every tensor to codes, logits and both sides of a residual sum too.
flatenn's layers add a residual to the sums of a convolution before they round, and give logits as
float: files without these roundings are more precise, and the fastest engines run their networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SUMS = ("Conv", "Gemm", "MatMul")
LARGEST = 127.0


class _Graph:
    def __init__(self, model: Any) -> None:
        self.graph = model.graph
        self.made = {name: node for node in self.graph.node for name in node.output}
        self.constants = {constant.name: constant for constant in self.graph.initializer}

    def readers(self, name: str) -> list[Any]:
        return [node for node in self.graph.node if name in node.input]

    def quantizer(self, real: str) -> Any:
        """The QuantizeLinear before the DequantizeLinear that makes this tensor, or None."""
        last = self.made.get(real)
        if last is None or last.op_type != "DequantizeLinear":
            return None
        first = self.made.get(last.input[0])
        return first if first is not None and first.op_type == "QuantizeLinear" else None

    def rounded_sums(self, real: str) -> str | None:
        """The sums of a layer that this tensor holds rounded, where nothing else reads either."""
        first = self.quantizer(real)
        if first is None or self.made.get(first.input[0]) is None:
            return None
        sums = str(first.input[0])
        alone = all(len(self.readers(name)) == 1 for name in (sums, first.output[0]))
        return sums if self.made[sums].op_type in SUMS and alone else None

    def drop(self, real: str) -> None:
        for node in (self.made[real], self.quantizer(real)):
            self.graph.node.remove(node)


def leave_sums_whole(model: Any) -> None:
    """Changes a quantized model of the package onnx in place."""
    graph = _Graph(model)
    for output in graph.graph.output:
        _free_output(graph, output.name)
    for node in [node for node in graph.graph.node if node.op_type == "Add"]:
        _free_residual(graph, node)


def _free_output(graph: _Graph, name: str) -> None:
    sums = graph.rounded_sums(name)
    if sums is None or graph.readers(name):
        return
    layer = graph.made[sums]
    graph.drop(name)
    layer.output[0] = name


def _free_residual(graph: _Graph, add: Any) -> None:
    """Adds one side as it is, the last that is computed, to codes of the other."""
    order = {id(node): at for at, node in enumerate(graph.graph.node)}
    sides = [(graph.rounded_sums(real), at) for at, real in enumerate(add.input)]
    whole = [(order[id(graph.made[sums])], sums, at) for sums, at in sides if sums is not None]
    if len(add.input) != 2 or not whole:
        return
    _, sums, at = max(whole)
    other = graph.quantizer(add.input[1 - at])
    if other is None or len(graph.readers(add.input[at])) != 1:
        return
    graph.drop(add.input[at])
    add.input[at] = sums
    _make_symmetric(graph, other)


def _make_symmetric(graph: _Graph, first: Any) -> None:
    """Signed codes around 0 for a tensor that has a zero point and values of either sign."""
    from onnx import numpy_helper

    scale, zero = (graph.constants.get(name) for name in first.input[1:3])
    if scale is None or zero is None:
        return
    code = numpy_helper.to_array(zero)
    if code.dtype != np.uint8 or code.ndim or not code:
        return
    reals = [str(node.output[0]) for node in graph.readers(first.output[0])]
    if any(node.op_type != "Add" for real in reals for node in graph.readers(real)):
        return  # biases of layers have scales that follow from this one
    users = {id(node) for name in (scale.name, zero.name) for node in graph.readers(name)}
    own = {id(first)} | {id(node) for node in graph.readers(first.output[0])}
    if users != own:  # pools share them
        return
    reach = max(int(code), 255 - int(code)) * numpy_helper.to_array(scale)
    scale.CopyFrom(numpy_helper.from_array(np.array(reach / LARGEST, np.float32), scale.name))
    zero.CopyFrom(numpy_helper.from_array(np.array(0, np.int8), zero.name))
