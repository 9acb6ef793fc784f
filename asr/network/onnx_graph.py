"""Weights -> an ONNX file built operator by operator, and a check that it gives what PyTorch gives.

The graph is made of ONNX's own recurrent operators with their `sequence_lens`, so that padding changes nothing there
either, and batch and length stay free. (Tracing exporters bake the length of the example into the graph.)
"""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from asr import files
from asr.modelfile import onnx_file, session
from asr.modelfile.card import ModelCard
from asr.network.cells import CELLS
from asr.network.encoder import AcousticModel

_OPSET, _IR = 14, 8  # old enough for every onnxruntime on the devices
PARITY = 1e-4
_ROUNDING = 10  # times what PyTorch loses by computing in float32, before the graph is to blame


def export(model: AcousticModel, card: ModelCard, path: Path) -> float:
    """Write `model` to an ONNX file and check it; returns the difference in log-probability that `parity` finds.

    Inputs: frames (B, T, F) float32, frame_lengths (B,) int64. Outputs: log_probs (B, T, V), output_lengths (B,).
    Raises RuntimeError if it is more than PARITY; then no file is left.
    """
    num_features = card.features.num_features
    graph = _graph(model, num_features)
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

    Raises ModelError as `onnx_file.read` does.
    """
    graph, values, card = onnx_file.read(path)
    weights = {}
    for name in ("projection", "head"):
        if f"{name}_weight" in values:
            weights[f"{name}.weight"] = torch.from_numpy(values[f"{name}_weight"].T.copy())
            weights[f"{name}.bias"] = torch.from_numpy(values[f"{name}_bias"].copy())
    operators = {cell.operator for cell in CELLS.values()}
    for layer, node in enumerate(node for node in graph.graph.node if node.op_type in operators):
        names = zip(_input_names(node.op_type), node.input, strict=False)
        inputs = {name: values[given] for name, given in names if given in values}
        directions = CELLS[node.name.removesuffix(str(layer))].from_onnx(inputs)
        for direction, own in zip(("forwards", "backwards"), directions, strict=False):
            weights |= {f"{direction}.{layer}.{name}": value for name, value in own.items()}
    return weights, card


def parity(model: AcousticModel, exported: bytes, num_features: int) -> float:
    """Largest difference in log-probability, over several batches, between the graph and the model in double precision.

    Less what rounding explains, _ROUNDING times what PyTorch itself loses in that batch by computing in float32: a
    network that has learned for long can make much of a small difference.
    """
    exported_session = session.start(exported)
    single = copy.deepcopy(model).eval()
    double = copy.deepcopy(single).double()
    worst = -math.inf
    for frames, lengths in session.probes(num_features):
        got, _ = exported_session.run(None, {"frames": frames, "frame_lengths": lengths})
        with torch.no_grad():
            rounded = single(torch.from_numpy(frames), torch.from_numpy(lengths))[0].numpy()
            exact = double(torch.from_numpy(frames).double(), torch.from_numpy(lengths))[0].numpy()
        is_frame = np.arange(frames.shape[1]) < lengths[:, None]
        lost, differs = (float(np.abs(one - exact)[is_frame].max()) for one in (rounded, got))
        worst = max(worst, differs - _ROUNDING * lost)
    return worst


def _graph(model: AcousticModel, num_features: int) -> Any:
    weights: list[Any] = []
    nodes: list[Any] = []

    def constant(name: str, value: npt.NDArray[Any]) -> str:
        weights.append(numpy_helper.from_array(value, name))
        return name

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    cell = model.cell
    add("Cast", ["frame_lengths"], "sequence_lens", to=TensorProto.INT32)
    hidden = add("Transpose", ["frames"], "time_first", perm=[1, 0, 2])
    # 0 keeps a dimension's size, -1 takes what is left: the directions side by side.
    flat = constant("flat", np.array([0, 0, -1], np.int64))
    for layer in range(model.config.num_layers):
        directions = [model.forwards[layer], *([model.backwards[layer]] if model.config.bidirectional else [])]
        inputs = {"X": hidden, "sequence_lens": "sequence_lens"}
        inputs |= {name: constant(f"{name}{layer}", value) for name, value in cell.to_onnx(directions).items()}
        output = add(
            cell.operator,
            _ordered(inputs, cell.operator),
            f"{cell.name}{layer}",
            hidden_size=model.config.hidden_size,
            direction="bidirectional" if model.config.bidirectional else "forward",
            **cell.attributes,
        )
        # (T, directions, B, H) -> (T, B, directions * H)
        output = add("Transpose", [output], f"batch_next{layer}", perm=[0, 2, 1, 3])
        hidden = add("Reshape", [output, flat], f"hidden{layer}")
    for name in ("projection", "head") if model.config.projection else ("head",):
        linear = model.get_submodule(name)
        weight = constant(f"{name}_weight", linear.get_parameter("weight").detach().numpy().T.copy())
        bias = constant(f"{name}_bias", linear.get_parameter("bias").detach().numpy())
        hidden = add("Add", [add("MatMul", [hidden, weight], f"{name}_product"), bias], f"{name}_output")
    add("Transpose", [add("LogSoftmax", [hidden], "time_first_log_probs", axis=2)], "log_probs", perm=[1, 0, 2])
    add("Identity", ["frame_lengths"], "output_lengths")
    return helper.make_graph(
        nodes,
        "acoustic_model",
        [
            helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", "time", num_features]),
            helper.make_tensor_value_info("frame_lengths", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "time", model.head.out_features]),
            helper.make_tensor_value_info("output_lengths", TensorProto.INT64, ["batch"]),
        ],
        initializer=weights,
    )


def _input_names(operator: str) -> list[str]:
    """The inputs of an operator in the order of its definition."""
    return [item.name for item in onnx.defs.get_schema(operator, _OPSET).inputs]


def _ordered(inputs: dict[str, str], operator: str) -> list[str]:
    """What stands at each input of an operator: inputs by their names in its definition -> in order, "" for none."""
    names = _input_names(operator)
    last = max(names.index(name) for name in inputs)
    return [inputs.get(name, "") for name in names[: last + 1]]
