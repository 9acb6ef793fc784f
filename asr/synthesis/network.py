"""What voices that are neural networks have in common: what they take, how they start, and what they give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.modelfile import session
from asr.modelfile.card import ModelError
from asr.synthesis.errors import SynthesisError
from asr.synthesis.espeak import Line

Phonemes = Callable[[str, str], str]
"""(text, accent) -> its letters of the International Phonetic Alphabet."""

END = "."
"""Without it a word breaks off."""


class Network(Protocol):
    """A network that speaks. It is read when it first does: who only asks what it can do waits for nothing."""

    sample_rate: int
    num_speakers: int | None
    """None: as many as one likes."""
    languages: frozenset[str]
    """Codes of those that it speaks: en, pt-br."""
    reads_phonemes: bool
    """Whether a line may hold phoneme mnemonics; else it must be spelled."""

    def speak(self, line: Line, speaker: int, phonemes: Phonemes) -> audio.Waveform:
        """The spoken line: float32 (num_samples,) at `sample_rate`. Raises SynthesisError."""


def spoken_phonemes(line: Line, phonemes: Phonemes) -> str:
    """The phonemes of a line in its accent, brought to an end."""
    return phonemes(line.text, line.voice.partition("+")[0]) + END


def start(name: str, model: Path | bytes) -> Any:
    """A model, or the file of one, on one thread, with noise that is the same in every fresh process."""
    import onnxruntime

    onnxruntime.set_seed(1)
    try:
        return session.start(model)
    except ModelError as error:
        raise SynthesisError(f"{name}: {error}") from None


def tamed(sound: npt.ArrayLike) -> audio.Waveform:
    """(num_samples,) within [-1, 1]."""
    waveform = np.asarray(sound, np.float32).ravel()
    return waveform / max(1.0, float(np.abs(waveform).max(initial=0)))
