"""Model files -> model files, without PyTorch: weights of 8 bits, means of weights, ensembles."""

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from asr import files
from asr.modelfile.card import ModelCard, ModelError, Timing, read_graph

HEAD = "head_weight"
"""The name of the weights of the last layer in a graph."""
_LIKENESS = 0.25  # correlation of weights: 0.4 and more of networks that began with the same one, else near 0
_SAME = 1e-4  # in log-probability


def quantise(source: Path, target: Path) -> float:
    """Write a model file with weights of 8 bits, a quarter of the size; returns the largest difference in probability.

    Weights are rounded once, what flows between the layers while the network runs (onnxruntime's dynamic quantization).
    The difference is that of one letter in one frame, over several lengths of noise. Raises ModelError naming the
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
    files.write_bytes(target, quantised.SerializeToString())
    before, after = (session(path.read_bytes()) for path in (source, target))
    worst = 0.0
    for frames, lengths in probes(card.features.num_features):
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
    decoder weights that were tuned for it. Raises ModelError naming the file where one is no model of this
    package, has 8 bits, hears or spells otherwise than the first, or did not begin where the first did.
    """
    mean, ours, card = read(sources[0])
    total = {name: value.astype(np.float64) for name, value in ours.items()}
    for source in sources[1:]:
        _, theirs, other = read(source)
        _check_like(source, other, sources[0], card)
        if _shapes(theirs) != _shapes(ours):
            raise ModelError(f"{source}: its network has another shape than that of {sources[0]}")
        flat = [np.concatenate([weights[name].ravel() for name in ours]) for weights in (ours, theirs)]
        likeness = np.corrcoef(flat)[0, 1]
        if likeness < _LIKENESS:
            raise ModelError(
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
    files.write_bytes(target, mean.SerializeToString())


def ensemble(sources: Sequence[Path], target: Path) -> None:
    """Write several networks in one file that hears the mean of their log-probabilities, made to sum to one again.

    Any that hear and spell alike: what they have in common is what they have learned, what differs is chance (Hansen &
    Salamon 1990). As large as all of them; all else is as in the first, without the decoder weights that
    were tuned for it, and with the mean of their word margins. Raises ModelError naming the file where one is no
    model of this package, has 8 bits, is an ensemble itself, or hears or spells otherwise than the first;
    RuntimeError where the file does not give that mean.
    """
    graphs, _, cards = zip(*map(read, sources), strict=True)
    joint = copy.deepcopy(graphs[0])
    for part in (joint.graph.node, joint.graph.initializer):
        del part[:]
    heard = []
    for number, (source, graph, card) in enumerate(zip(sources, graphs, cards, strict=True)):
        _check_like(source, card, sources[0], cards[0])
        heard.append(_add_network(joint.graph, graph.graph, f"network{number}_"))
    joint.graph.node.append(helper.make_node("Mean", heard, ["mean"], name="mean"))
    joint.graph.node.append(helper.make_node("LogSoftmax", ["mean"], ["log_probs"], name="log_probs", axis=2))
    joint.graph.node.append(helper.make_node("Identity", ["frame_lengths"], ["output_lengths"], name="output_lengths"))
    timing = Timing(fmean(card.timing.lead_s for card in cards), fmean(card.timing.tail_s for card in cards))
    helper.set_model_props(joint, replace(cards[0], tuning={}, timing=timing).to_metadata())
    onnx.checker.check_model(joint, full_check=True)
    made = joint.SerializeToString()
    alone, together = [session(graph.SerializeToString()) for graph in graphs], session(made)
    for frames, lengths in probes(cards[0].features.num_features):
        inputs = {"frames": frames, "frame_lengths": lengths}
        mean = np.mean([network.run(None, inputs)[0] for network in alone], axis=0)
        wanted = mean - np.logaddexp.reduce(mean, axis=2, keepdims=True)
        if not np.allclose(together.run(None, inputs)[0], wanted, rtol=0, atol=_SAME):
            raise RuntimeError(f"{target}: the ensemble does not give the mean of its networks")
    files.write_bytes(target, made)


def read(path: Path) -> tuple[Any, dict[str, npt.NDArray[np.float32]], ModelCard]:
    """The graph, its weights by name, and the card of a file with one network.

    Raises ModelError naming it where it is no model of this package, has 8 bits, or is an ensemble.
    """
    graph, card = _whole(path)
    weights = {item.name: numpy_helper.to_array(item) for item in graph.graph.initializer}
    if HEAD not in weights:
        raise ModelError(
            f"{path}: an ensemble of several networks has no weights of its own; take a model that it is made from"
        )
    # Without the constants of its shape.
    return graph, {name: value for name, value in weights.items() if value.dtype == np.float32}, card


def session(model: bytes) -> Any:
    """A model file's bytes, to run on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # more would spin where the cores are busy
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def probes(num_features: int) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Frames (B, T, F) of noise and their lengths (B,), in several batches."""
    rng = np.random.default_rng(0)
    for lengths in ([1], [57], [3, 40, 17], [120, 1, 33, 64, 90, 2, 8, 120]):
        frames = rng.standard_normal((len(lengths), max(lengths), num_features)).astype(np.float32)
        yield frames, np.array(lengths, np.int64)


def _add_network(joint: Any, graph: Any, prefix: str) -> str:
    """Add the nodes and weights of `graph` to `joint`, names of their own; returns that of its log-probabilities."""
    shared = {"frames", "frame_lengths"}

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
    if not card.hears_as(first_card):
        raise ModelError(f"{source}: it hears or spells otherwise than {first}: begin both with one model")


def _shapes(weights: dict[str, npt.NDArray[np.float32]]) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in weights.items()}


def _whole(path: Path) -> tuple[Any, ModelCard]:
    """The graph and the card of a model file; raises ModelError naming it where its weights were rounded."""
    graph = read_graph(path)
    try:
        card = ModelCard.from_metadata({item.key: item.value for item in graph.metadata_props})
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    if card.precision != "float32":
        raise ModelError(f"{path}: its weights are {card.precision}; take the model that it was made from")
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
