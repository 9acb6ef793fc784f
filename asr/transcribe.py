"""Recognizer: sound -> Transcript, on numpy and onnxruntime. Nothing here imports PyTorch."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.checkpoint import CheckpointError, ModelCard
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.decode import greedy
from asr.features import Frames, pad

SHIPPED = Path(__file__).parent / "models" / "english_letters.onnx"
MODEL_FILE = "model.onnx"
FEATURE_SUFFIXES = (".npy", ".mfc")


@dataclass(frozen=True)
class Transcript:
    """What was heard in one file."""

    text: str
    duration_s: float


class Recognizer:
    """A trained model with its front end and its alphabet; `load` makes one."""

    def __init__(self, session: Any, card: ModelCard) -> None:
        self._session = session
        self.card = card
        self.extractor = card.extractor
        self.tokenizer = card.tokenizer

    @classmethod
    def load(cls, path: str | Path = SHIPPED, *, threads: int = 1) -> "Recognizer":
        """Load a .onnx file, or the one in a run folder; raises CheckpointError naming the file.

        `threads` is what onnxruntime may use; one is fastest for so small a network.
        """
        import onnxruntime

        path = Path(path)
        if path.is_dir():
            path = path / MODEL_FILE
        if not path.is_file():
            raise CheckpointError(f"{path}: no such model")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3  # errors only: the rest is about other people's hardware
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise CheckpointError(f"{path}: not an ONNX model: {str(error).splitlines()[0]}") from None
        try:
            return cls(session, ModelCard.from_metadata(session.get_modelmeta().custom_metadata_map))
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None

    def transcribe(self, source: str | Path | npt.NDArray[Any], sample_rate: int | None = None) -> Transcript:
        """A sound file ("-": standard input), a feature file, or a waveform (num_samples,) at `sample_rate`.

        Raises AudioError, ManifestError or FeatureError, in one sentence that names the file.
        """
        config = self.card.features
        is_deaf = config.source == "precomputed"
        if not isinstance(source, np.ndarray) and is_deaf and str(source).lower().endswith(FEATURE_SUFFIXES):
            static: Frames = manifest.read_features(source, config.num_cepstra)
            duration_s = len(static) * config.hop_ms / 1000
        else:
            waveform = self._waveform(source, sample_rate)
            static, duration_s = self.extractor.static(waveform), len(waveform) / config.sample_rate
        return Transcript(self.texts([self.extractor.finish(static)])[0], round(duration_s, 3))

    def frames(self, utterance: Utterance) -> Frames:
        """Finished frames (T, F) of an utterance of a manifest; raises as `transcribe` does."""
        return self.extractor.finish(manifest.load_frames(utterance, self.extractor))

    def log_probs(self, frames: Sequence[Frames]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Finished frames of several utterances -> log_probs (B, T, V) and their lengths (B,)."""
        padded, lengths = pad(frames, np.float32)
        log_probs, output_lengths = self._session.run(None, {"frames": padded, "frame_lengths": lengths})
        return log_probs, output_lengths

    def texts(self, frames: Sequence[Frames]) -> list[str]:
        """Finished frames of several utterances -> what each says."""
        return [self.tokenizer.decode(tokens) for tokens in greedy.decode(*self.log_probs(frames))]

    def _waveform(self, source: str | Path | npt.NDArray[Any], sample_rate: int | None) -> audio.Waveform:
        wanted = self.card.features.sample_rate
        if not isinstance(source, np.ndarray):
            return audio.read(source, wanted)
        if sample_rate is None:
            raise audio.AudioError("a waveform needs its sample_rate beside it")
        waveform = source.astype(np.float32)
        if source.dtype == np.int16:
            waveform *= np.float32(1 / 32768)
        return audio.resample(waveform, sample_rate, wanted)


def newest_model(folder: Path) -> Path | None:
    """The model of the newest run below `folder`: the folder of a run holds model.onnx beside metrics.jsonl."""
    runs = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_")) and name != "node_modules"]
        if Path(root).relative_to(folder).parts[4:]:
            folders.clear()
        if MODEL_FILE in files and "metrics.jsonl" in files:
            runs.append(Path(root) / MODEL_FILE)
    return max(runs, key=lambda path: path.stat().st_mtime, default=None)
