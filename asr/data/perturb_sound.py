"""Perturbations of sound: each is a record of its own settings, called with a generator to draw from.

`augment` has them in their order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asr import noise
from asr.audio import Waveform
from asr.features import Frames

Generator = np.random.Generator
HIGHEST_TRIM_DB = 6.0
_KNOTS = 6
_ENERGY_S = 0.02  # over which it is measured how loud sound is
_SHORTEST_TRIM_S = 0.08
_GATES_DB = 20.0, 60.0
_DEEPEST_CLIP_DB = 20.0
_BABBLERS = 2, 5
_BABBLE_SNR_DB = 5.0, 25.0
_NOISE_RANGE_DB = 35.0
_HOUSEHOLD_RANGE_DB = 25.0
_BANDS_HZ = 3400.0, 4000.0, 5500.0, 7000.0  # where telephones, sounds at 8 kHz and lossy formats end
_STOP_DB = 60.0, 120.0
_FAINT_DB = 50.0, 90.0


# Of the waveform of one utterance (num_samples,): another length, and never less than `min_samples`.


@dataclass(frozen=True)
class Speed:
    """Faster or slower by up to `share`, pitch included (Ko et al. 2015)."""

    share: float

    def __call__(self, waveform: Waveform, rng: Generator, min_samples: int) -> Waveform:
        """Linear interpolation: what it takes from the highest frequencies is one more perturbation."""
        factor = rng.uniform(1 - self.share, 1 + self.share)
        if len(waveform) / factor < max(min_samples, 2):
            return waveform
        positions = np.arange(0, len(waveform) - 1, factor)
        return np.asarray(np.interp(positions, np.arange(len(waveform)), waveform), np.float32)


@dataclass(frozen=True)
class Trim:
    """Cut off either end what is softer than a level between 6 and `depth_db` below the loudest."""

    depth_db: float
    probability: float
    sample_rate: int

    def __call__(self, waveform: Waveform, rng: Generator, min_samples: int) -> Waveform:
        """Nothing, where less than 80 ms would be left."""
        if self.probability < 1 and rng.random() >= self.probability:
            return waveform
        loud = np.flatnonzero(_is_louder(waveform, rng.uniform(HIGHEST_TRIM_DB, self.depth_db), self.sample_rate))
        first, last = int(loud[0]), int(loud[-1]) + 1
        return (
            waveform[first:last] if last - first >= max(min_samples, _SHORTEST_TRIM_S * self.sample_rate) else waveform
        )


@dataclass(frozen=True)
class Ends:
    """How many samples of either end are drawn: up to `max_samples`, and none of the ends that are spared."""

    max_samples: float
    probability: float

    def draw(self, rng: Generator) -> tuple[int, int]:
        """(before, after)."""
        before, after = int(rng.uniform(0, self.max_samples)), int(rng.uniform(0, self.max_samples))
        if self.probability < 1:
            before, after = before * int(rng.random() < self.probability), after * int(rng.random() < self.probability)
        return before, after


@dataclass(frozen=True)
class Crop:
    """Cut so much off either end."""

    ends: Ends

    def __call__(self, waveform: Waveform, rng: Generator, min_samples: int) -> Waveform:
        """Nothing, where less than half would be left."""
        first, after = self.ends.draw(rng)
        last = len(waveform) - after
        return waveform[first:last] if last - first >= max(min_samples, len(waveform) / 2) else waveform


# Of a whole recording: the same length, or with padding a greater one.


@dataclass
class Recording:
    """A waveform on its way through the steps, and what they ask about it."""

    waveform: Waveform
    """(num_samples,) float32."""
    loudness: float
    """Root mean square of the speech: padding around it makes no noise softer."""
    others: Callable[[int], Sequence[Waveform]] = lambda _: ()
    """As many other utterances as it is asked for."""
    noiseless: Waveform | None = None
    """As it was before noise came to it: what a gate opens for, which is there to keep the noise out."""


@dataclass(frozen=True)
class Pad:
    """Put digital silence before and after; `Noise` goes on in it."""

    ends: Ends

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """Longer by what is drawn."""
        return np.pad(recording.waveform, self.ends.draw(rng))


@dataclass(frozen=True)
class Babble:
    """Two to five other utterances behind this one, all of them together 5 to 25 dB softer."""

    probability: float

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """Each is repeated from a drawn sample on."""
        waveform = recording.waveform
        if rng.random() >= self.probability:
            return waveform
        babble = np.zeros(len(waveform), np.float32)
        for other in recording.others(int(rng.integers(*_BABBLERS, endpoint=True))):
            start = int(rng.integers(len(other)))
            spoken = np.resize(np.concatenate([other[start:], other[:start]]), len(waveform))
            babble += spoken / max(float(np.sqrt(np.mean(np.square(spoken)))), 1e-6)
        level = float(np.sqrt(np.mean(np.square(babble))))
        gain = recording.loudness * 10 ** (-rng.uniform(*_BABBLE_SNR_DB) / 20) / level if level else 0
        return np.asarray(waveform + babble * np.float32(gain), np.float32)


@dataclass(frozen=True)
class Household:
    """What falls, flows or turns behind the speech, `snr_db` to 25 dB more below it."""

    probability: float
    snr_db: float
    sample_rate: int

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length."""
        waveform = recording.waveform
        if rng.random() >= self.probability:
            return waveform
        piece = _piece(_households(self.sample_rate), len(waveform), rng)
        return _with(recording, piece, self.snr_db + rng.uniform(0, _HOUSEHOLD_RANGE_DB))


