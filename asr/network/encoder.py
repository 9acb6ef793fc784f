"""Frames -> log-probabilities of tokens for each frame: the recurrent encoder and its head (torch)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from asr.errors import UserError
from asr.network.cells import CELLS


@dataclass(frozen=True)
class ModelConfig:
    """Size of the network; the defaults are two bidirectional layers of 40 units, some 58,000 weights."""

    hidden_size: int = 40
    """Units per direction."""
    num_layers: int = 2
    """Recurrent layers."""
    bidirectional: bool = True
    """Read each utterance backwards too."""
    dropout: float = 0.1
    """Share of units silenced in training between layers and before the head, for a whole utterance at a time."""
    cell: str = "lstm"
    """Of the recurrent layers: lstm, gru, rnn (one tanh), or lstm_peephole, whose gates see the state of their cell."""
    projection: int = 0
    """Linear units between the last recurrent layer and the head; 0: none."""

    def __post_init__(self) -> None:
        if not (1 <= self.hidden_size <= 1 << 14 and 1 <= self.num_layers <= 100):
            raise UserError("model.hidden_size must be from 1 to 16384, and model.num_layers from 1 to 100")
        if not 0 <= self.dropout < 1:
            raise UserError(f"model.dropout must be in [0, 1), not {self.dropout}")
        if self.projection < 0:
            raise UserError(f"model.projection must not be negative, not {self.projection}")
        if self.cell not in CELLS:
            raise UserError(f"model.cell must be one of {', '.join(CELLS)}, not {self.cell!r}")


class AcousticModel(nn.Module):
    """Recurrent layers in both directions with a linear and log-softmax head (Graves & Schmidhuber 2005).

    Each direction is a layer of its own over padded input, the backward one over frames reversed within each
    utterance's own length: what packed sequences give, several times faster on a CPU.
    """

    def __init__(self, config: ModelConfig, num_features: int, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.cell = CELLS[config.cell]
        width = config.hidden_size * (2 if config.bidirectional else 1)
        sizes = [num_features] + [width] * (config.num_layers - 1)
        self.forwards = nn.ModuleList(self.cell.make(size, config.hidden_size) for size in sizes)
        self.backwards = nn.ModuleList(
            self.cell.make(size, config.hidden_size) for size in sizes if config.bidirectional
        )
        self.projection = nn.Linear(width, config.projection) if config.projection else None
        self.head = nn.Linear(config.projection or width, num_tokens)
        self.reset()

    def reset(self) -> None:
        """Draw new weights: those of the layers as their cell says, Glorot weights for what is linear."""
        for layer in [*self.forwards, *self.backwards]:
            self.cell.init(layer)
        for linear in [self.head] if self.projection is None else [self.projection, self.head]:
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def inherit(self, weights: Mapping[str, Tensor], rows: Mapping[int, int]) -> None:
        """Take over the weights of a model of the same shape; of its head, to each row of ours the row in `rows`.

        Rows of the head that `rows` does not name stay as they are. Raises UserError where the shapes differ.
        """
        own = self.state_dict()
        shapes, wanted = (
            {name: tuple(value.shape) for name, value in values.items() if not name.startswith("head")}
            for values in (weights, own)
        )
        if shapes != wanted or weights["head.weight"].shape[1] != own["head.weight"].shape[1]:
            raise UserError(
                "the network to begin with has another shape: model.cell, hidden_size, num_layers, bidirectional and "
                "projection, features.num_cepstra, deltas and stack must be as they were in it"
            )
        for name, value in weights.items():
            if name.startswith("head"):
                own[name][list(rows)] = value[list(rows.values())]
            else:
                own[name].copy_(value)

    @property
    def num_weights(self) -> int:
        """Trainable values."""
        return sum(weight.numel() for weight in self.parameters())

    def forward(
        self, frames: Tensor, frame_lengths: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames (B, T, F) and frame_lengths (B,) -> log_probs (B, T, V) and output_lengths (B,).

        What an utterance gets does not depend on its padding or its neighbours; rows of log_probs beyond its length
        mean nothing. `generator` draws the dropout.
        """
        hidden = frames.transpose(0, 1)
        reverse = _reversal(frame_lengths, len(hidden)) if self.config.bidirectional else None
        for layer, forward in enumerate(self.forwards):
            if layer:
                hidden = self._drop(hidden, generator)
            output, _ = forward(hidden)
            if reverse is not None:
                backward, _ = self.backwards[layer](_reorder(hidden, reverse))
                output = torch.cat([output, _reorder(backward, reverse)], dim=2)
            hidden = output
        hidden = self._drop(hidden, generator)
        if self.projection is not None:
            hidden = self.projection(hidden)
        log_probs = self.head(hidden).float().log_softmax(dim=2)
        return log_probs.transpose(0, 1), frame_lengths

    def _drop(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        """Dropout with one mask for all frames of an utterance (Gal & Ghahramani 2016): values (T, B, H)."""
        rate = self.config.dropout
        if not self.training or rate == 0:
            return values
        drawn = torch.rand(values.shape[1:], generator=generator)  # on the CPU: the same on every device
        return values * (drawn >= rate).to(values) / (1 - rate)


def _reversal(lengths: Tensor, num_frames: int) -> Tensor:
    """Index (T, B) of the frame that stands at each index once every utterance is turned round in its own length."""
    indices = torch.arange(num_frames, device=lengths.device)[:, None]
    return torch.where(indices < lengths, lengths - 1 - indices, indices)


def _reorder(values: Tensor, index: Tensor) -> Tensor:
    """(T, B, F) with the frames of each utterance in the order of index (T, B), which must be its own inverse."""
    reordered: Tensor = _Reorder.apply(values, index[:, :, None].expand(-1, -1, values.shape[2]))
    return reordered


class _Reorder(torch.autograd.Function):
    """A gather whose gradient is the same gather: PyTorch's own, a scatter, is three times as slow."""

    @staticmethod
    def forward(context: Any, values: Tensor, index: Tensor) -> Tensor:
        context.save_for_backward(index)
        return values.gather(0, index)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.gather(0, context.saved_tensors[0]), None
