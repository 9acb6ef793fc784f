"""The forward pass of a network in NumPy alone: starts at once, and for short sound is as fast as anything."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.modelfile.layers import Layer, Stack, Weights


class Forward:
    """What a session of onnxruntime is for a graph of ours; many threads may use it."""

    def __init__(self, networks: Sequence[Stack]) -> None:
        self._networks = [
            ([_Recurrent(layer) for layer in stack.layers], stack.head, stack.head_bias) for stack in networks
        ]

    def run(self, _names: None, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Inputs frames (B, T, F) and frame_lengths (B,) -> log_probs (B, T, V), output_lengths (B,)."""
        frames, lengths = inputs["frames"], inputs["frame_lengths"]
        time_first = np.ascontiguousarray(frames.transpose(1, 0, 2), np.float32)
        places = np.arange(len(time_first))[:, None]
        is_frame = places < lengths
        # The frame that stands at each place once every utterance is turned round in its own length.
        turned = np.where(is_frame, lengths - 1 - places, places)
        outputs = [self._log_probs(network, time_first, is_frame, turned) for network in self._networks]
        log_probs = outputs[0] if len(outputs) == 1 else _log_softmax(np.mean(outputs, axis=0))
        return [log_probs.transpose(1, 0, 2), lengths]

    @staticmethod
    def _log_probs(
        network: tuple[list["_Recurrent"], Weights, Weights],
        hidden: Weights,
        is_frame: npt.NDArray[np.bool_],
        turned: npt.NDArray[np.int64],
    ) -> Weights:
        layers, head, bias = network
        for layer in layers:
            hidden = layer(hidden, turned)
            if not is_frame.all():
                hidden *= is_frame[:, :, None]
        return _log_softmax(hidden @ head + bias)


class _Recurrent:
    """A layer; both directions go through time in one product a step."""

    def __init__(self, layer: Layer) -> None:
        self._size, self._num_directions = layer.hidden_size, len(layer.inputs)
        # sigmoid(x) = (1 + tanh(x / 2)) / 2: halved here, so that one tanh serves all the gates.
        halves = np.ones((4 * self._size, 1), np.float32)
        halves[: 3 * self._size] = 0.5
        scaled = layer.inputs * halves
        self._inputs = np.ascontiguousarray(scaled.reshape(-1, scaled.shape[2]).T)
        self._recurrent = np.ascontiguousarray((layer.recurrent * halves).transpose(0, 2, 1))
        self._bias = (layer.bias * halves[:, 0]).ravel()

    def __call__(self, inputs: Weights, turned: npt.NDArray[np.int64]) -> Weights:
        """(T, B, F) -> (T, B, D H)."""
        num_frames, num_rows, width = inputs.shape
        size, directions = self._size, self._num_directions
        gates = (inputs.reshape(-1, width) @ self._inputs + self._bias).reshape(num_frames, num_rows, directions, -1)
        before = np.ascontiguousarray(gates.transpose(0, 2, 1, 3))
        rows = np.arange(num_rows)
        if directions == 2:
            before[:, 1] = gates[turned, rows, 1]
        outputs = np.empty((num_frames, directions, num_rows, size), np.float32)
        hidden, cell, new = np.zeros((3, directions, num_rows, size), np.float32)
        product = np.empty((directions, num_rows, 4 * size), np.float32)
        sigmoids = product[..., : 3 * size]
        let_in, let_out, kept, candidate = (product[..., size * gate : size * (gate + 1)] for gate in range(4))
        for frame, output in zip(before, outputs, strict=True):
            np.matmul(hidden, self._recurrent, out=product)
            np.add(product, frame, out=product)
            np.tanh(product, out=product)
            np.multiply(sigmoids, 0.5, out=sigmoids)
            np.add(sigmoids, 0.5, out=sigmoids)
            np.multiply(cell, kept, out=cell)
            np.multiply(let_in, candidate, out=new)
            np.add(cell, new, out=cell)
            np.tanh(cell, out=new)
            hidden = np.multiply(let_out, new, out=output)
        made = np.empty((num_frames, num_rows, directions * size), np.float32)
        made[..., :size] = outputs[:, 0]
        if directions == 2:
            made[..., size:] = outputs[turned, 1, rows]
        return made


def _log_softmax(logits: Weights) -> Weights:
    """(T, B, V), over the last axis."""
    logits = logits - logits.max(axis=2, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=2, keepdims=True)))
