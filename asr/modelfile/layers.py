"""A graph of ours -> its layers, as every home of a model needs them; other graphs are refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.modelfile.card import ModelError
from asr.modelfile.graph import Graph, Node

Weights = npt.NDArray[np.float32]


class OtherNetwork(ModelError):
    """A graph that is not made of the LSTMs that every home of a model knows."""


@dataclass(frozen=True)
class Layer:
    """An LSTM in one direction or two (Hochreiter & Schmidhuber 1997), the gates input, output, forget, cell in order.

    `inputs` (D, 4 H, F), `recurrent` (D, 4 H, H), `bias` (D, 4 H): the first direction reads forwards.
    """

    inputs: Weights
    recurrent: Weights
    bias: Weights

    @property
    def hidden_size(self) -> int:
        """Units of a direction."""
        return int(self.recurrent.shape[2])


@dataclass(frozen=True)
class Stack:
    """A network: layers one upon the other, and what makes log-probabilities of the last one's output.

    `head` (D H, V) and `head_bias` (V,), before a log-softmax.
    """

    layers: tuple[Layer, ...]
    head: Weights
    head_bias: Weights

    @property
    def num_weights(self) -> int:
        """Multiplications for each frame."""
        return int(self.head.size + sum(layer.inputs.size + layer.recurrent.size for layer in self.layers))


def stacks(graph: Graph) -> tuple[Stack, ...]:
    """The networks of a graph: one, or those of an ensemble, whose log-probabilities are averaged.

    Raises OtherNetwork where the graph computes anything else.
    """
    return _Reading(graph).stacks()


def rounded(weights: Weights, axis: int) -> tuple[npt.NDArray[np.int8], Weights]:
    """Weights -> whole numbers of 8 bits, and the scales that they are multiplied by, one for all along an axis.

    What was rounded before stays as it is.
    """
    scales = np.abs(weights).max(axis=axis, keepdims=True) / np.float32(127)
    scales[scales == 0] = 1
    return np.rint(weights / scales).astype(np.int8), scales


class _Reading:
    """The way back from the output of a graph to its input."""

    def __init__(self, graph: Graph) -> None:
        self._constants = graph.constants
        self._makers = {output: node for node in graph.nodes for output in node.outputs if output}

    def stacks(self) -> tuple[Stack, ...]:
        last = self._maker("log_probs")
        if last.operator == "LogSoftmax":  # of the mean of an ensemble
            mean = self._made(last.inputs[0], "Mean")
            return tuple(self._stack(self._made(name, "Transpose")) for name in mean.inputs)
        return (self._stack(last),)

    def _stack(self, last: Node) -> Stack:
        """The network whose log-probabilities (B, T, V) a node transposes from (T, B, V)."""
        logits = self._made(self._made(self._before(last, "Transpose"), "LogSoftmax").inputs[0], "Add")
        product = self._made(logits.inputs[0], "MatMul")
        head, head_bias = self._weights(product.inputs[1], 2), self._weights(logits.inputs[1], 1)
        hidden, layers = product.inputs[0], []
        while self._maker(hidden).operator == "Reshape":
            flat = self._made(hidden, "Reshape")
            lstm = self._made(self._made(flat.inputs[0], "Transpose").inputs[0], "LSTM")
            layers.append(self._layer(lstm))
            hidden = lstm.inputs[0]
        if self._before(self._maker(hidden), "Transpose") != "frames":
            raise OtherNetwork("its first layer does not read the frames")
        self._check(layers[::-1], head, head_bias)
        return Stack(tuple(layers[::-1]), head, head_bias)

    def _layer(self, lstm: Node) -> Layer:
        known = {"hidden_size", "direction"}
        if set(lstm.attributes) - known or lstm.attributes.get("direction") not in ("forward", "bidirectional"):
            raise OtherNetwork(f"its LSTM has settings that are not ours: {lstm.attributes}")
        if any(lstm.inputs[5:]):
            raise OtherNetwork("its LSTM has an initial state or peepholes")
        inputs, recurrent = (self._weights(name, 3) for name in lstm.inputs[1:3])
        biases = self._weights(lstm.inputs[3], 2)
        return Layer(inputs, recurrent, biases.reshape(len(biases), 2, -1).sum(axis=1))

    def _weights(self, name: str, num_axes: int) -> Weights:
        """A constant, or the product of one of 8 bits and its scales."""
        if name in self._constants:
            values = self._constants[name]
        else:
            scaled = self._made(name, "Mul")
            values = self._constant(self._made(scaled.inputs[0], "Cast").inputs[0]).astype(np.float32)
            values = values * self._constant(scaled.inputs[1])
        if values.ndim != num_axes or values.dtype != np.float32:
            raise OtherNetwork(f"its weights {name} have the shape {values.shape}")
        if not np.isfinite(values).all():
            raise OtherNetwork(f"its weights {name} are not all finite")
        return values

    def _constant(self, name: str) -> npt.NDArray[Any]:
        if name not in self._constants:
            raise OtherNetwork(f"it has no weights {name}")
        return self._constants[name]

    def _maker(self, name: str) -> Node:
        if name not in self._makers:
            raise OtherNetwork(f"nothing in it makes {name}")
        return self._makers[name]

    def _made(self, name: str, operator: str) -> Node:
        node = self._maker(name)
        if node.operator != operator:
            raise OtherNetwork(f"its {name} is made by {node.operator}, where a network of this package has {operator}")
        return node

    def _before(self, node: Node, operator: str) -> str:
        if node.operator != operator:
            raise OtherNetwork(f"it has {node.operator} where a network of this package has {operator}")
        return node.inputs[0]

    @staticmethod
    def _check(layers: Sequence[Layer], head: Weights, head_bias: Weights) -> None:
        if not layers:
            raise OtherNetwork("it has no layers")
        width = layers[0].inputs.shape[2]
        for layer in layers:
            directions, rows, units = layer.recurrent.shape
            fits = layer.inputs.shape == (directions, rows, width) and layer.bias.shape == (directions, rows)
            if not fits or rows != 4 * units or directions > 2:
                raise OtherNetwork("the sizes of its layers do not fit")
            width = directions * units
        if head.shape != (width, len(head_bias)):
            raise OtherNetwork("the sizes of its last layer do not fit")
