"""Model files -> model files, without PyTorch: weights of 8 bits, ensembles."""

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import onnx
from onnx import helper

from asr import files
from asr.modelfile import onnx_file, session
from asr.modelfile.card import ModelCard, ModelError, Timing

_SAME = 1e-4  # in log-probability


def quantise(source: Path, target: Path) -> float:
    """Write a model file with weights of 8 bits, a quarter of the size; returns the largest difference in probability.

    Weights are rounded once, what flows between the layers while the network runs (onnxruntime's dynamic quantization).
    The difference is that of one letter in one frame, over several lengths of noise. Raises ModelError naming the
    file where `source` is no model of this package, was quantised before, or has a cell that the quantiser would leave
    as it is.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph, card = onnx_file.read_whole(source)
    part = target.with_name(target.name + ".part")
    try:
        with _quiet():
            quantize_dynamic(graph, str(part), weight_type=QuantType.QInt8)
        quantised = onnx_file.read_graph(part)
    finally:
        part.unlink(missing_ok=True)
    _check_quantised(source, quantised.graph)
    helper.set_model_props(quantised, replace(card, precision="int8").to_metadata())
    files.write_bytes(target, quantised.SerializeToString())
    before, after = (session.start(path) for path in (source, target))
    worst = 0.0
    for frames, lengths in session.probes(card.features.num_features):
        for row, length in enumerate(lengths.tolist()):
            alone = {"frames": frames[row : row + 1, :length], "frame_lengths": lengths[row : row + 1]}
            worst = max(
                worst, float(np.abs(np.exp(before.run(None, alone)[0]) - np.exp(after.run(None, alone)[0])).max())
            )
    return worst


def _check_quantised(source: Path, graph: Any) -> None:
    """Raise ModelError where weights of a recurrent operator, which have three axes, are still those of the source."""
    kept = {item.name for item in graph.initializer if len(item.dims) == 3 and item.data_type == onnx.TensorProto.FLOAT}
    for node in graph.node:
        if kept.intersection(node.input):
            raise ModelError(
                f"{source}: onnxruntime has no {node.op_type} of 8 bits, and its weights would stay as they are: "
                "train with model.cell=lstm or lstm_peephole for 8 bits"
            )


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


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser recommends a preparation that this graph has no need of, to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
