"""Weights -> an ONNX file built operator by operator, and a check that it gives what PyTorch gives; 8 bits; means of
weights, and ensembles.

The graph is made of ONNX's own LSTM operator with its `sequence_lens`, so that padding changes nothing there either,
and batch and length stay free. (Tracing exporters bake the length of the example into the graph.)
"""

import copy
import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from asr.checkpoint import CheckpointError, ModelCard, Timing, read_graph, write_bytes
from asr.model import AcousticModel

_OPSET, _IR = 14, 8  # old enough for every onnxruntime on the devices
PARITY = 1e-4
_LIKENESS = 0.25  # correlation of weights: 0.4 and more of networks that began with the same one, else near 0
_HEAD = "head_weight"
_ENSEMBLE = "an ensemble of several networks has no weights of its own; take one of the models that it is made from"
_ROUNDING = 10  # times what PyTorch loses by computing in float32, before the graph is to blame


class ExportError(ValueError):
    """The exported graph does not give what the model gives."""


def export(model: AcousticModel, card: ModelCard, path: Path) -> float:
    """Write `model` to an ONNX file and check it; returns the difference in log-probability that `parity` finds.

    Inputs: frames (B, T, F) float32, frame_lengths (B,) int64. Outputs: log_probs (B, T, V), output_lengths (B,).
    Raises ExportError if it is more than PARITY; then no file is left.
    """
    num_features, num_tokens = card.features.num_features, len(card.tokenizer)
    graph = _graph(model, num_features, num_tokens)
    exported = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR, producer_name="asr",
        producer_version=card.version,
    )  # fmt: skip
    helper.set_model_props(exported, card.to_metadata())
    onnx.checker.check_model(exported, full_check=True)
    difference = parity(model, exported.SerializeToString(), num_features)
    if difference > PARITY:
        raise ExportError(
            f"{path}: the exported model differs from the trained one by {difference:.2g} more than rounding explains"
        )
    write_bytes(path, exported.SerializeToString())
    return difference


def read(path: Path) -> tuple[dict[str, torch.Tensor], ModelCard]:
    """The weights by their names in AcousticModel, and the card, of a file that `export` wrote: its inverse.

    Raises CheckpointError naming the file.
    """
    exported, card = _whole(path)
    values = _floats(exported)
    if _HEAD not in values:
        raise CheckpointError(f"{path}: {_ENSEMBLE}")
    weights = {"head.weight": values[_HEAD].T, "head.bias": values["head_bias"]}
    for name, value in values.items():
        if re.fullmatch(r"[WRB]\d+", name):
            for direction, directed in zip(("forwards", "backwards"), value, strict=False):
                prefix = f"{direction}.{name[1:]}."
                if name[0] == "B":
                    inputs, recurrent = np.split(directed, 2)
                    weights |= {f"{prefix}bias_ih_l0": _torch_gates(inputs),
                                f"{prefix}bias_hh_l0": _torch_gates(recurrent)}  # fmt: skip
                else:
                    weights[f"{prefix}weight_{'ih' if name[0] == 'W' else 'hh'}_l0"] = _torch_gates(directed)
    return {name: torch.from_numpy(value.copy()) for name, value in weights.items()}, card


