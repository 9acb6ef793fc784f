"""Recurrent cells: one record each, with all that the encoder and the export would have to know of it.

The encoder makes its layers of a record, and the ONNX graph its nodes, so that a new cell is one record in `CELLS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from asr.network.peephole import PeepholeLstm

Weights = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent layer, read in one direction."""

    name: str
    num_gates: int
    make: Callable[[int, int], nn.Module]
    """(num_inputs, hidden_size) -> a layer that maps (T, B, num_inputs) to (T, B, hidden_size) and a last state."""
    init: Callable[[nn.Module], None]
    """Draw new weights for a layer."""
    operator: str
    """The operator of ONNX that computes it."""
    to_onnx: Callable[[Sequence[nn.Module]], Weights]
    """Layers, one a direction -> inputs of the operator by its names for them, directions on the first axis."""
    from_onnx: Callable[[Mapping[str, npt.NDArray[np.float32]]], list[dict[str, Tensor]]]
    """The inverse: for each direction, its weights by their names in the layer."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Of the operator, beside hidden_size and direction."""


@dataclass(frozen=True)
class _Gates:
    """A layer with the weights of PyTorch's: its gates by a letter each, as PyTorch and as ONNX order their rows."""

    torch: str
    onnx: str
    is_open: str = ""
    """The gate that begins open, if one does."""
    peepholes: tuple[str, str] = ("", "")
    """The gates that see the cell's state, as the layer and as ONNX order them."""

    def init(self, layer: nn.Module) -> None:
        """Glorot inputs, orthogonal recurrence (Saxe et al. 2014), no bias, but for 1 at the gate that begins open."""
        inputs, recurrent, input_bias, recurrent_bias = (layer.get_parameter(name) for name in _NAMES)
        nn.init.xavier_uniform_(inputs)
        for gate in recurrent.chunk(len(self.torch)):
            nn.init.orthogonal_(gate)
        nn.init.zeros_(input_bias)
        nn.init.zeros_(recurrent_bias)
        if self.is_open:
            nn.init.ones_(input_bias.chunk(len(self.torch))[self.torch.index(self.is_open)])
        if any(self.peepholes):
            nn.init.zeros_(layer.get_parameter(_PEEPHOLES))

    def to_onnx(self, directions: Sequence[nn.Module]) -> Weights:
        """See Cell."""

        def rows(layer: nn.Module, name: str) -> npt.NDArray[np.float32]:
            return _reordered(layer.get_parameter(name).detach().numpy(), self.torch, self.onnx)

        inputs, recurrent, *biases = _NAMES
        weights = {
            "W": np.stack([rows(layer, inputs) for layer in directions]),
            "R": np.stack([rows(layer, recurrent) for layer in directions]),
            "B": np.stack([np.hstack([rows(layer, name) for name in biases]) for layer in directions]),
        }
        if any(self.peepholes):
            values = [layer.get_parameter(_PEEPHOLES).detach().numpy().ravel() for layer in directions]
            weights["P"] = np.stack([_reordered(value, *self.peepholes) for value in values])
        return weights

    def from_onnx(self, values: Mapping[str, npt.NDArray[np.float32]]) -> list[dict[str, Tensor]]:
        """See Cell."""

        def tensor(rows: npt.NDArray[np.float32]) -> Tensor:
            return torch.from_numpy(_reordered(rows, self.onnx, self.torch))

        directions = []
        for direction in range(len(values["W"])):
            matrices = values["W"][direction], values["R"][direction], *np.split(values["B"][direction], 2)
            weights = {name: tensor(rows) for name, rows in zip(_NAMES, matrices, strict=True)}
            if any(self.peepholes):
                layer_order, onnx_order = self.peepholes
                rows = _reordered(values["P"][direction], onnx_order, layer_order)
                weights[_PEEPHOLES] = torch.from_numpy(rows.reshape(len(layer_order), -1))
            directions.append(weights)
        return directions


_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
_PEEPHOLES = "peepholes"


def _reordered(rows: npt.NDArray[np.float32], order: str, wanted: str) -> npt.NDArray[np.float32]:
    """Rows of as many gates as `order` has letters -> the same rows in the order `wanted`."""
    gates = dict(zip(order, np.split(rows, len(order)), strict=True))
    return np.concatenate([gates[gate] for gate in wanted])


def _cell(name: str, make: Callable[[int, int], nn.Module], operator: str, gates: _Gates, **more: Any) -> Cell:
    return Cell(name, len(gates.torch), make, gates.init, operator, gates.to_onnx, gates.from_onnx, **more)


# Input, forget, cell and output; reset, update and new; the one of a simple network, whose activation is tanh.
LSTM = _cell("lstm", nn.LSTM, "LSTM", _Gates("ifco", "iofc", is_open="f"))
GRU = _cell("gru", nn.GRU, "GRU", _Gates("run", "urn"), attributes={"linear_before_reset": 1})
RNN = _cell("rnn", nn.RNN, "RNN", _Gates("n", "n"))
LSTM_PEEPHOLE = _cell(
    "lstm_peephole",
    PeepholeLstm,
    "LSTM",
    _Gates("ifco", "iofc", is_open="f", peepholes=("ifo", "iof")),
)

CELLS = {cell.name: cell for cell in (LSTM, GRU, RNN, LSTM_PEEPHOLE)}
