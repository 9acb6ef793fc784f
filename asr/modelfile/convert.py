"""Model files -> model files, without PyTorch: weights of 8 bits, ensembles."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from asr import files
from asr.modelfile import layers, onnx_file, session
from asr.modelfile.card import ModelCard, ModelError, Timing

_SAME = 1e-4  # in log-probability


def quantise(source: Path, target: Path) -> float:
    """Write a model file with weights of 8 bits, a quarter of the size; returns the largest difference in probability.

    The weights of each gate or token share a scale, their largest by 127; what flows between the layers keeps its
    precision, so that every home of the file computes the same, whatever the batch. The difference is that of one
    letter in one frame, over several lengths of noise. Raises ModelError naming the file where `source` is no model of
    this package, or was quantised before.
    """
    graph, card = onnx_file.read_whole(source)
    quantised = _with_weights_of_8_bits(graph)
    helper.set_model_props(quantised, replace(card, precision="int8").to_metadata())
    onnx.checker.check_model(quantised, full_check=True)
    files.write_bytes(target, quantised.SerializeToString())
    before, after = (session.load(path)[0] for path in (source, target))
    worst = 0.0
    for frames, lengths in session.probes(card.features.num_features):
        is_frame = np.arange(frames.shape[1]) < lengths[:, None]
        inputs: dict[str, npt.NDArray[Any]] = {"frames": frames, "frame_lengths": lengths}
        exact, rounded = (np.exp(network.run(None, inputs)[0][is_frame]) for network in (before, after))
        worst = max(worst, float(np.abs(exact - rounded).max()))
    return worst


def _with_weights_of_8_bits(graph: Any) -> Any:
    """The graph with whole numbers for its matrices, and two nodes before each that multiply them by their scales."""
    small = copy.deepcopy(graph)
    del small.graph.initializer[:], small.graph.node[:]
    for item in graph.graph.initializer:
        values = numpy_helper.to_array(item)
        if values.ndim != 3 and not item.name.endswith((onnx_file.PROJECTION, onnx_file.HEAD)):
            small.graph.initializer.append(item)
            continue
        whole, scales = layers.rounded(values, axis=2 if values.ndim == 3 else 0)
        whole_name, scale_name, cast_name = (f"{item.name}_{part}" for part in ("int8", "scale", "cast"))
        small.graph.initializer.append(numpy_helper.from_array(whole, whole_name))
        small.graph.initializer.append(numpy_helper.from_array(scales, scale_name))
        cast = helper.make_node("Cast", [whole_name], [cast_name], name=cast_name, to=TensorProto.FLOAT)
        small.graph.node.extend([cast, helper.make_node("Mul", [cast_name, scale_name], [item.name], name=item.name)])
    small.graph.node.extend(graph.graph.node)
    return small


def ensemble(sources: Sequence[Path], target: Path) -> None:
    """Write several networks in one file that averages their log-probabilities, made to sum to one again.

    They must have the same features and alphabet. Their common errors stay, their differences average out (Hansen &
    Salamon 1990). As large as all of them; all else is as in the first, without the decoder weights that
    were tuned for it, and with the mean of their word margins. Raises ModelError naming the file where one is no
    model of this package, has 8 bits, is an ensemble itself, or has other features or another alphabet than the first;
    RuntimeError where the file does not give that mean.
    """
    graphs, _, cards = zip(*map(onnx_file.read, sources), strict=True)
    joint = copy.deepcopy(graphs[0])
    for part in (joint.graph.node, joint.graph.initializer):
        del part[:]
    outputs = []
    for number, (source, graph, card) in enumerate(zip(sources, graphs, cards, strict=True)):
        _check_like(source, card, sources[0], cards[0])
        outputs.append(_add_network(joint.graph, graph.graph, f"network{number}_"))
    joint.graph.node.append(helper.make_node("Mean", outputs, ["mean"], name="mean"))
    joint.graph.node.append(helper.make_node("LogSoftmax", ["mean"], ["log_probs"], name="log_probs", axis=2))
    joint.graph.node.append(helper.make_node("Identity", ["frame_lengths"], ["output_lengths"], name="output_lengths"))
    timing = Timing(fmean(card.timing.lead_s for card in cards), fmean(card.timing.tail_s for card in cards))
    helper.set_model_props(joint, replace(cards[0], tuning={}, timing=timing).to_metadata())
    onnx.checker.check_model(joint, full_check=True)
    made = joint.SerializeToString()
    alone, together = [session.start(graph.SerializeToString()) for graph in graphs], session.start(made)
    for frames, lengths in session.probes(cards[0].features.num_features):
        inputs = {"frames": frames, "frame_lengths": lengths}
        mean = np.mean([network.run(None, inputs)[0] for network in alone], axis=0)
        wanted = mean - np.logaddexp.reduce(mean, axis=2, keepdims=True)
        if not np.allclose(together.run(None, inputs)[0], wanted, rtol=0, atol=_SAME):
            raise RuntimeError(f"{target}: the ensemble does not give the mean of its networks")
    files.write_bytes(target, made)


def _add_network(joint: Any, graph: Any, prefix: str) -> str:
    """Add the nodes and weights of `graph` to `joint`, names of their own; returns that of its log-probabilities."""
    shared = {"frames", "frame_lengths", ""}  # nothing: what an operator does without

    def renamed(name: str) -> str:
        return name if name in shared else prefix + name

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
    if not card.has_same_input_as(first_card):
        raise ModelError(f"{source}: has other features or another alphabet than {first}")