def quantise(source: Path, target: Path) -> float:
    """Write a model file with weights of 8 bits, a quarter of the size; returns the largest difference in probability.

    Weights are rounded once, what flows between the layers while the network runs (onnxruntime's dynamic quantization).
    The difference is that of one letter in one frame, over several lengths of noise. Raises CheckpointError naming the
    file where `source` is no model of this package, or was quantised before.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph, card = _whole(source)
    part = target.with_name(target.name + ".part")
    try:
        with _quiet():
            quantize_dynamic(graph, str(part), weight_type=QuantType.QInt8)
        quantised = read_graph(part)
    finally:
        part.unlink(missing_ok=True)
    helper.set_model_props(quantised, replace(card, precision="int8").to_metadata())
    write_bytes(target, quantised.SerializeToString())
    before, after = (_session(path.read_bytes()) for path in (source, target))
    worst = 0.0
    for frames, lengths in _probes(card.features.num_features):
        for row, length in enumerate(lengths.tolist()):
            alone = {"frames": frames[row : row + 1, :length], "frame_lengths": lengths[row : row + 1]}
            worst = max(
                worst, float(np.abs(np.exp(before.run(None, alone)[0]) - np.exp(after.run(None, alone)[0])).max())
            )
    return worst


def average(sources: Sequence[Path], target: Path) -> None:
    """Write the mean of the weights of several models: a model soup (Wortsman et al. 2022).

    Networks that went on from one network for some epochs lie close enough for their mean to hear better than they do
    on average; after long training it can be worse than each. All but the weights is as in the first, without the
    decoder weights that were tuned for it. Raises CheckpointError naming the file where one is no model of this
    package, has 8 bits, hears or spells otherwise than the first, or did not begin where the first did.
    """
    mean, card = _whole(sources[0])
    ours = _floats(mean)
    total = {name: value.astype(np.float64) for name, value in ours.items()}
    if _HEAD not in ours:
        raise CheckpointError(f"{sources[0]}: {_ENSEMBLE}")
    for source in sources[1:]:
        graph, other = _whole(source)
        theirs = _floats(graph)
        _check_like(source, other, sources[0], card)
        if _shapes(theirs) != _shapes(ours):
            raise CheckpointError(f"{source}: its network has another shape than that of {sources[0]}")
        flat = [np.concatenate([weights[name].ravel() for name in ours]) for weights in (ours, theirs)]
        likeness = np.corrcoef(flat)[0, 1]
        if likeness < _LIKENESS:
            raise CheckpointError(
                f"{source}: its weights are not like those of {sources[0]} (correlation {likeness:.2f}): begin both "
                "with one model, train.init_from=MODEL"
            )
        for name, value in theirs.items():
            total[name] += value
    for item in mean.graph.initializer:
        if item.name in total:
            value = (total[item.name] / len(sources)).astype(np.float32)
            item.CopyFrom(numpy_helper.from_array(value, item.name))
    helper.set_model_props(mean, replace(card, tuning={}).to_metadata())
    write_bytes(target, mean.SerializeToString())


def ensemble(sources: Sequence[Path], target: Path) -> None:
    """Write several networks in one file that hears the mean of their log-probabilities, made to sum to one again.

    Any that hear and spell alike: what they have in common is what they have learned, what differs is chance (Hansen &
    Salamon 1990). As large as all of them, and as slow. All else is as in the first, without the decoder weights that
    were tuned for it, and with the mean of their word margins. Raises CheckpointError naming the file where one is no
    model of this package, has 8 bits, is an ensemble itself, or hears or spells otherwise than the first; ExportError
    where the file does not give that mean.
    """
    graphs, cards = zip(*map(_whole, sources), strict=True)
    joint = copy.deepcopy(graphs[0])
    for part in (joint.graph.node, joint.graph.initializer):
        del part[:]
    heard = []
    for number, (source, graph, card) in enumerate(zip(sources, graphs, cards, strict=True)):
        if _HEAD not in _floats(graph):
            raise CheckpointError(f"{source}: {_ENSEMBLE}")
        _check_like(source, card, sources[0], cards[0])
        heard.append(_add_network(joint.graph, graph.graph, f"network{number}_"))
    joint.graph.node.append(helper.make_node("Mean", heard, ["mean"], name="mean"))
    joint.graph.node.append(helper.make_node("LogSoftmax", ["mean"], ["log_probs"], name="log_probs", axis=2))
    joint.graph.node.append(helper.make_node("Identity", ["frame_lengths"], ["output_lengths"], name="output_lengths"))
    timing = Timing(*(float(np.mean([vars(card.timing)[name] for card in cards])) for name in ("lead_s", "tail_s")))
    helper.set_model_props(joint, replace(cards[0], tuning={}, timing=timing).to_metadata())
    onnx.checker.check_model(joint, full_check=True)
    made = joint.SerializeToString()
    sessions = [_session(graph.SerializeToString()) for graph in graphs]
    together = _session(made)
    for frames, lengths in _probes(cards[0].features.num_features):
        inputs = {"frames": frames, "frame_lengths": lengths}
        mean = np.mean([session.run(None, inputs)[0] for session in sessions], axis=0)
        wanted = mean - np.logaddexp.reduce(mean, axis=2, keepdims=True)
        if not np.allclose(together.run(None, inputs)[0], wanted, rtol=0, atol=PARITY):
            raise ExportError(f"{target}: the ensemble does not give the mean of its networks")
    write_bytes(target, made)


def _add_network(joint: Any, graph: Any, prefix: str) -> str:
    """Add the nodes and weights of `graph` to `joint`, names of their own; returns that of its log-probabilities."""
    shared = {"frames", "frame_lengths"}

    def renamed(name: str) -> str:
        return name if name in shared or not name else prefix + name

    for item in graph.initializer:
        joint.initializer.add().CopyFrom(item)
        joint.initializer[-1].name = renamed(item.name)
    for node in graph.node:
        if node.output[0] == "output_lengths":
            continue
        joint.node.add().CopyFrom(node)
        joint.node[-1].name = prefix + node.name
        joint.node[-1].input[:] = [renamed(name) for name in node.input]
        joint.node[-1].output[:] = [renamed(name) for name in node.output]
    return prefix + "log_probs"


def _check_like(source: Path, card: ModelCard, first: Path, first_card: ModelCard) -> None:
    if not card.hears_as(first_card):
        raise CheckpointError(f"{source}: it hears or spells otherwise than {first}: begin both with one model")


def _floats(exported: Any) -> dict[str, npt.NDArray[np.float32]]:
    """The weights of a graph by name, without the constants of its shape."""
    values = {item.name: numpy_helper.to_array(item) for item in exported.graph.initializer}
    return {name: value for name, value in values.items() if value.dtype == np.float32}


def _shapes(weights: dict[str, npt.NDArray[np.float32]]) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in weights.items()}


def _whole(path: Path) -> tuple[Any, ModelCard]:
    """The graph and the card of a model file; raises CheckpointError naming it where its weights were rounded."""
    graph = read_graph(path)
    try:
        card = ModelCard.from_metadata({item.key: item.value for item in graph.metadata_props})
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if card.precision != "float32":
        raise CheckpointError(f"{path}: its weights are {card.precision}; take the model that it was made from")
    return graph, card


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser recommends a preparation that this graph has no need of, to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # more would spin where the cores are busy
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _probes(num_features: int) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Frames (B, T, F) of noise and their lengths (B,), in several batches."""
    rng = np.random.default_rng(0)
    for lengths in ([1], [57], [3, 40, 17], [120, 1, 33, 64, 90, 2, 8, 120]):
        frames = rng.standard_normal((len(lengths), max(lengths), num_features)).astype(np.float32)
        yield frames, np.array(lengths, np.int64)


def parity(model: AcousticModel, exported: bytes, num_features: int) -> float:
    """Largest difference in log-probability, over several batches, between the graph and the model in double precision.

    Less what rounding explains, _ROUNDING times what PyTorch itself loses in that batch by computing in float32: a
    network that has learned for long can make much of a small difference.
    """
    session = _session(exported)
    single = copy.deepcopy(model).eval()
    double = copy.deepcopy(single).double()
    worst = -math.inf
    for frames, lengths in _probes(num_features):
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
        output = add("LSTM", [hidden, *inputs, "sequence_lens"], f"lstm{layer}", hidden_size=hidden_size,
                     direction="bidirectional" if model.config.bidirectional else "forward")  # fmt: skip
        # (T, directions, B, H) -> (T, B, directions * H)
        output = add("Transpose", [output], f"batch_next{layer}", perm=[0, 2, 1, 3])
        hidden = add("Reshape", [output, flat], f"hidden{layer}")
    head = constant(_HEAD, model.head.weight.detach().numpy().T.copy())
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
