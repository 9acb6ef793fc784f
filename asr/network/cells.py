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


# The gates input, forget, cell and output, as PyTorch and as ONNX order the rows of their weights.
_LSTM_TORCH, _LSTM_ONNX = "ifco", "iofc"


def _reordered(rows: npt.NDArray[np.float32], order: str, wanted: str) -> npt.NDArray[np.float32]:
    """Rows of as many gates as `order` has letters -> the same rows in the order `wanted`."""
    gates = dict(zip(order, np.split(rows, len(order)), strict=True))
    return np.concatenate([gates[gate] for gate in wanted])


def _init_lstm(lstm: nn.Module) -> None:
    """Glorot inputs, orthogonal recurrence (Saxe et al. 2014), forget gates open at 1."""
    inputs, recurrent, input_bias, recurrent_bias = lstm.parameters()
    nn.init.xavier_uniform_(inputs)
    for gate in recurrent.chunk(len(_LSTM_TORCH)):
        nn.init.orthogonal_(gate)
    nn.init.zeros_(input_bias)
    nn.init.zeros_(recurrent_bias)
    nn.init.ones_(input_bias.chunk(len(_LSTM_TORCH))[_LSTM_TORCH.index("f")])


def _lstm_to_onnx(directions: Sequence[nn.Module]) -> Weights:
    def rows(lstm: nn.Module, name: str) -> npt.NDArray[np.float32]:
        return _reordered(lstm.get_parameter(name).detach().numpy(), _LSTM_TORCH, _LSTM_ONNX)

    return {
        "W": np.stack([rows(lstm, "weight_ih_l0") for lstm in directions]),
        "R": np.stack([rows(lstm, "weight_hh_l0") for lstm in directions]),
        "B": np.stack([np.hstack([rows(lstm, "bias_ih_l0"), rows(lstm, "bias_hh_l0")]) for lstm in directions]),
    }


def _lstm_from_onnx(values: Mapping[str, npt.NDArray[np.float32]]) -> list[dict[str, Tensor]]:
    def tensor(rows: npt.NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(_reordered(rows, _LSTM_ONNX, _LSTM_TORCH))

    directions = []
    for inputs, recurrent, biases in zip(values["W"], values["R"], values["B"], strict=True):
        input_bias, recurrent_bias = np.split(biases, 2)
        directions.append(
            {
                "weight_ih_l0": tensor(inputs),
                "weight_hh_l0": tensor(recurrent),
                "bias_ih_l0": tensor(input_bias),
                "bias_hh_l0": tensor(recurrent_bias),
            }
        )
    return directions


LSTM = Cell(
    name="lstm",
    num_gates=len(_LSTM_TORCH),
    make=nn.LSTM,
    init=_init_lstm,
    operator="LSTM",
    to_onnx=_lstm_to_onnx,
    from_onnx=_lstm_from_onnx,
)

CELLS = {cell.name: cell for cell in (LSTM,)}
