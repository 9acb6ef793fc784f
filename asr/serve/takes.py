"""Takes of one's own words: checked, trimmed, and kept by speaker in a layout that recipes/prepare/folder.py reads.

FOLDER/prompts.txt holds words and sentences, FOLDER/recordings/SPEAKER/NUMBER.wav and NUMBER.txt a take and its text.
"""

import re
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asr import audio, endpointing, files
from asr.audio import AudioError, Waveform
from asr.check.sound import measure_waveform
from asr.errors import UserError
from asr.features import FeatureConfig, FeatureExtractor

SAMPLE_RATE = 16000
MAX_SECONDS = 20.0
_SHORTEST_S = 0.1
_MAX_PROMPTS = 500
_SILENT_DB, _MIN_PEAK_DB, _MAX_EDGE_DB = -45.0, -32.0, -12.0
_SPEECH = endpointing.SpeechConfig(margin_ms=150.0, min_silence_ms=400.0)
_PROMPT = re.compile(r"[a-z']+( [a-z']+)*")
_SPEAKER = re.compile(r"[^\W_][\w -]{0,39}")


@dataclass(frozen=True)
class Take:
    """What was found in a take, and where it is kept."""

    duration_s: float
    start_s: float
    end_s: float
    """Of what is kept of it."""
    peak_db: float
    faults: tuple[str, ...] = ()
    """What is wrong with it, a sentence each; it is kept where there is none."""
    name: str | None = None
    """Of the files that keep it, without suffix."""


class Takes:
    """The takes of a folder; safe for several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError where it cannot be made."""
        self.recordings, self._prompts = folder / "recordings", folder / "prompts.txt"
        self._lock = threading.Lock()
        with files.naming(folder):
            self.recordings.mkdir(parents=True, exist_ok=True)

    @property
    def prompts(self) -> list[str]:
        """Words and sentences that are to be recorded."""
        return files.read_text(self._prompts).splitlines() if self._prompts.is_file() else []

    def set_prompts(self, texts: Any) -> None:
        """Words and sentences, in lower case without punctuation. Raises UserError for what cannot be learned."""
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UserError("prompts must be a list of texts")
        cleaned = [" ".join(re.sub(r"[.,;:!?]", " ", text.lower().replace("’", "'")).split()) for text in texts]
        found = list(dict.fromkeys(text for text in cleaned if text))
        for text in found:
            if not _PROMPT.fullmatch(text):
                raise UserError(f"{files.printable(text)}: write words with the letters a to z, numbers as words")
        if len(found) > _MAX_PROMPTS:
            raise UserError(f"{len(found)} prompts are more than {_MAX_PROMPTS}")
        with self._lock, files.naming(self._prompts):
            files.write_text(self._prompts, "".join(f"{text}\n" for text in found))

    def counts(self) -> dict[str, Counter[str]]:
        """How many takes there are, by speaker and text."""
        found: dict[str, Counter[str]] = {}
        for path in sorted(self.recordings.glob("*/*.txt")):
            if path.with_suffix(".wav").is_file():
                found.setdefault(path.parent.name, Counter())[files.read_text(path).strip()] += 1
        return found

    def add(self, data: bytes, speaker: str, text: str) -> Take:
        """A WAV file of somebody who says one of the prompts -> what is wrong with it; nothing is: it is kept.

        Raises UserError for what is no sound, or none of the prompts, and for the name of a speaker that is no name.
        """
        if not _SPEAKER.fullmatch(speaker):
            raise UserError("name the speaker with letters, digits and spaces, 40 at most")
        if text not in self.prompts:
            raise UserError(f"{files.printable(text)!r} is none of the prompts")
        waveform, rate = _read(data)
        take = examined(waveform, rate)
        if take.faults:
            return take
        kept = waveform[round(take.start_s * rate) : round(take.end_s * rate)]
        folder = self.recordings / speaker.strip()
        with self._lock, files.naming(folder):
            folder.mkdir(exist_ok=True)
            numbers = [int(path.stem) for path in folder.glob("*.txt") if path.stem.isdecimal()]
            name = f"{max(numbers, default=0) + 1:04d}"
            files.write_text(folder / f"{name}.txt", f"{text}\n")  # first: a sound without it has its folder's name
            audio.write(folder / f"{name}.wav", audio.resample(kept, rate, SAMPLE_RATE), SAMPLE_RATE)
        return replace(take, name=name)

    def remove(self, speaker: str, name: str) -> None:
        """Forget a take. Raises UserError where there is none."""
        if not _SPEAKER.fullmatch(speaker) or not name.isdecimal():
            raise UserError("there is no such take")
        sound = self.recordings / speaker / f"{name}.wav"
        with self._lock:
            if not sound.is_file():
                raise UserError("there is no such take")
            sound.unlink()
            sound.with_suffix(".txt").unlink(missing_ok=True)


def examined(waveform: Waveform, rate: int) -> Take:
    """Where somebody speaks in (num_samples,) at `rate` Hz, with room at either end, and what is wrong with it."""
    measured = measure_waveform(waveform, rate)
    duration_s = len(waveform) / rate
    take = Take(duration_s, 0.0, duration_s, measured.peak_db)
    config = FeatureConfig(sample_rate=SAMPLE_RATE)
    segmenter = endpointing.Segmenter(_SPEECH, config)
    resampled = audio.resample(waveform, rate, SAMPLE_RATE)
    cepstra = FeatureExtractor(config).cepstra(resampled)
    spoken = [part for part in segmenter.feed(cepstra) + segmenter.flush() if part.is_speech]
    if not spoken or measured.peak_db < _SILENT_DB:
        return replace(take, faults=("Nobody speaks in it.",))
    faults = []
    if measured.is_clipped:
        faults.append("It is too loud, its peaks are cut off: go further from the microphone.")
    if measured.peak_db < _MIN_PEAK_DB:
        faults.append("It is too quiet: come closer to the microphone.")
    if measured.start_db > _MAX_EDGE_DB:
        faults.append("It begins within speech: wait a moment before you speak.")
    if measured.end_db > _MAX_EDGE_DB:
        faults.append("It ends within speech: wait a moment before you stop.")
    start_s, end_s = spoken[0].start * config.hop_s, min(duration_s, spoken[-1].end * config.hop_s)
    return replace(take, start_s=round(start_s, 3), end_s=round(end_s, 3), faults=tuple(faults))


def _read(data: bytes) -> tuple[Waveform, int]:
    """Samples (num_samples,) and their rate in Hz. Raises UserError."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(data)
        file.flush()
        try:
            info = audio.info(file.name)
            if not _SHORTEST_S <= info.duration_s <= MAX_SECONDS:
                raise UserError(f"a take must last from {_SHORTEST_S:g} to {MAX_SECONDS:g} s")
            return audio.read(file.name), info.sample_rate
        except AudioError as error:
            raise UserError(f"the take: {str(error).removeprefix(f'{file.name}: ')}") from None
