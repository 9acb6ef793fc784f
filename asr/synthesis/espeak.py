"""Speech synthesis with espeak-ng, through ctypes: a corpus without recordings.

espeak-ng (GPL-3.0) comes with its voices in the package espeakng-loader, which the extra `synth` installs.
The library keeps one global state and a running noise generator.
"""

import ctypes
import itertools
import math
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr import audio, extras
from asr.synthesis import languages
from asr.synthesis.errors import SynthesisError

# espeak-ng's speak_lib.h:
_RETRIEVE_SYNCHRONOUSLY, _PHONEME_EVENTS, _UTF8, _PHONEMES, _MNEMONICS, _IPA = 2, 1, 1, 0x100, 0, 2
_RATE, _PITCH, _RANGE = 1, 3, 4
DEFAULT_RATE = 175  # words per minute
_PAUSE = "_:"  # as a mnemonic
_NO_MORE, _WORD, _END, _PHONEME = 0, 1, 5, 7  # types of events


class _Event(ctypes.Structure):
    """espeak_EVENT: what is spoken from audio_position on, in ms of the speech so far."""

    _fields_ = (("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("phoneme", ctypes.c_char * 8))  # fmt: skip


@dataclass(frozen=True)
class Line:
    """Words to be spoken, how, and the sound file to make."""

    path: str
    text: str
    """Between [[ and ]] espeak-ng's phoneme mnemonics (Synthesizer.mnemonics): [[T*'I]] is a three with a tapped r."""
    voice: str
    """An espeak-ng voice, with a variant after a plus sign: en-us+f3; or an accent and a speaker of a neural network:
    en-us+kokoro:17."""
    words_per_minute: int = DEFAULT_RATE
    pitch: int = 50
    """0 to 100."""
    pitch_range: int = 50
    """0 (flat) to 100."""


@dataclass(frozen=True)
class SpokenWord:
    """A word of a line, or several that espeak-ng runs together ("of the"), with its times."""

    text: str
    start_s: float
    end_s: float


class Synthesizer:
    """espeak-ng in this process; of several, only the latest works.

    `voices` are the variants to have, by name: a definition, or None for espeak-ng's own; without, all of its own.
    espeak-ng holds fewer than 350 voices, languages included: beside English it has, where `voices` are given, those of
    the `codes` alone (languages.accents).
    """

    def __init__(self, voices: Mapping[str, str | None] | None = None, codes: Collection[str] = ()) -> None:
        """Raises SynthesisError if the package is missing or its library does not load."""
        try:
            import espeakng_loader

            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
            data = Path(espeakng_loader.get_data_path())
        except (ImportError, OSError, RuntimeError) as error:
            raise SynthesisError(f"espeak-ng is not installed ({error}): {extras.install('synth')}") from None
        self._folder = tempfile.TemporaryDirectory(prefix="asr-voices-", ignore_cleanup_errors=True)
        if voices:
            data = _with_voices(data, Path(self._folder.name), voices, codes)
        # Begun twice without an end between, espeak-ng reads memory that it has freed: wrong phonemes, or a crash.
        self._library.espeak_Terminate()
        self.sample_rate = self._library.espeak_Initialize(
            _RETRIEVE_SYNCHRONOUSLY, 0, os.fsencode(data), _PHONEME_EVENTS
        )
        if self.sample_rate <= 0:
            raise SynthesisError("espeak-ng did not start")
        self._chunks: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._events: list[tuple[int, int, float, bytes]] = []  # type, character, seconds, phoneme
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_TextToPhonemes.argtypes = ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int
        # The wrapper is kept: espeak-ng holds only its address.
        self._callback = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, line: Line) -> audio.Waveform:
        """The spoken line: float32 (num_samples,) at `sample_rate`. Raises SynthesisError for an unknown voice."""
        self._set_voice(line.voice)
        for parameter, value in ((_RATE, line.words_per_minute), (_PITCH, line.pitch), (_RANGE, line.pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._chunks.clear()
        self._events.clear()
        self._synthesize(line.text)
        if not any(chunk.any() for chunk in self._chunks):
            raise SynthesisError(f"espeak-ng says nothing for {line.text!r}")
        return np.concatenate(self._chunks) * np.float32(1 / 32768)

    def speak_words(self, line: Line) -> tuple[audio.Waveform, list[SpokenWord]]:
        """The spoken line as `speak` gives it, and the times of its words, to the millisecond.

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
        for index, group in itertools.groupby(words, key=lambda word: word[0]):
            parts = list(group)
            later = next((word[0] for word in words if word[0] > index), len(starts))
            text = " ".join(line.text.split()[index:later])
            spoken.append(SpokenWord(text, parts[0][1], parts[-1][2]))
        return waveform, spoken

    def phonemes(self, text: str, voice: str) -> str:
        """The text in the letters of the International Phonetic Alphabet, as `voice` reads it: zˈiəɹoʊ.

        Raises SynthesisError for an unknown voice.
        """
        return self._phonemes(text, voice, _IPA)

    def mnemonics(self, text: str, voice: str) -> str:
        """The text in espeak-ng's own phoneme mnemonics, which a line can say between [[ and ]]: z'i@roU.

        Raises SynthesisError for an unknown voice.
        """
        return self._phonemes(text, voice, _MNEMONICS)

    def check_mnemonics(self, mnemonics: str) -> None:
        """Raises SynthesisError where they say nothing, or espeak-ng does not know them all.

        It says nothing from the first on that it does not know.
        """

        def is_known(part: str) -> bool:  # a pause after it tells whether espeak-ng came so far
            return self.mnemonics(f"[[{part}{_PAUSE}]]", "en-us").endswith(_PAUSE)

        if not is_known(mnemonics):
            known = max((end for end in range(len(mnemonics)) if is_known(mnemonics[:end])), default=0)
            raise SynthesisError(f"espeak-ng has no phoneme mnemonic that begins {mnemonics[known:]!r}")
        if not self.phonemes(f"[[{mnemonics}]]", "en-us"):
            raise SynthesisError("espeak-ng says nothing for it: there is no phoneme in it")

    def _phonemes(self, text: str, voice: str, alphabet: int) -> str:
        self._set_voice(voice)
        self._synthesize("")  # what is between [[ and ]] is read as phonemes only after speaking with that option
        rest, clauses = ctypes.c_char_p(text.encode()), []
        while rest.value:
            clauses.append(self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, alphabet).decode())
        return ", ".join(filter(None, clauses))

    def _synthesize(self, text: str) -> None:
        encoded = text.encode() + b"\0"
        self._library.espeak_Synth(encoded, len(encoded), 0, 1, 0, _UTF8 | _PHONEMES, None, None)

    def _set_voice(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise SynthesisError(f"espeak-ng has no voice {voice!r}")

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in itertools.takewhile(lambda event: event.type != _NO_MORE, events):
            if event.type in (_WORD, _END, _PHONEME):
                phoneme = event.phoneme if event.type == _PHONEME else b""
                self._events.append((event.type, event.text_position - 1, event.audio_position / 1000, phoneme))
        return 0


def _with_voices(data: Path, folder: Path, voices: Mapping[str, str | None], codes: Collection[str]) -> Path:
    """A copy of espeak-ng's data, English and these languages alone, with these variants."""
    copy = folder / "espeak-ng-data"
    copy.mkdir(exist_ok=True)
    for name in ("phontab", "phonindex", "phondata", "intonations"):
        shutil.copy(data / name, copy / name)
    for path in languages.needed([*languages.accents("en"), *codes]):
        if (data / path).is_file():  # of some languages there are no rules, and all is phonemes
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / path, copy / path)
    variants = copy / "voices" / "!v"
    variants.mkdir(parents=True)
    for name, definition in voices.items():
        own = data / "voices" / "!v" / name
        if definition is not None:
            (variants / name).write_text(f"name {name}\n{definition}", "utf-8")
        elif own.is_file():
            shutil.copy(own, variants / name)
    return folder
