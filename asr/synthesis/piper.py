"""Voices of Piper, an .onnx file with its .onnx.json beside it: a VITS (Kim et al. 2021) of one or many speakers."""

import json
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asr import audio
from asr.synthesis.errors import SynthesisError
from asr.synthesis.espeak import DEFAULT_RATE, Line
from asr.synthesis.network import Phonemes, spoken_phonemes, start, tamed


class Piper:
    """A voice of Piper: VITS, exported to ONNX. How much a reading varies is drawn anew for each line."""

    reads_phonemes = True

    def __init__(self, model: Path) -> None:
        try:
            config = json.loads(Path(f"{model}.json").read_text("utf-8"))
            self._tokens: dict[str, list[int]] = config["phoneme_id_map"]
            self.sample_rate = int(config["audio"]["sample_rate"])
            self.num_speakers: int | None = int(config.get("num_speakers", 1))
            # Of the voice of espeak-ng whose phonemes it reads; the oldest are English and do not say so.
            self.languages = frozenset({str(config.get("espeak", {}).get("voice") or "en").lower()})
            self._start, self._pad, self._end = (self._tokens[mark] for mark in "^_$")
        except (OSError, KeyError, ValueError, AttributeError) as error:
            raise SynthesisError(f"{model}.json: not the description of a Piper voice: {error}") from None
        self._model = str(model)
        self._rng = np.random.default_rng(0)

    @cached_property
    def _session(self) -> Any:
        return start(self._model, Path(self._model))

    def speak(self, line: Line, speaker: int, phonemes: Phonemes) -> audio.Waveform:
        """The spoken line: float32 (num_samples,) at `sample_rate`. Raises SynthesisError."""
        tokens = [*self._start, *self._pad]
        for symbol in unicodedata.normalize("NFD", spoken_phonemes(line, phonemes)):
            if symbol in self._tokens:
                tokens += [*self._tokens[symbol], *self._pad]
        tokens += self._end
        # Of the sound, of the whole duration, and of the durations of its parts.
        scales = self._rng.uniform(0.4, 0.9), DEFAULT_RATE / line.words_per_minute, self._rng.uniform(0.5, 1.1)
        inputs = {
            "input": np.array([tokens]),
            "input_lengths": np.array([len(tokens)]),
            "scales": np.array(scales, np.float32),
        }
        if self.num_speakers != 1:
            inputs["sid"] = np.array([speaker])
        return tamed(self._session.run(None, inputs)[0])
