"""Sound files <-> float32 mono waveforms at a wanted rate: the one owner of soundfile and soxr.

soundfile reads whatever libsndfile reads (WAV, FLAC, Ogg, Opus, MP3, AIFF, AU, NIST SPHERE, ...); soxr resamples.
`container` and `mpeg` look into a file before libsndfile does, which does not notice all that is missing.
"""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import limits
from asr.audio.source import AudioError as AudioError
from asr.audio.source import named, opened, reason
from asr.files import shown, write_bytes

Waveform = npt.NDArray[np.float32]

_BLOCK = 1 << 20  # samples read at a time
_ENDLESS = 1 << 50
_CANCELLED = 0.01  # -20 dB: the power of an average against that of the louder channel; of sound and silence it is -6
# Floating point in [-1, 1] is the custom, but some files hold the integers that they were made of, of 32 bits at most.
# What is far above that is no sound, and its power is more than a float32 holds.
LOUDEST = 2.0**31
_QUALITY = "HQ"  # soxr's name: 20 bits


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
    with opened(path) as sound:
        return AudioInfo(sound.samplerate, sound.frames, sound.channels)


def read(
    path: str | Path, sample_rate: int | None = None, *, start_s: float = 0.0, end_s: float | None = None
) -> Waveform:
    """Read a sound file ("-": standard input) as one channel at `sample_rate` Hz (None: as it is).

    Channels are averaged; in a second in which they cancel one another (the average has less than a hundredth of the
    louder one's power, as where one is the other upside down) the louder one is taken. Returns float32 (num_samples,)
    in [-1, 1]. `start_s` and `end_s` cut out a part.

    Pipes are read to their end, files one behind the other (chained Ogg, MP3, WAV) as one. Raises AudioError, naming
    the file, if it is missing, is not sound, breaks off, is empty, or holds numbers that are not finite or absurdly
    large.
    """
    with opened(path) as sound:
        rate = sound.samplerate
        parts = list(limited(_parts(path, sound, start_s, end_s, _BLOCK), rate, shown(path)))
    waveform = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return waveform if sample_rate is None else resample(waveform, rate, sample_rate)


def blocks(source: str | Path | bytes, sample_rate: int | None = None, *, block_s: float) -> Iterator[Waveform]:
    """What `read` gives of a file or of its bytes, in blocks of `block_s` seconds, or what resampling makes of them.

    Memory does not grow with the file's length. Raises as `read` does, some of it after the last block.
    """
    with opened(source) as sound:
        rate = sound.samplerate
        parts = _parts(named(source), sound, 0.0, None, max(1, round(block_s * rate)))
        first = next(parts)
        second = next(parts, None)
        if second is None or sample_rate is None or rate == sample_rate:
            yield first if sample_rate is None else resample(first, rate, sample_rate)
            yield from () if second is None else itertools.chain([second], parts)
            return
        resampler = Resampler(rate, sample_rate)
        for part in itertools.chain([first, second], parts):
            yield resampler.feed(part)
        yield resampler.flush()


class Resampler:
    """Sound in blocks of any length at one rate in Hz -> the same at another, which the blocks do not change."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._rates = from_rate, to_rate
        self._start()

    def _start(self) -> None:
        self._stream: Any = None
        if self._rates[0] != self._rates[1]:
            import soxr

            self._stream = soxr.ResampleStream(*self._rates, 1, "float32", _QUALITY)

    def feed(self, block: Waveform) -> Waveform:
        """The next samples (num_samples,) -> those that are known by now."""
        return block if self._stream is None else self._stream.resample_chunk(block)

    def flush(self) -> Waveform:
        """The rest: the sound has ended, and another may begin."""
        rest = np.empty(0, np.float32)
        if self._stream is not None:
            rest = self._stream.resample_chunk(rest, last=True)
            self._start()
        return rest


def resample(waveform: Waveform, from_rate: float, to_rate: float, *, quality: str = _QUALITY) -> Waveform:
    """Resample (num_samples,) from one rate in Hz to another; `quality` is soxr's (QQ, LQ, MQ, HQ, VHQ)."""
    if from_rate == to_rate:
        return waveform
    import soxr

    resampled: Waveform = soxr.resample(waveform, from_rate, to_rate, quality=quality)
    return resampled


def write(path: str | Path, waveform: Waveform, sample_rate: int) -> None:
    """Write (num_samples,) in [-1, 1] as 16-bit sound; the suffix names the format, values outside are clipped.

    The file is there whole or not at all; an OSError names it.
    """
    write_bytes(Path(path), encoded(waveform, sample_rate, str(path)), is_synced=False)


def encoded(waveform: Waveform, sample_rate: int, name: str) -> bytes:
    """The bytes of a file of that name: (num_samples,) in [-1, 1] as 16-bit sound in the format of the suffix."""
    import soundfile

    file = io.BytesIO()
    file.name = name  # which tells soundfile the format
    soundfile.write(file, np.clip(waveform, -1, 1), sample_rate, subtype="PCM_16")
    return file.getvalue()


