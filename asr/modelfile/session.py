"""Model files that run: onnxruntime sessions, and noise to try them on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.modelfile.card import ModelCard, ModelError


def load(path: Path, *, threads: int = 1) -> tuple[Any, ModelCard]:
    """A session of a model file, and its card; raises ModelError naming the file."""
    if not path.is_file():
        raise ModelError(f"{path}: no such model")
    try:
        session = start(path, threads=threads)
        return session, ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


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
