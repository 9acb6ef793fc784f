"""Sound files <-> float32 mono waveforms at a wanted rate: the one owner of soundfile and soxr.

soundfile reads whatever libsndfile reads (WAV, FLAC, Ogg, Opus, MP3, AIFF, AU, NIST SPHERE, ...); soxr resamples.
"""

import io
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]

SUFFIXES = frozenset(".wav .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .snd .sph .nist .w64 .caf .rf64".split())
"""File names that a folder search takes for sound."""


_BLOCK = 1 << 20  # samples read at a time
_ENDLESS = 1 << 50


class AudioError(ValueError):
    """A sound file that cannot be used; the message is one sentence that names the file."""


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a sound file claims: the samples themselves may still be damaged."""

    sample_rate: int
    num_samples: int
    num_channels: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate


def info(path: str | Path) -> AudioInfo:
    """Read the header of a sound file; raises AudioError if there is none."""
    with _open(path) as sound:
        return AudioInfo(sound.samplerate, sound.frames, sound.channels)


def read(
    path: str | Path, sample_rate: int | None = None, *, start_s: float = 0.0, end_s: float | None = None
) -> Waveform:
    """Read a sound file ("-": standard input) as one channel at `sample_rate` Hz (None: as it is).

    Channels are averaged. Returns float32 (num_samples,) in [-1, 1]. `start_s` and `end_s` cut out a part.
    Raises AudioError, naming the file, if it is missing, is not sound, breaks off, is empty or is not finite.
    """
    with _open(path) as sound:
        rate, claimed = sound.samplerate, sound.frames
        if claimed >= _ENDLESS:
            sound.seekable = lambda: False  # soundfile seeks after every read, which such a stream cannot
        start, stop = round(start_s * rate), claimed if end_s is None else round(end_s * rate)
        # Half a hop of slack: the times in a manifest are rounded.
        if claimed and not 0 <= start < stop <= claimed + rate // 200:
            end_s = claimed / rate if end_s is None else end_s
            raise AudioError(f"{path}: no part from {start_s:g} s to {end_s:g} s in its {claimed / rate:.3f} s")
        try:
            channels = _read_part(sound, start, min(stop, claimed))
        except (RuntimeError, OSError, ValueError, MemoryError) as error:
            raise AudioError(f"{path}: damaged: {_reason(error)}") from None
    if not len(channels):
        raise AudioError(f"{path}: holds no samples")
    # A stream of unknown length claims to be endless.
    if claimed < _ENDLESS and len(channels) < min(stop, claimed) - start:
        raise AudioError(f"{path}: damaged: breaks off after {len(channels)} of {min(stop, claimed) - start} samples")
    waveform = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    if not np.isfinite(waveform).all():
        raise AudioError(f"{path}: holds samples that are not finite numbers")
    return waveform if sample_rate is None else resample(waveform, rate, sample_rate)


def resample(waveform: Waveform, from_rate: float, to_rate: float, *, quality: str = "HQ") -> Waveform:
    """Resample (num_samples,) from one rate in Hz to another; `quality` is soxr's (QQ, LQ, MQ, HQ, VHQ)."""
    if from_rate == to_rate:
        return waveform
    import soxr

    resampled: Waveform = soxr.resample(waveform, from_rate, to_rate, quality=quality)
    return resampled


def write(path: str | Path, waveform: Waveform, sample_rate: int) -> None:
    """Write (num_samples,) in [-1, 1] as 16-bit sound; the suffix names the format, values outside are clipped."""
    import soundfile

    soundfile.write(path, np.clip(waveform, -1, 1), sample_rate, subtype="PCM_16")


def find(paths: Sequence[str], suffixes: Collection[str] = SUFFIXES) -> list[tuple[str, str]]:
    """(path, id) of files as given, and of those with `suffixes` anywhere below folders, in name order.

    An id is the file's name without suffix, below a folder with the folders on the way to it; what a trn file cannot
    hold in an id becomes an underscore. Hidden files are passed over. Raises AudioError for a folder without any.
    """
    found: list[tuple[str, str]] = []
    for path in paths:
        if path == "-" or not Path(path).is_dir():
            found.append((path, _id(Path(path).name)))
            continue
        below = [
            (str(file), _id(file.relative_to(path).as_posix()))
            for file in sorted(Path(path).rglob("*"))
            if file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file()
        ]
        if not below:
            raise AudioError(f"{path}: no sound files in this folder")
        found += below
    return found


def _id(name: str) -> str:
    return re.sub(r"[\s()]", "_", str(PurePosixPath(name).with_suffix("")))


def _open(path: str | Path) -> Any:
    import soundfile

    source: str | BinaryIO = str(path)
    if source == "-":
        source = io.BytesIO(sys.stdin.buffer.read())
        if not source.getbuffer():
            raise AudioError("standard input: empty; pipe a sound file into it")
    elif not Path(path).is_file():
        raise AudioError(f"{path}: {'is a folder, not a file' if Path(path).is_dir() else 'no such file'}")
    try:
        return soundfile.SoundFile(source)
    except (RuntimeError, OSError, TypeError, ValueError) as error:
        name = "standard input" if str(path) == "-" else path
        raise AudioError(f"{name}: not a sound file that libsndfile reads: {_reason(error)}") from None


def _read_part(sound: Any, start: int, stop: int) -> npt.NDArray[np.float32]:
    """Samples [start, stop) or as many as there are: (num_samples, num_channels), a block at a time.

    Never as much memory as a header claims, and no seeking where it is not needed: some formats cannot.
    """
    place = 0
    blocks: list[npt.NDArray[np.float32]] = []
    if start and sound.seekable():
        place = sound.seek(start)
    while place < stop:
        block = sound.read(min(_BLOCK, stop - place), dtype="float32", always_2d=True)
        if not len(block):
            break
        if place + len(block) > start:
            blocks.append(block[max(0, start - place) :])
        place += len(block)
    if len(blocks) == 1:
        return blocks[0]  # nearly always: no copy
    return np.concatenate(blocks) if blocks else np.empty((0, 1), np.float32)


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return str(text).removeprefix("Error : ").strip().rstrip(".") or type(error).__name__