def _parts(path: str | Path, sound: Any, start_s: float, end_s: float | None, size: int) -> Iterator[Waveform]:
    """The samples from `start_s` to `end_s` as one channel, `size` at a time, checked."""
    return _mono(_blocks(path, sound, start_s, end_s, size), sound.samplerate, size)


def limited(parts: Iterator[Waveform], rate: int, name: str) -> Iterator[Waveform]:
    """No more than may be held at once: a file of a megabyte may hold ten hours of silence."""
    num_samples, max_s = 0, limits.max_sound_s()
    for part in parts:
        num_samples += len(part)
        if num_samples > max_s * rate:
            raise AudioError(
                f"{name}: longer than the {max_s:g} s of sound that are held at once; cut it, or set ASR_MAX_SOUND_S"
            )
        yield part


def _blocks(path: str | Path, sound: Any, start_s: float, end_s: float | None, size: int) -> Iterator[npt.NDArray[Any]]:
    """(at most `size`, num_channels) int16 or float32, checked.

    Never as much memory as a header claims, and no seeking where it is not needed: some formats cannot.
    """
    rate, claimed, name = sound.samplerate, sound.frames, shown(path)
    start, stop = round(start_s * rate), claimed if end_s is None else round(end_s * rate)
    # Half a hop of slack: the times in a manifest are rounded.
    if claimed and not 0 <= start < stop <= claimed + rate // 200:
        end_s = claimed / rate if end_s is None else end_s
        raise AudioError(f"{name}: no part from {start_s:g} s to {end_s:g} s in its {claimed / rate:.3f} s")
    stop, position, given = min(stop, claimed), 0, 0
    # libsndfile gives 16 bits as they are three times as fast as it makes numbers of them.
    dtype = "int16" if sound.subtype == "PCM_16" else "float32"
    try:
        if start and sound.seekable():
            position = sound.seek(start)
        sound.seekable = lambda: False  # soundfile seeks after every read, which takes time and which streams cannot
        while position < stop:
            block = sound.read(min(size, stop - position), dtype=dtype, always_2d=True)
            if not len(block):
                break
            position += len(block)
            if position > start:
                block = block[max(0, len(block) - (position - start)) :]
                if dtype == "float32" and not (most := np.abs(block).max()) <= LOUDEST:
                    what = f"of {most:.2g}, where 1 is loud" if np.isfinite(most) else "that are not finite numbers"
                    raise AudioError(f"{name}: holds samples {what}")
                given += len(block)
                yield block
    except AudioError:
        raise
    except (RuntimeError, OSError, ValueError, MemoryError) as error:
        raise AudioError(f"{name}: damaged: {reason(error)}") from None
    if not given:
        raise AudioError(f"{name}: holds no samples")
    # A stream of unknown length claims to be endless; of MP3 the frames have been counted, of which a decoder may drop
    # those that need what came before them.
    if claimed < _ENDLESS and given < stop - start and not sound.subtype.startswith("MPEG"):
        raise AudioError(f"{name}: damaged: breaks off after {given} of {stop - start} samples")


def _mono(blocks: Iterator[npt.NDArray[Any]], rate: int, size: int) -> Iterator[Waveform]:
    """Blocks (num_samples, num_channels), int16 or float32 -> (size,) float32 in [-1, 1], the last one shorter.

    A second of several channels at a time, counted from the first sample: the same for any blocks.
    """
    first = next(blocks)
    blocks = itertools.chain([first], blocks)
    if first.shape[1] == 1:
        yield from (_scaled(block)[:, 0] for block in blocks)
        return
    mixed = (_mixed(_scaled(block)) for block in _resized(blocks, rate))
    yield from _resized(mixed, size)


def _scaled(samples: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if samples.dtype == np.int16:
        samples = np.multiply(samples, np.float32(1 / 32768), dtype=np.float32)
    return samples


def _resized(blocks: Iterator[npt.NDArray[Any]], size: int) -> Iterator[npt.NDArray[Any]]:
    """The same samples, `size` at a time."""
    held: list[npt.NDArray[Any]] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= size:
            joined = np.concatenate(held) if len(held) > 1 else block
            whole = count // size * size
            yield from (joined[start : start + size] for start in range(0, whole, size))
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def _mixed(channels: npt.NDArray[np.float32]) -> Waveform:
    """(num_samples, num_channels) -> their mean, or one of them where they cancel one another; see `read`."""
    mean: Waveform = channels.mean(axis=1)
    with np.errstate(over="ignore"):  # what is far too loud does not cancel itself
        powers = np.square(channels).sum(axis=0)
        power = np.square(mean).sum()
    if not 0 < powers.max() < np.inf or power >= _CANCELLED * powers.max():
        return mean
    # The first, unless another one is clearly louder: which of two alike must not change from second to second.
    louder = int(powers.argmax())
    return channels[:, louder if powers[louder] > 2 * powers[0] else 0]