@dataclass(frozen=True)
class Channel:
    """Filter with a smooth random curve of up to `limit_db` either way."""

    limit_db: float

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length."""
        waveform = recording.waveform
        size = 1 << (len(waveform) - 1).bit_length()
        knots_db = rng.uniform(-self.limit_db, self.limit_db, _KNOTS).astype(np.float32)
        gains = np.exp(np.float32(math.log(10) / 20) * (knots_db @ _curves(size)))
        # norm="forward" keeps float32 in float32.
        spectrum = np.fft.rfft(waveform, size, norm="forward")
        spectrum *= gains
        filtered = np.fft.irfft(spectrum, size, norm="forward")[: len(waveform)]
        return filtered.astype(np.float32, copy=False)

    def of_cepstra(self, cepstra: Frames, rng: Generator, cosines: npt.NDArray[np.float64]) -> Frames:
        """The same of cepstra (T, C) that have no sound: a curve over the log energies of the filters.

        `cosines` (num_filters, C) make cepstra of log energies.
        """
        knots_db = rng.uniform(-self.limit_db, self.limit_db, _KNOTS)
        positions = np.linspace(0, _KNOTS - 1, len(cosines))
        curve = np.asarray(np.interp(positions, np.arange(_KNOTS), knots_db) * (math.log(10) / 10), np.float32)
        return cepstra + curve @ cosines.astype(np.float32)


@dataclass(frozen=True)
class Room:
    """Reverberate with an impulse response of noise that dies away exponentially (Moorer 1979)."""

    max_samples: float
    """The longest reverberation time, to -60 dB."""

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length."""
        waveform = recording.waveform
        size = max(2, int(rng.uniform(0.2, 1) * self.max_samples))
        tail = rng.standard_normal(size) * np.exp(math.log(1e-3) * np.arange(size) / size)
        response = tail * (rng.uniform(0, 1) / np.linalg.norm(tail))
        response[0] = 1.0
        length = 1 << (len(waveform) + size - 1).bit_length()
        spectrum = np.fft.rfft(waveform, length)  # in double, which is as fast here
        spectrum *= np.fft.rfft(response.astype(np.float32), length)
        return np.fft.irfft(spectrum, length)[: len(waveform)].astype(np.float32, copy=False)


@dataclass(frozen=True)
class Noise:
    """Coloured noise from beginning to end, `snr_db` to 35 dB more below the speech; or else, where it is padded, a
    faint one: padding is no digital silence.
    """

    probability: float
    snr_db: float
    is_padded: bool

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length; what it was before stays in the recording."""
        recording.noiseless = recording.waveform
        if rng.random() < self.probability:
            return self._at(self.snr_db + rng.uniform(0, _NOISE_RANGE_DB), recording, rng)
        return self.faint(recording, rng)

    def faint(self, recording: Recording, rng: Generator) -> Waveform:
        """50 to 90 dB below the speech, where it is padded."""
        return self._at(rng.uniform(*_FAINT_DB), recording, rng) if self.is_padded else recording.waveform

    def _at(self, snr_db: float, recording: Recording, rng: Generator) -> Waveform:
        return _with(recording, _piece(_noises(), len(recording.waveform), rng), snr_db)


@dataclass(frozen=True)
class Band:
    """Nothing above one of the bands' edges but noise that is 60 to 120 dB below the sound."""

    probability: float
    sample_rate: int

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length."""
        waveform = recording.waveform
        if rng.random() >= self.probability:
            return waveform
        edge_hz = rng.choice(_BANDS_HZ) / self.sample_rate
        size = 1 << (len(waveform) - 1).bit_length()
        spectrum = np.fft.rfft(waveform, size)
        spectrum[round(edge_hz * size) :] = 0
        limited = np.fft.irfft(spectrum, size)[: len(waveform)]
        loudness = np.sqrt(np.mean(np.square(limited)))
        white = _noises()[0]
        white = white if len(waveform) <= len(white) else np.resize(white, len(waveform))
        floor = white[: len(waveform)] * loudness * 10 ** (-rng.uniform(*_STOP_DB) / 20)
        return np.asarray(limited + floor, np.float32)


@dataclass(frozen=True)
class Clip:
    """Cut the peaks off, up to 20 dB below the loudest."""

    probability: float

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length."""
        waveform = recording.waveform
        if rng.random() >= self.probability:
            return waveform
        peak = np.abs(waveform).max(initial=0) * np.float32(10 ** (-rng.uniform(0, _DEEPEST_CLIP_DB) / 20))
        return np.clip(waveform, -peak, peak)


