"""Model files that run: onnxruntime sessions, and noise to try them on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import UserError
from asr.files import shown
from asr.modelfile import wire
from asr.modelfile.card import ModelCard, ModelError


def load(path: Path, *, threads: int = 1) -> tuple[Any, ModelCard]:
    """A session of a model file, and its card; raises ModelError naming the file.

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
        wire.check(data)
        session = start(data, threads=threads)
        card = ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map)
        card.check_statistics()
        _try(session, card)
        return session, card
    except UserError as error:
        raise ModelError(f"{name}: {error}") from None


def _try(session: Any, card: ModelCard) -> None:
    """Raise ModelError unless a session takes and gives what its card says, for noise of two lengths."""
    num_features, num_tokens = card.features.num_features, len(card.tokenizer)
    names = [item.name for item in session.get_inputs()], [item.name for item in session.get_outputs()]
    if names != (["frames", "frame_lengths"], ["log_probs", "output_lengths"]):
        raise ModelError("its inputs or outputs are not those of a model of this package")
    frames = np.random.default_rng(0).standard_normal((2, 9, num_features)).astype(np.float32)
    lengths = np.array([9, 4], np.int64)
    try:
        log_probs, output_lengths = session.run(None, {"frames": frames, "frame_lengths": lengths})
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise ModelError(f"it does not run: {str(error).splitlines()[0]}") from None
    if log_probs.shape != (2, 9, num_tokens) or output_lengths.tolist() != [9, 4]:
        raise ModelError(
            f"it gives {log_probs.shape}, where its alphabet of {num_tokens} tokens wants {2, 9, num_tokens}"
        )
    inside = np.concatenate([log_probs[0], log_probs[1, :4]]).astype(np.float64)
    if not np.isfinite(inside).all() or not np.allclose(np.exp(inside).sum(axis=1), 1, atol=1e-3):
        raise ModelError("what it gives are no log-probabilities: its weights are damaged")


def start(model: Path | bytes, *, threads: int = 1) -> Any:
    """A session of an ONNX file or of its bytes; raises ModelError where onnxruntime refuses it.

    One thread is fastest for so small a network: more would spin where the cores are busy.
    """
    import onnxruntime

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
