"""Weights -> an ONNX file built operator by operator, and a check that it gives what PyTorch gives.

The graph is made of ONNX's own LSTM operator with its `sequence_lens`, so that padding changes nothing there either,
and batch and length stay free. (Tracing exporters bake the length of the example into the graph.)
"""

import copy
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from asr import files
from asr.modelfile import convert
from asr.modelfile.card import ModelCard
from asr.network.encoder import AcousticModel

_OPSET, _IR = 14, 8  # old enough for every onnxruntime on the devices
PARITY = 1e-4
_ROUNDING = 10  # times what PyTorch loses by computing in float32, before the graph is to blame


def export(model: AcousticModel, card: ModelCard, path: Path) -> float:
    """Write `model` to an ONNX file and check it; returns the difference in log-probability that `parity` finds.

    Inputs: frames (B, T, F) float32, frame_lengths (B,) int64. Outputs: log_probs (B, T, V), output_lengths (B,).
    Raises RuntimeError if it is more than PARITY; then no file is left.
    """
    num_features, num_tokens = card.features.num_features, len(card.tokenizer)
    graph = _graph(model, num_features, num_tokens)
    exported = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="asr",
        producer_version=card.version,
    )
    helper.set_model_props(exported, card.to_metadata())
    onnx.checker.check_model(exported, full_check=True)
    difference = parity(model, exported.SerializeToString(), num_features)
    if difference > PARITY:
        raise RuntimeError(
            f"{path}: the exported model differs from the trained one by {difference:.2g} more than rounding explains"
        )
    files.write_bytes(path, exported.SerializeToString())
    return difference


def read(path: Path) -> tuple[dict[str, torch.Tensor], ModelCard]:
    """The weights by their names in AcousticModel, and the card, of a file that `export` wrote: its inverse.

    Raises ModelError as `convert.read` does.
    """
    _, values, card = convert.read(path)
    weights = {"head.weight": values[convert.HEAD].T, "head.bias": values["head_bias"]}
    for name, value in values.items():
        if re.fullmatch(r"[WRB]\d+", name):
            for direction, directed in zip(("forwards", "backwards"), value, strict=False):
                prefix = f"{direction}.{name[1:]}."
                if name[0] == "B":
                    inputs, recurrent = np.split(directed, 2)
                    weights |= {
                        f"{prefix}bias_ih_l0": _torch_gates(inputs),
                        f"{prefix}bias_hh_l0": _torch_gates(recurrent),
                    }
                else:
                    weights[f"{prefix}weight_{'ih' if name[0] == 'W' else 'hh'}_l0"] = _torch_gates(directed)
    return {name: torch.from_numpy(value.copy()) for name, value in weights.items()}, card


def parity(model: AcousticModel, exported: bytes, num_features: int) -> float:
    """Largest difference in log-probability, over several batches, between the graph and the model in double precision.

    Less what rounding explains, _ROUNDING times what PyTorch itself loses in that batch by computing in float32: a
    network that has learned for long can make much of a small difference.
    """
    session = convert.session(exported)
    single = copy.deepcopy(model).eval()
    double = copy.deepcopy(single).double()
    worst = -math.inf
    for frames, lengths in convert.probes(num_features):
        got, _ = session.run(None, {"frames": frames, "frame_lengths": lengths})
        with torch.no_grad():
            rounded = single(torch.from_numpy(frames), torch.from_numpy(lengths))[0].numpy()
            exact = double(torch.from_numpy(frames).double(), torch.from_numpy(lengths))[0].numpy()
        is_frame = np.arange(frames.shape[1]) < lengths[:, None]
        lost, differs = (float(np.abs(one - exact)[is_frame].max()) for one in (rounded, got))
        worst = max(worst, differs - _ROUNDING * lost)
    return worst


def _graph(model: AcousticModel, num_features: int, num_tokens: int) -> Any:
    weights: list[Any] = []
    nodes: list[Any] = []

    def constant(name: str, value: npt.NDArray[Any]) -> str:
        weights.append(numpy_helper.from_array(value, name))
        return name

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    hidden_size = model.config.hidden_size
    add("Cast", ["frame_lengths"], "sequence_lens", to=TensorProto.INT32)
    hidden = add("Transpose", ["frames"], "time_first", perm=[1, 0, 2])
    # 0 keeps a dimension's size, -1 takes what is left: the directions side by side.
    flat = constant("flat", np.array([0, 0, -1], np.int64))
    for layer in range(model.config.num_layers):
        directions = [model.forwards[layer], *([model.backwards[layer]] if model.config.bidirectional else [])]
        inputs = [constant(f"{name}{layer}", value) for name, value in _lstm_weights(directions).items()]
        output = add(
            "LSTM",
            [hidden, *inputs, "sequence_lens"],
            f"lstm{layer}",
            hidden_size=hidden_size,
            direction="bidirectional" if model.config.bidirectional else "forward",
        )
        # (T, directions, B, H) -> (T, B, directions * H)
        output = add("Transpose", [output], f"batch_next{layer}", perm=[0, 2, 1, 3])
        hidden = add("Reshape", [output, flat], f"hidden{layer}")
    head = constant(convert.HEAD, model.head.weight.detach().numpy().T.copy())
    logits = add("MatMul", [hidden, head], "product")
    logits = add("Add", [logits, constant("head_bias", model.head.bias.detach().numpy())], "logits")
    add("Transpose", [add("LogSoftmax", [logits], "time_first_log_probs", axis=2)], "log_probs", perm=[1, 0, 2])
    add("Identity", ["frame_lengths"], "output_lengths")
    return helper.make_graph(
        nodes,
        "acoustic_model",
        [
            helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", "time", num_features]),
            helper.make_tensor_value_info("frame_lengths", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "time", num_tokens]),
            helper.make_tensor_value_info("output_lengths", TensorProto.INT64, ["batch"]),
        ],
        initializer=weights,
    )


def _lstm_weights(directions: list[Any]) -> dict[str, npt.NDArray[np.float32]]:
    """W, R and B of ONNX's LSTM: its gates stand in the order input, output, forget, cell; PyTorch's i, f, c, o."""

    def gates(values: torch.Tensor) -> npt.NDArray[np.float32]:
        i, f, c, o = values.detach().chunk(4)
        reordered: npt.NDArray[np.float32] = torch.cat([i, o, f, c]).numpy()
        return reordered

    return {
        "W": np.stack([gates(lstm.weight_ih_l0) for lstm in directions]),
        "R": np.stack([gates(lstm.weight_hh_l0) for lstm in directions]),
        "B": np.stack([np.hstack([gates(lstm.bias_ih_l0), gates(lstm.bias_hh_l0)]) for lstm in directions]),
    }


def _torch_gates(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows in ONNX's order of gates, input, output, forget, cell, brought to PyTorch's."""
    i, o, f, c = np.split(values, 4)
    return np.concatenate([i, f, c, o])
