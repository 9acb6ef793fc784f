"""Speech synthesis with espeak-ng, through ctypes: a corpus without recordings.

espeak-ng (GPL-3.0) comes with its voices in the package espeakng-loader, which the extra `asr[synth]` installs.
The library keeps one global state and a running noise generator, so the same words sound a little different each
time; `speak_all` gives every shard of a corpus a fresh process, which makes the whole corpus a function of its seed.
"""

import ctypes
import itertools
import math
import multiprocessing
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asr import audio

_SHARDS = 16  # fixed, not the number of cores: the shards decide what the noise generator gives
# espeak-ng's speak_lib.h:
_RETRIEVE_SYNCHRONOUSLY, _PHONEME_EVENTS, _UTF8, _RATE, _PITCH, _RANGE = 2, 1, 1, 1, 3, 4
_NO_MORE, _WORD, _END, _PHONEME = 0, 1, 5, 7  # types of events


class _Event(ctypes.Structure):
    """espeak_EVENT: what is said from audio_position on, in ms of the speech so far."""

    _fields_ = (("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("phoneme", ctypes.c_char * 8))  # fmt: skip


class SynthesisError(ValueError):
    """Speech that cannot be synthesised; the message is one sentence."""


@dataclass(frozen=True)
class Line:
    """Words to be spoken, how, and the sound file to make."""

    path: str
    text: str
    voice: str
    """An espeak-ng voice, with a variant after a plus sign: en-us+f3."""
    words_per_minute: int = 175
    pitch: int = 50
    """0 to 100."""
    pitch_range: int = 50
    """0 (flat) to 100."""


@dataclass(frozen=True)
class SpokenWord:
    """A word of a line, or several that espeak-ng runs together ("of the"), and when it is said."""

    text: str
    start_s: float
    end_s: float


def draw_voice(rng: np.random.Generator) -> str:
    """The definition of a speaker that nobody has heard: an espeak-ng voice variant with a drawn vocal tract.

    Formants are in percent of the default adult male's; a short vocal tract, on the whole, speaks at a high pitch.
    Voicing, spectral tilt and echo are drawn as widely as in espeak-ng's own variants. Breath is left out: espeak-ng
    does not repeat it to the last bit, even in a fresh process.
    """

    def numbers(count: int, lowest: float, highest: float) -> str:
        return " ".join(f"{value:.0f}" for value in rng.uniform(lowest, highest, count))

    build = rng.uniform(0, 1)  # from a large man to a small woman
    lowest = 60 * 3**build * rng.uniform(0.85, 1.2)
    tract = 86 + 38 * build + rng.normal(0, 5)
    lines = [f"pitch {lowest:.0f} {lowest * rng.uniform(1.2, 1.9):.0f}"]
    for formant in range(9):
        frequency = tract + rng.normal(0, 9 if formant else 4)
        shift = -rng.uniform(0, 250) if formant == 2 and rng.random() < 0.2 else 0  # Hz
        lines.append(f"formant {formant} {frequency:.0f} {numbers(2, 60, 160)} {shift:.0f}")
    for share, line in (
        (0.4, f"flutter {numbers(1, 0, 6)}"),
        (0.3, f"roughness {numbers(1, 0, 4)}"),
        (0.3, f"klatt {rng.integers(1, 7)}"),
        (0.7, f"voicing {numbers(1, 40, 180)}"),
        (0.9, f"consonants {numbers(1, 3, 140)} {numbers(1, 30, 150)}"),
        (0.3, f"echo {numbers(1, 20, 160)} {numbers(1, 5, 40)}"),
        (0.3, f"stressAdd {numbers(8, -30, 120)}"),
        (0.3, f"stressAmp {numbers(8, 14, 26)}"),
    ):
        if rng.random() < share:
            lines.append(line)
    if rng.random() < 0.7:
        # Loudness (0 to 255) at rising frequencies in Hz: a random walk that falls more than it rises, for some
        # speakers to the muffled sound of a bad telephone.
        corners = np.cumsum(rng.uniform(80, 900, 5))
        walk = np.clip(250 * np.exp(np.cumsum(rng.normal(rng.uniform(-1, 0), 0.8, 5))), 10, 255)
        lines.append(
            "tone " + " ".join(f"{corner:.0f} {level:.0f}" for corner, level in zip(corners, walk, strict=True))
        )
    return "\n".join(["language variant", *lines, ""])


class Synthesizer:
    """espeak-ng in this process; make only one.

    `voices` are the variants to have, by name: a definition, or None for espeak-ng's own; without, all of its own.
    espeak-ng holds fewer than 350 voices, languages included.
    """

    def __init__(self, voices: Mapping[str, str | None] | None = None) -> None:
        """Raises SynthesisError if the package is missing or its library does not load."""
        try:
            import espeakng_loader

            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
            data = Path(espeakng_loader.get_data_path())
        except (ImportError, OSError, RuntimeError) as error:
            raise SynthesisError(f"espeak-ng is not installed ({error}): pip install 'asr[synth]'") from None
        self._folder = tempfile.TemporaryDirectory(prefix="asr-voices-", ignore_cleanup_errors=True)
        if voices:
            data = _with_voices(data, Path(self._folder.name), voices)
        self.sample_rate = self._library.espeak_Initialize(
            _RETRIEVE_SYNCHRONOUSLY, 0, os.fsencode(data), _PHONEME_EVENTS
        )
        if self.sample_rate <= 0:
            raise SynthesisError("espeak-ng did not start")
        self._chunks: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._events: list[tuple[int, int, float, bytes]] = []  # type, character, seconds, phoneme
        # The wrapper is kept: espeak-ng holds only its address.
        self._callback = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, line: Line) -> audio.Waveform:
        """The spoken line: float32 (num_samples,) at `sample_rate`. Raises SynthesisError for an unknown voice."""
        if self._library.espeak_SetVoiceByName(line.voice.encode()):
            raise SynthesisError(f"espeak-ng has no voice {line.voice!r}")
        for parameter, value in ((_RATE, line.words_per_minute), (_PITCH, line.pitch), (_RANGE, line.pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._chunks.clear()
        self._events.clear()
        text = line.text.encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, 1, 0, _UTF8, None, None)
        if not self._chunks:
            raise SynthesisError(f"espeak-ng says nothing for {line.text!r}")
        return np.concatenate(self._chunks) * np.float32(1 / 32768)

    def speak_words(self, line: Line) -> tuple[audio.Waveform, list[SpokenWord]]:
        """The spoken line as `speak` gives it, and when each of its words is said, to the millisecond.

        A word begins where the one before it ends, unless there is a pause between them. The closure of a stop
        belongs to the word that it begins. Raises SynthesisError.
        """
        waveform = self.speak(line)
        starts = np.array([word.start() for word in re.finditer(r"\S+", line.text)])
        words: list[tuple[int, float, float]] = []  # which of the line, seconds
        reached: float | None = None
        for kind, character, second, phoneme in self._events:
            if kind == _PHONEME:
                is_pause = phoneme.startswith(b"_")
                reached = (second if reached is None else reached) if is_pause else None
                continue
            if words and math.isnan(words[-1][2]):
                words[-1] = (*words[-1][:2], second if reached is None else reached)
            if kind == _WORD:
                words.append((int(np.searchsorted(starts, character, "right")) - 1, second, math.nan))
            reached = None
        # A number or a word with a hyphen gives several events.
        spoken: list[SpokenWord] = []
        for place, group in itertools.groupby(words, key=lambda word: word[0]):
            parts = list(group)
            later = next((word[0] for word in words if word[0] > place), len(starts))
            text = " ".join(line.text.split()[place:later])
            spoken.append(SpokenWord(text, parts[0][1], parts[-1][2]))
        return waveform, spoken

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in itertools.takewhile(lambda event: event.type != _NO_MORE, events):
            if event.type in (_WORD, _END, _PHONEME):
                phoneme = event.phoneme if event.type == _PHONEME else b""
                self._events.append((event.type, event.text_position - 1, event.audio_position / 1000, phoneme))
        return 0


def speak_all(
    lines: Sequence[Line], sample_rate: int, *, voices: Mapping[str, str] | None = None, margin_ms: float = 30
) -> Iterator[float]:
    """Speak every line into its file at `sample_rate`, on all cores; yields each duration in seconds, in order.

    `voices` are the definitions of variants that espeak-ng does not have. Silence beyond `margin_ms` around the
    speech is cut off. Raises SynthesisError.
    """
    Synthesizer()  # a missing package is one error here, not one from every process
    shards = [lines[len(lines) * i // _SHARDS : len(lines) * (i + 1) // _SHARDS] for i in range(_SHARDS)]
    processes = min(_SHARDS, os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        speak = partial(_speak_shard, sample_rate=sample_rate, voices=dict(voices or {}), margin_ms=margin_ms)
        for durations in pool.map(speak, shards):
            yield from durations


def noise(rng: np.random.Generator, num_samples: int, sample_rate: int) -> audio.Waveform:
    """What a microphone hears while nobody speaks: float32 (num_samples,), from complete silence to loud noise.

    A steady noise of a drawn colour, mains hum, and knocks and clicks that ring and die away: any of them, or none.
    """
    seconds = np.arange(num_samples) / sample_rate
    sound = np.zeros(num_samples)
    if rng.random() < 0.85:
        sound += rng.uniform(0.1, 1) * _coloured(rng, num_samples)
    if rng.random() < 0.3:
        mains = rng.choice([50.0, 60.0])
        for harmonic in range(1, 8):
            phase = rng.uniform(0, 2 * np.pi)
            sound += rng.uniform(0, 1) / harmonic * np.sin(2 * np.pi * mains * harmonic * seconds + phase)
    if rng.random() < 0.4:
        for _ in range(rng.integers(1, 6)):
            start = rng.uniform(0, seconds[-1])
            envelope = np.where(seconds >= start, np.exp(-(seconds - start) / rng.uniform(0.002, 0.06)), 0)
            ring = np.sin(2 * np.pi * rng.uniform(80, 3000) * seconds) if rng.random() < 0.5 else 1.0
            sound += rng.uniform(1, 8) * envelope * ring * _coloured(rng, num_samples)
    loudest = np.abs(sound).max(initial=0)
    return np.asarray(sound * (10 ** rng.uniform(-3.5, -0.1) / loudest if loudest else 0), np.float32)


def _coloured(rng: np.random.Generator, num_samples: int) -> Any:
    """Noise of unit power whose spectrum falls as a drawn power of frequency, from white to brown."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1 + len(spectrum) / 200) ** -rng.uniform(0, 1)
    coloured = np.fft.irfft(spectrum, num_samples)
    return coloured / coloured.std()


def trim(waveform: audio.Waveform, margin: int, *, floor: float = 0.02) -> audio.Waveform:
    """Cut what lies more than `margin` samples before the first or after the last sample above floor x peak."""
    loud = np.flatnonzero(np.abs(waveform) >= floor * np.abs(waveform).max(initial=0))
    return waveform[max(0, loud[0] - margin) : loud[-1] + 1 + margin] if len(loud) else waveform


def _with_voices(data: Path, folder: Path, voices: Mapping[str, str | None]) -> Path:
    """A copy of espeak-ng's data, English alone, with these variants."""
    copy = folder / "espeak-ng-data"
    for name in ("phontab", "phonindex", "phondata", "intonations", "en_dict"):
        copy.mkdir(exist_ok=True)
        shutil.copy(data / name, copy / name)
    languages = copy / "lang" / "gmw"
    languages.mkdir(parents=True)
    for path in (data / "lang" / "gmw").glob("en*"):
        shutil.copy(path, languages / path.name)
    variants = copy / "voices" / "!v"
    variants.mkdir(parents=True)
    for name, definition in voices.items():
        own = data / "voices" / "!v" / name
        if definition is not None:
            (variants / name).write_text(f"name {name}\n{definition}", "utf-8")
        elif own.is_file():
            shutil.copy(own, variants / name)
    return folder


def _speak_shard(
    lines: Sequence[Line], *, sample_rate: int, voices: Mapping[str, str], margin_ms: float
) -> list[float]:
    variants = {line.voice.partition("+")[2] for line in lines} - {""}
    synthesizer = Synthesizer({name: voices.get(name) for name in sorted(variants)})
    durations = []
    for line in lines:
        waveform = audio.resample(synthesizer.speak(line), synthesizer.sample_rate, sample_rate)
        waveform = trim(waveform, round(margin_ms / 1000 * sample_rate))
        Path(line.path).parent.mkdir(parents=True, exist_ok=True)
        audio.write(line.path, waveform, sample_rate)
        durations.append(len(waveform) / sample_rate)
    return durations
