"""Model files that run, in NumPy or in onnxruntime; noise to try them on."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from asr import extras
from asr.errors import UserError
from asr.files import shown
from asr.modelfile import graph, wire
from asr.modelfile.card import ModelCard, ModelError
from asr.modelfile.forward import Forward
from asr.modelfile.graph import Graph
from asr.modelfile.layers import OtherNetwork, stacks

Runtime = Literal["numpy", "onnxruntime"]


class Session(Protocol):
    """A network that can be run; onnxruntime's sessions are such."""

    def run(self, names: None, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Inputs frames (B, T, F) and frame_lengths (B,) -> log_probs (B, T, V) and output_lengths (B,)."""


def load(path: Path, *, threads: int = 1, runtime: Runtime = "onnxruntime") -> tuple[Session, ModelCard]:
    """A session of a model file, and its card; raises ModelError naming the file.

    onnxruntime is up to seven times as fast as NumPy, and takes as long to start as NumPy for a minute of sound; where
    it is not installed NumPy does its work. What they find differs by rounding alone. Cells that NumPy's forward pass
    does not know always go to onnxruntime.

    Nothing of the file runs before its operators and constants are checked (see `wire`), no other file is read, and
    what it gives for noise must be finite log-probabilities of its alphabet.
    """
    name = shown(path)
    if not path.is_file():
        raise ModelError(f"{name}: no such model")
    if path.stat().st_size > wire.MAX_BYTES:
        raise ModelError(f"{name}: larger than {wire.MAX_BYTES >> 20} MiB, which no model of this package is")
    data = path.read_bytes()
    try:
        read = graph.read(data)
        card = ModelCard.from_metadata(read.metadata)
        card.check_statistics()
        session = _started(data, read, threads, runtime)
        _try(session, card)
        return session, card
    except UserError as error:
        raise ModelError(f"{name}: {error}") from None


def _started(data: bytes, read: Graph, threads: int, runtime: Runtime) -> Session:
    is_installed = importlib.util.find_spec("onnxruntime") is not None
    if runtime == "numpy" or not is_installed:
        try:
            return Forward(stacks(read))
        except OtherNetwork as error:
            if not is_installed:
                raise ModelError(f"{error}; {extras.missing('such a network', 'onnxruntime', 'bulk')}") from None
    session = start(data, threads=threads)
    names = [item.name for item in session.get_inputs()], [item.name for item in session.get_outputs()]
    if names != (["frames", "frame_lengths"], ["log_probs", "output_lengths"]):
        raise ModelError("its inputs or outputs are not those of a model of this package")
    made: Session = session
    return made


def _try(session: Session, card: ModelCard) -> None:
    """Raise ModelError unless a session takes and gives what its card says, for noise of two lengths."""
    num_features, num_tokens = card.features.num_features, len(card.outputs)
    frames = np.cos(np.arange(2.0, 2 + 18 * num_features) ** 2, dtype=np.float32).reshape(2, 9, num_features)
    lengths = np.array([9, 4], np.int64)
    try:
        log_probs, output_lengths = session.run(None, {"frames": frames, "frame_lengths": lengths})
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise ModelError(f"it does not run: {str(error).splitlines()[0]}") from None
    if log_probs.shape != (2, 9, num_tokens) or output_lengths.tolist() != [9, 4]:
        raise ModelError(f"it gives {log_probs.shape}, where its card wants {num_tokens} outputs: {(2, 9, num_tokens)}")
    inside = np.concatenate([log_probs[0], log_probs[1, :4]]).astype(np.float64)
    if not np.isfinite(inside).all() or not np.allclose(np.exp(inside).sum(axis=1), 1, atol=1e-3):
        raise ModelError("what it gives are no log-probabilities: its weights are damaged")


def start(model: Path | bytes, *, threads: int = 1) -> Any:
    """A session of an ONNX file or of its bytes; raises ModelError where onnxruntime refuses it.

    One thread is fastest for so small a network: more would spin where the cores are busy.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise ModelError(extras.missing("running this network", "onnxruntime", "bulk")) from None

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3  # errors only: the rest is about other people's hardware
    given = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise ModelError(f"not an ONNX model: {str(error).splitlines()[0]}") from None


def probes(num_features: int) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Frames (B, T, F) of noise and their lengths (B,), in several batches."""
    rng = np.random.default_rng(0)
    for lengths in ([1], [57], [3, 40, 17], [120, 1, 33, 64, 90, 2, 8, 120]):
        frames = rng.standard_normal((len(lengths), max(lengths), num_features)).astype(np.float32)
        yield frames, np.array(lengths, np.int64)
