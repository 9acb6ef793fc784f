"""Sound files <-> float32 mono waveforms at a wanted rate: the one owner of soundfile and soxr.

soundfile reads whatever libsndfile reads (WAV, FLAC, Ogg, Opus, MP3, AIFF, AU, NIST SPHERE, ...); soxr resamples.
"""

import io
import itertools
import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from asr.errors import UserError
from asr.files import shown

Waveform = npt.NDArray[np.float32]

SUFFIXES = frozenset(".wav .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .snd .sph .nist .w64 .caf .rf64".split())
"""File names that a folder search takes for sound."""


_BLOCK = 1 << 20  # samples read at a time
_ENDLESS = 1 << 50
# Floating point in [-1, 1] is the custom, but some files hold the integers that they were made of, of 32 bits at most.
# What is far above that is no sound, and its power is more than a float32 holds.
LOUDEST = 2.0**31
_QUALITY = "HQ"  # soxr's name: 20 bits


class AudioError(UserError):
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
    Raises AudioError, naming the file, if it is missing, is not sound, breaks off, is empty, or holds numbers that are
    not finite or absurdly large.
    """
    with _open(path) as sound:
        rate = sound.samplerate
        parts = list(_parts(path, sound, start_s, end_s, _BLOCK))
    waveform = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return waveform if sample_rate is None else resample(waveform, rate, sample_rate)


def blocks(path: str | Path, sample_rate: int | None = None, *, block_s: float) -> Iterator[Waveform]:
    """What `read` gives, in blocks: `block_s` seconds each but the last, or what resampling makes of them.

    Memory does not grow with the file's length. Raises as `read` does, some of it after the last block.
    """
    with _open(path) as sound:
        rate = sound.samplerate
        parts = _parts(path, sound, 0.0, None, max(1, round(block_s * rate)))
        first = next(parts)
        second = next(parts, None)
        if second is None or sample_rate is None or rate == sample_rate:
            yield first if sample_rate is None else resample(first, rate, sample_rate)
            yield from () if second is None else itertools.chain([second], parts)
            return
        import soxr

        stream = soxr.ResampleStream(rate, sample_rate, 1, "float32", _QUALITY)
        for part in itertools.chain([first, second], parts):
            yield stream.resample_chunk(part)
        yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def resample(waveform: Waveform, from_rate: float, to_rate: float, *, quality: str = _QUALITY) -> Waveform:
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
    hold in an id becomes an underscore; standard input's is stdin. Hidden files are passed over. Raises AudioError for
    a folder without any.
    """
    found: list[tuple[str, str]] = []
    for path in paths:
        if path == "-" or not Path(path).is_dir():
            found.append((path, "stdin" if path == "-" else _id(Path(path).name)))
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


