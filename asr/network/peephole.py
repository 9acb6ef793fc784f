"""The LSTM whose gates see the state of their cell (Gers & Schmidhuber 2000): ONNX has it, PyTorch has not.

i[t] = sigmoid(W_i x[t] + R_i h[t-1] + p_i * c[t-1] + b_i)      c[t] = f[t] * c[t-1] + i[t] * g[t]
f[t] = sigmoid(W_f x[t] + R_f h[t-1] + p_f * c[t-1] + b_f)      h[t] = o[t] * tanh(c[t])
g[t] = tanh(W_g x[t] + R_g h[t-1] + b_g)
o[t] = sigmoid(W_o x[t] + R_o h[t-1] + p_o * c[t] + b_o)
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class PeepholeLstm(nn.Module):
    """One direction, with the parameters of nn.LSTM, rows in its order i, f, g, o, and `peepholes` (3, H): i, f, o."""

    def __init__(self, num_inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, num_inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        self.peepholes = nn.Parameter(torch.empty(3, hidden_size))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (T, B, F) -> outputs (T, B, H), and the last of them (B, H)."""
        gates = linear(inputs, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        outputs: Tensor = _Recurrence.apply(gates, self.weight_hh_l0, self.peepholes)
        return outputs, outputs[-1]


class _Recurrence(torch.autograd.Function):
    """What the inputs give the gates (T, B, 4H), weights (4H, H), peepholes (3, H) -> outputs (T, B, H).

    Forwards and backwards each frame is a handful of operations on what is there already: as a chain of PyTorch's own
    it would take several times as long.
    """

    @staticmethod
    def forward(context: Any, inputs: Tensor, recurrent: Tensor, peepholes: Tensor) -> Tensor:
        num_frames, batch, size = inputs.shape[0], inputs.shape[1], recurrent.shape[1]
        gates = torch.empty_like(inputs)
        cells, squashed, outputs = (inputs.new_empty(num_frames, batch, size) for _ in range(3))
        output = cell = inputs.new_zeros(batch, size)
        transposed, see_before, see_after = recurrent.t(), peepholes[:2], peepholes[2]
        frames = zip(
            inputs.unbind(), gates.unbind(), gates.view(num_frames, batch, 4, size).unbind(), cells.unbind(),
            squashed.unbind(), outputs.unbind(), strict=True,
        )  # fmt: skip
        for given, flat, gate, new_cell, new_squashed, new_output in frames:
            torch.addmm(given, output, transposed, out=flat)
            gate[:, :2].addcmul_(cell[:, None], see_before).sigmoid_()
            gate[:, 2].tanh_()
            torch.mul(gate[:, 1], cell, out=new_cell).addcmul_(gate[:, 0], gate[:, 2])
            gate[:, 3].addcmul_(new_cell, see_after).sigmoid_()
            torch.tanh(new_cell, out=new_squashed)
            torch.mul(gate[:, 3], new_squashed, out=new_output)
            output, cell = new_output, new_cell
        context.save_for_backward(recurrent, peepholes, gates, cells, squashed, outputs)
        return outputs

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        recurrent, peepholes, gates, cells, squashed, outputs = context.saved_tensors
        num_frames, batch, size = outputs.shape
        i, f, g, o = gates.view(num_frames, batch, 4, size).unbind(2)
        before = torch.cat([torch.zeros_like(cells[:1]), cells[:-1]])
        # By how much each gate moves with the cell (the output gate: with the output), in all frames at once.
        by_output = squashed * o * (1 - o)
        by_cell = torch.stack([g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)], dim=2)
        to_cell = o * (1 - squashed * squashed) + by_output * peepholes[2]
        to_earlier = f + by_cell[:, :, 0] * peepholes[0] + by_cell[:, :, 1] * peepholes[1]
        found = torch.empty_like(gates)
        later, cell = found.new_zeros(batch, 4 * size), found.new_zeros(batch, size)
        frames = zip(
            gradient.unbind(), found.unbind(), found.view(num_frames, batch, 4, size).unbind(), by_output.unbind(),
            by_cell.unbind(), to_cell.unbind(), to_earlier.unbind(), strict=True,
        )  # fmt: skip
        for given, flat, gate, of_output, of_cell, to_this, to_last in reversed(list(frames)):
            output = torch.addmm(given, later, recurrent)
            cell.addcmul_(output, to_this)
            torch.mul(cell[:, None], of_cell, out=gate[:, :3])
            torch.mul(output, of_output, out=gate[:, 3])
            cell.mul_(to_last)
            later = flat
        wide = found.view(num_frames, batch, 4, size)
        of_weights = found[1:].flatten(0, 1).t() @ outputs[:-1].flatten(0, 1)
        seen = [(wide[:, :, 0] * before), (wide[:, :, 1] * before), (wide[:, :, 3] * cells)]
        return found, of_weights, torch.stack([one.sum(dim=(0, 1)) for one in seen])