@dataclass(frozen=True)
class Gate:
    """Digital silence instead of what is softer than a level between 20 and 60 dB below the loudest."""

    probability: float
    sample_rate: int

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length."""
        if rng.random() >= self.probability:
            return recording.waveform
        opening = recording.waveform if recording.noiseless is None else recording.noiseless
        return recording.waveform * _is_louder(opening, rng.uniform(*_GATES_DB), self.sample_rate)


@dataclass(frozen=True)
class Gain:
    """Louder or softer by up to `limit_db`."""

    limit_db: float

    def __call__(self, recording: Recording, rng: Generator) -> Waveform:
        """The same length."""
        gain = 10 ** (rng.uniform(-self.limit_db, self.limit_db) / 20)
        return np.multiply(recording.waveform, np.float32(gain), dtype=np.float32)


def _is_louder(waveform: Waveform, below_db: float, sample_rate: int) -> npt.NDArray[np.bool_]:
    """Where sound is louder than so many decibels below its loudest: (num_samples,) -> (num_samples,).

    How loud it is is its variance in the 20 ms around: an offset is no sound. This is not `asr.endpointing`, on
    purpose: it imitates the editors and gates that recordings went through, which know of no speech and cut weak
    consonants off.
    """
    half, positions = round(_ENERGY_S / 2 * sample_rate), np.arange(len(waveform))
    first, last = np.maximum(positions - half, 0), np.minimum(positions + half + 1, len(waveform))
    centred = waveform - waveform.mean(dtype=np.float64)
    sums = np.cumsum(np.pad([centred, np.square(centred)], [(0, 0), (1, 0)]), axis=1)
    sum_, energy = sums[:, last] - sums[:, first]
    energy -= np.square(sum_) / (last - first)
    return np.asarray(energy >= energy.max() * 10 ** (-below_db / 10))


def _piece(noises: npt.NDArray[np.float32], num_samples: int, rng: Generator) -> Waveform:
    """So much of a drawn one of the noises (N, length), from a drawn sample on; it begins anew where it ends."""
    drawn: Waveform = noises[rng.integers(len(noises))]
    start = int(rng.integers(len(drawn)))
    if start + num_samples <= len(drawn):
        return drawn[start : start + num_samples]
    return np.take(drawn, np.arange(start, start + num_samples), mode="wrap")


def _with(recording: Recording, piece: Waveform, snr_db: float) -> Waveform:
    """A noise of unit power behind the recording, so many decibels below its speech."""
    return np.asarray(recording.waveform + piece * np.float32(recording.loudness * 10 ** (-snr_db / 20)), np.float32)


@lru_cache(maxsize=32)
def _curves(size: int) -> npt.NDArray[np.float32]:
    """(knots, size / 2 + 1): what one decibel at each knot adds at each frequency, between them linearly.

    The knots stand at equal steps of the square root of frequency, closer together where speech has its formants.
    """
    positions = np.sqrt(np.linspace(0, 1, size // 2 + 1)) * (_KNOTS - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(positions - np.arange(_KNOTS)[:, None])), np.float32)


@lru_cache(maxsize=1)
def _noises() -> npt.NDArray[np.float32]:
    """(9, 2^17) noises of unit power, from white to brown."""
    white = np.random.default_rng(0).standard_normal((9, 1 << 17))
    return noise.coloured(white, np.linspace(0, 1, 9)[:, None], 20.0).astype(np.float32)


@lru_cache(maxsize=2)
def _households(sample_rate: int) -> npt.NDArray[np.float32]:
    """(64, 2^17) noises of unit power."""
    rng = np.random.default_rng(0)
    return np.stack([noise.household(rng, 1 << 17, sample_rate) for _ in range(64)])