def distinct(files: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same (path, id), where ids that repeat have as much more of the path as tells their files apart.

    That is the suffix within a folder (rec.wav, rec.flac), else the folders before it, one by one (A/rec, B/rec).
    Raises AudioError where names differ only in what a trn file cannot hold in an id.
    """
    # Every ".." resolved, which would lead out of a folder that files are named for ids in.
    wholes = [Path(os.path.abspath(path)) for path, _ in files]  # noqa: PTH100
    ids: dict[Path, str] = {}
    for whole, (_, key) in zip(wholes, files, strict=True):
        ids.setdefault(whole, key)
    while repeated := {key for key, count in Counter(ids.values()).items() if count > 1}:
        beside = Counter((key, whole.with_suffix("")) for whole, key in ids.items())
        longer = {
            whole: key if key not in repeated else _longer(key, whole, is_beside=beside[key, whole.with_suffix("")] > 1)
            for whole, key in ids.items()
        }
        if longer == ids:
            key = min(repeated)
            one, other, *_ = (str(whole) for whole in ids if ids[whole] == key)
            raise AudioError(f"{one} and {other}: both have the id {key}; rename one of them")
        ids = longer
    return [(path, ids[whole]) for whole, (path, _) in zip(wholes, files, strict=True)]


def _longer(key: str, whole: Path, *, is_beside: bool) -> str:
    """An id with the suffix of its file, where others are beside it, or with one more folder, while there is one."""
    if is_beside and not key.endswith(suffix := _clean(whole.suffix)):
        return key + suffix
    folder = _clean(whole.parents[key.count("/")].name)
    return f"{folder}/{key}" if folder else key


def _id(name: str) -> str:
    return _clean(str(PurePosixPath(name).with_suffix("")))


def _clean(name: str) -> str:
    return re.sub(r"[\s()]", "_", name)


def _open(path: str | Path) -> Any:
    import soundfile

    source: str | BinaryIO = str(path)
    if source == "-":
        source = io.BytesIO(sys.stdin.buffer.read())
        if not source.getbuffer():
            raise AudioError("standard input: empty; pipe a sound file into it")
    elif not os.path.isfile(path):  # noqa: PTH113 -- for every file of a batch, and Path is four times slower
        raise AudioError(f"{shown(path)}: {'is a folder, not a file' if os.path.isdir(path) else 'no such file'}")  # noqa: PTH112
    try:
        return soundfile.SoundFile(source)
    except (RuntimeError, OSError, TypeError, ValueError) as error:
        name = "standard input" if str(path) == "-" else path
        raise AudioError(f"{name}: not a sound file that libsndfile reads: {_reason(error)}") from None


def _parts(path: str | Path, sound: Any, start_s: float, end_s: float | None, size: int) -> Iterator[Waveform]:
    """The samples from `start_s` to `end_s` as one channel, `size` at a time, checked.

    Never as much memory as a header claims, and no seeking where it is not needed: some formats cannot.
    """
    rate, claimed = sound.samplerate, sound.frames
    start, stop = round(start_s * rate), claimed if end_s is None else round(end_s * rate)
    # Half a hop of slack: the times in a manifest are rounded.
    if claimed and not 0 <= start < stop <= claimed + rate // 200:
        end_s = claimed / rate if end_s is None else end_s
        raise AudioError(f"{path}: no part from {start_s:g} s to {end_s:g} s in its {claimed / rate:.3f} s")
    stop, place, given = min(stop, claimed), 0, 0
    # libsndfile gives 16 bits as they are three times as fast as it makes numbers of them.
    dtype = "int16" if sound.subtype == "PCM_16" else "float32"
    try:
        if start and sound.seekable():
            place = sound.seek(start)
        sound.seekable = lambda: False  # soundfile seeks after every read, which takes time and which streams cannot
        while place < stop:
            block = sound.read(min(size, stop - place), dtype=dtype, always_2d=True)
            if not len(block):
                break
            place += len(block)
            if place > start:
                block = block[max(0, len(block) - (place - start)) :]
                if dtype == "float32" and not (most := np.abs(block).max()) <= LOUDEST:
                    what = f"of {most:.2g}, where 1 is loud" if np.isfinite(most) else "that are not finite numbers"
                    raise AudioError(f"{path}: holds samples {what}")
                given += len(block)
                yield _mono(block)
    except AudioError:
        raise
    except (RuntimeError, OSError, ValueError, MemoryError) as error:
        raise AudioError(f"{path}: damaged: {_reason(error)}") from None
    if not given:
        raise AudioError(f"{path}: holds no samples")
    # A stream of unknown length claims to be endless.
    if claimed < _ENDLESS and given < stop - start:
        raise AudioError(f"{path}: damaged: breaks off after {given} of {stop - start} samples")


def _mono(channels: npt.NDArray[Any]) -> Waveform:
    """Samples (num_samples, num_channels) int16 or float32 -> their mean (num_samples,), in [-1, 1]."""
    if channels.dtype == np.int16:
        channels = np.multiply(channels, np.float32(1 / 32768), dtype=np.float32)
    return channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return str(text).removeprefix("Error : ").strip().rstrip(".") or type(error).__name__
