"""Make each epoch sound a little different: waveforms first, then their cepstra, then the features.

Everything is drawn from the generator that the caller gives, so an utterance's fate depends on the seed alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.errors import UserError
from asr.features import FeatureConfig, Frames, warp

Generator = np.random.Generator
_KNOTS = 6
_ENERGY_S = 0.02  # over which it is measured how loud sound is
_HIGHEST_TRIM_DB = 6.0
_SHORTEST_TRIM_S = 0.08
_GATES_DB = 20.0, 60.0
_DEEPEST_CLIP_DB = 20.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.03, 0.6  # as often below 0.13 as above
_BABBLERS = 2, 5
_BABBLE_SNR_DB = 5.0, 25.0
_BANDS_HZ = 3400.0, 4000.0, 5500.0, 7000.0  # where telephones, sounds at 8 kHz and lossy formats end
_STOP_DB = 60.0, 120.0
_FAINT_DB = 50.0, 90.0
_WARPS = 20  # warp factors to each side of 1
# The settings that change sound, where they are not what they are by default.
SOUND = (
    "speed", "trim_db", "crop_ms", "pad_ms", "channel_db", "room_ms", "noise_probability", "clip_probability",
    "gate_probability", "gain_db", "join", "babble_probability", "band_probability"
)  # fmt: skip


@dataclass(frozen=True)
class AugmentConfig:
    """How far each perturbation may go; 0 turns it off."""

    speed: float = 0.0
    """Play up to this share faster or slower, pitch included (Ko et al. 2015)."""
    trim_db: float = 0.0
    """Cut off either end what is softer than a level between 6 and so many dB below the loudest, as recordings are cut
    by ear or by a detector of energy: weak consonants go with the silence."""
    trim_probability: float = 1.0
    """Share of utterances that are trimmed; the others keep what they have."""
    crop_ms: float = 0.0
    """Cut up to so much off either end, as a recording does that starts late; nothing where half would not be left."""
    crop_probability: float = 1.0
    """Share of the ends that lose it; the others stay whole."""
    pad_ms: float = 0.0
    """Put up to so much before and after, in which nobody speaks: the noise goes on there, or where there is none, one
    that is 50 to 90 dB softer than the speech."""
    pad_probability: float = 1.0
    """Share of the ends that get it; the others stay cut close to the speech."""
    channel_db: float = 0.0
    """Filter with a smooth random curve of up to so many decibels either way, as microphones and rooms do."""
    room_ms: float = 0.0
    """Reverberate with a room of up to this reverberation time (to -60 dB), near or far from the microphone."""
    babble_probability: float = 0.0
    """Share of utterances behind which two to five others are spoken, all of them together 5 to 25 dB softer."""
    noise_probability: float = 0.0
    """Share of utterances that get coloured noise (white to brown)."""
    noise_snr_db: float = 5.0
    """Signal-to-noise ratio of the loudest noise; the quietest is 35 dB weaker."""
    band_probability: float = 0.0
    """Share of utterances of which nothing is left above 3.4, 4, 5.5 or 7 kHz, as telephones and formats leave it."""
    clip_probability: float = 0.0
    """Share of utterances whose peaks are cut off, up to 20 dB below the loudest, as in overdriven recordings."""
    gate_probability: float = 0.0
    """Share of utterances with digital silence instead of what is softer than a level between 20 and 60 dB below the
    loudest, as noise gates and editors leave it."""
    clean_probability: float = 0.0
    """Share of utterances that stay as they were spoken but for speed, ends and gain."""
    gain_db: float = 0.0
    """Louder or softer by up to so much."""
    renew: int = 1
    """Epochs until sound is perturbed anew; between them its cepstra are kept in memory, and only these perturbed."""
    join: int = 1
    """Join up to so many utterances into one, with pauses of 30 to 600 ms (of two stacked frames at least): a model
    trained on single words outputs a single word for any input."""
    join_probability: float = 0.3
    """Share of utterances that others follow."""
    tempo: float = 0.0
    """Stretch the cepstra in time by up to this share, pitch unchanged."""
    tract: float = 0.0
    """Vocal tract length perturbation: warp the frequency axis by up to this share (Jaitly & Hinton 2013). The warp is
    linear in the cepstra (Pitz & Ney 2005), so that precomputed ones can be warped too."""
    jitter: float = 0.0
    """Standard deviation of Gaussian noise on the features."""
    time_masks: int = 0
    """Time masks (SpecAugment, Park et al. 2019)."""
    time_mask_ms: float = 150.0
    """Longest of them; together they cover about a fifth of the utterance at most."""
    feature_masks: int = 0
    """Feature masks: bands of coefficients at the mean."""
    feature_mask_width: int = 3
    """Widest of them."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 and name != "noise_snr_db":
                raise UserError(f"augment.{name} must not be negative, not {value}")
            if value > 1 and name.endswith("_probability"):
                raise UserError(f"augment.{name} must be at most 1, not {value}")
        for name in ("renew", "join"):
            if getattr(self, name) < 1:
                raise UserError(f"augment.{name} must be at least 1, not {getattr(self, name)}")
        if 0 < self.trim_db <= _HIGHEST_TRIM_DB:
            raise UserError(f"augment.trim_db must be above {_HIGHEST_TRIM_DB:g}, not {self.trim_db:g}")
        if max(self.speed, self.tempo, self.tract) >= 0.5:
            raise UserError("augment.speed, tempo and tract must be below 0.5")

    @property
    def touches_sound(self) -> bool:
        """Whether anything happens to the waveform, so that its cepstra cannot be made beforehand."""
        return any(getattr(self, name) != getattr(AugmentConfig, name) for name in SOUND)


class Augmenter:
    """The perturbations of one configuration."""

    def __init__(self, config: AugmentConfig, features: FeatureConfig) -> None:
        self.config = config
        self.features = features
        self.sample_rate = features.sample_rate
        # The space between two utterances needs a stacked frame of its own, wherever the stacks begin.
        self._shortest_pause_s = max(_SHORTEST_PAUSE_S, 2 * features.frame_ms / 1000)

    def followers(self, speaks: npt.NDArray[np.bool_], rng: Generator) -> npt.NDArray[np.intp]:
        """Which utterances follow each one: (num_utterances,) -> (num_utterances, join - 1) indices, -1 for nobody.

        Utterances in which nobody `speaks` follow none and are followed by none.
        """
        most = self.config.join - 1
        if not most or not speaks.any():
            return np.full((len(speaks), most), -1)
        drawn = rng.choice(np.flatnonzero(speaks), (len(speaks), most))
        counts = rng.integers(1, most, len(speaks), endpoint=True)
        counts[~speaks | (rng.random(len(speaks)) >= self.config.join_probability)] = 0
        return np.where(np.arange(most) < counts[:, None], drawn, -1)

    def waveform(
        self,
        waveform: audio.Waveform,
        rng: Generator,
        min_samples: int = 0,
        followers: Sequence[tuple[audio.Waveform, int]] = (),
        others: Callable[[int], Sequence[audio.Waveform]] = lambda _: (),
    ) -> audio.Waveform:
        """Everything that changes sound: (num_samples,) -> another length, at least `min_samples`.

        `followers` come after it, each at least as many samples long as the number beside it; `others` gives as
        many utterances as it is asked for, for the babble behind it.
        """
        said = self._speech(waveform, rng, min_samples)
        for following, least in followers:
            pause_s = self._shortest_pause_s * (_LONGEST_PAUSE_S / self._shortest_pause_s) ** rng.random()
            pause = np.zeros(round(pause_s * self.sample_rate), np.float32)
            said = np.concatenate([said, pause, self._speech(following, rng, least)])
        return self._recording(said, rng, others)

    def _speech(self, waveform: audio.Waveform, rng: Generator, min_samples: int) -> audio.Waveform:
        """Speed and ends: (num_samples,) -> another length, at least `min_samples`."""
        config = self.config
        if config.speed:
            factor = rng.uniform(1 - config.speed, 1 + config.speed)
            if len(waveform) / factor >= max(min_samples, 2):
                # Linear interpolation: what it takes from the highest frequencies is one more perturbation.
                positions = np.arange(0, len(waveform) - 1, factor)
                waveform = np.interp(positions, np.arange(len(waveform)), waveform).astype(np.float32)
        if config.trim_db and (config.trim_probability == 1 or rng.random() < config.trim_probability):
            loud = np.flatnonzero(self._is_louder(waveform, rng.uniform(_HIGHEST_TRIM_DB, config.trim_db)))
            first, last = int(loud[0]), int(loud[-1]) + 1
            if last - first >= max(min_samples, _SHORTEST_TRIM_S * self.sample_rate):
                waveform = waveform[first:last]
        if config.crop_ms:
            first, after = self._ends(config.crop_ms, config.crop_probability, rng)
            last = len(waveform) - after
            if last - first >= max(min_samples, len(waveform) / 2):
                waveform = waveform[first:last]
        return waveform

    def _recording(
        self, said: audio.Waveform, rng: Generator, others: Callable[[int], Sequence[audio.Waveform]]
    ) -> audio.Waveform:
        """Padding, babble, channel, room, noise, band, clipping, gate, gain: (num_samples,) -> the same or longer."""
        config = self.config
        loudness = np.sqrt(np.mean(np.square(said)))  # of the speech: what is put around it makes no noise softer
        waveform = np.pad(said, self._ends(config.pad_ms, config.pad_probability, rng)) if config.pad_ms else said
        if config.clean_probability and rng.random() < config.clean_probability:
            return self._gained(self._faintly_noisy(waveform, loudness, rng), rng)
        if config.babble_probability and rng.random() < config.babble_probability:
            waveform = self._babbled(waveform, loudness, others, rng)
        if config.channel_db:
            waveform = self._filter(waveform, rng)
        if config.room_ms:
            waveform = self._reverberate(waveform, rng)
        clean = waveform  # what a gate opens for: it is there to keep the noise out
        if rng.random() < config.noise_probability:
            waveform = self._noisy(waveform, loudness, config.noise_snr_db + rng.uniform(0, 35), rng)
        else:
            waveform = self._faintly_noisy(waveform, loudness, rng)
        if config.band_probability and rng.random() < config.band_probability:
            waveform = self._band_limited(waveform, rng)
        if config.clip_probability and rng.random() < config.clip_probability:
            peak = np.abs(waveform).max(initial=0) * np.float32(10 ** (-rng.uniform(0, _DEEPEST_CLIP_DB) / 20))
            waveform = np.clip(waveform, -peak, peak)
        if config.gate_probability and rng.random() < config.gate_probability:
            waveform = waveform * self._is_louder(clean, rng.uniform(*_GATES_DB))
        return self._gained(waveform, rng)

    def _gained(self, waveform: audio.Waveform, rng: Generator) -> audio.Waveform:
        if not self.config.gain_db:
            return waveform
        gain = 10 ** (rng.uniform(-self.config.gain_db, self.config.gain_db) / 20)
        return np.multiply(waveform, np.float32(gain), dtype=np.float32)

    def _noisy(self, waveform: audio.Waveform, loudness: float, snr_db: float, rng: Generator) -> audio.Waveform:
        """Coloured noise so much softer than `loudness`, from beginning to end."""
        noise = self._noise(len(waveform), rng) * np.float32(loudness * 10 ** (-snr_db / 20))
        return np.asarray(waveform + noise, np.float32)

    def _faintly_noisy(self, waveform: audio.Waveform, loudness: float, rng: Generator) -> audio.Waveform:
        """Where there is padding, no digital silence."""
        return self._noisy(waveform, loudness, rng.uniform(*_FAINT_DB), rng) if self.config.pad_ms else waveform

    def _babbled(
        self,
        waveform: audio.Waveform,
        loudness: float,
        others: Callable[[int], Sequence[audio.Waveform]],
        rng: Generator,
    ) -> audio.Waveform:
        """Other utterances behind this one, each over and over from a drawn sample on."""
        babble = np.zeros(len(waveform), np.float32)
        for other in others(int(rng.integers(*_BABBLERS, endpoint=True))):
            start = int(rng.integers(len(other)))
            spoken = np.resize(np.concatenate([other[start:], other[:start]]), len(waveform))
            babble += spoken / max(float(np.sqrt(np.mean(np.square(spoken)))), 1e-6)
        level = float(np.sqrt(np.mean(np.square(babble))))
        gain = loudness * 10 ** (-rng.uniform(*_BABBLE_SNR_DB) / 20) / level if level else 0
        return np.asarray(waveform + babble * np.float32(gain), np.float32)

    def _band_limited(self, waveform: audio.Waveform, rng: Generator) -> audio.Waveform:
        """Nothing above one of the bands' edges but noise that is 60 to 120 dB below the sound."""
        edge_hz = rng.choice(_BANDS_HZ) / self.sample_rate
        size = 1 << (len(waveform) - 1).bit_length()
        spectrum = np.fft.rfft(waveform, size)
        spectrum[round(edge_hz * size) :] = 0
        limited = np.fft.irfft(spectrum, size)[: len(waveform)]
        loudness = np.sqrt(np.mean(np.square(limited)))
        noise = self._noises[0] if len(waveform) <= self._noises.shape[1] else np.resize(self._noises[0], len(waveform))
        floor = noise[: len(waveform)] * loudness * 10 ** (-rng.uniform(*_STOP_DB) / 20)
        return np.asarray(limited + floor, np.float32)

    def _is_louder(self, waveform: audio.Waveform, below_db: float) -> npt.NDArray[np.bool_]:
        """Where sound is louder than so many decibels below its loudest: (num_samples,) -> (num_samples,).

        How loud it is is its variance in the 20 ms around: an offset is no sound.
        """
        half, positions = round(_ENERGY_S / 2 * self.sample_rate), np.arange(len(waveform))
        first, last = np.maximum(positions - half, 0), np.minimum(positions + half + 1, len(waveform))
        centred = waveform - waveform.mean(dtype=np.float64)
        sums = np.cumsum(np.pad([centred, np.square(centred)], [(0, 0), (1, 0)]), axis=1)
        sum_, energy = sums[:, last] - sums[:, first]
        energy -= np.square(sum_) / (last - first)
        return np.asarray(energy >= energy.max() * 10 ** (-below_db / 10))

    def cepstra_channel(self, cepstra: Frames, rng: Generator, cosines: npt.NDArray[np.float64]) -> Frames:
        """A smooth random curve over the log energies of the filters: (T, C) -> (T, C).

        `cosines` (num_filters, C) make cepstra of log energies.
        """
        if not self.config.channel_db:
            return cepstra
        return cepstra + self.channel(rng) @ cosines.astype(np.float32)

    def channel(self, rng: Generator) -> npt.NDArray[np.float32]:
        """What a drawn channel adds to the log energies of the filters: (num_filters,), a smooth curve."""
        knots_db = rng.uniform(-self.config.channel_db, self.config.channel_db, _KNOTS)
        positions = np.linspace(0, _KNOTS - 1, self.features.num_filters)
        return np.asarray(np.interp(positions, np.arange(_KNOTS), knots_db) * (math.log(10) / 10), np.float32)

    def tract(self, cepstra: Frames, rng: Generator) -> Frames:
        """Vocal tract length perturbation: (T, C) -> (T, C)."""
        if not self.config.tract:
            return cepstra
        step = round(rng.uniform(-_WARPS, _WARPS))
        return cepstra @ warp(1 + self.config.tract * step / _WARPS, self.features).astype(cepstra.dtype)

    def tempo(self, rng: Generator) -> float:
        """How many times as fast; draws nothing where the tempo stays."""
        return rng.uniform(1 - self.config.tempo, 1 + self.config.tempo) if self.config.tempo else 1.0

    def stretch(self, cepstra: Frames, factor: float, min_frames: int = 1) -> Frames:
        """`factor` times as fast: (T, C) -> another number of frames, at least `min_frames`, interpolated linearly."""
        if not self.config.tempo:
            return cepstra
        num_frames = max(round(len(cepstra) / factor), min(min_frames, len(cepstra)), 1)
        positions = np.linspace(0, len(cepstra) - 1, num_frames, dtype=np.float32)
        left = positions.astype(np.intp)
        weight = (positions - left)[:, None]
        following = np.minimum(left + 1, len(cepstra) - 1)
        return np.asarray(cepstra[left] * (1 - weight) + cepstra[following] * weight)

    def frames(self, frames: Frames, rng: Generator, num_cepstra: int) -> Frames:
        """Masks: (T, F) with spans of time and bands of coefficients, deltas too, at the utterance's mean."""
        config = self.config
        if config.jitter:
            noise = rng.standard_normal(frames.shape, np.float32)
            noise *= np.float32(config.jitter)
            frames = frames + noise
        if not config.time_masks and not config.feature_masks:
            return frames
        frames, mean = frames if config.jitter else frames.copy(), frames.mean(axis=0)
        for _ in range(config.time_masks):
            longest = min(config.time_mask_ms / self.features.frame_ms, len(frames) / 5 / config.time_masks)
            width = int(rng.uniform(0, longest + 1))
            start = int(rng.integers(0, len(frames) - width + 1))
            frames[start : start + width] = mean
        for _ in range(config.feature_masks):
            width = int(rng.integers(0, min(config.feature_mask_width, num_cepstra) + 1))
            start = int(rng.integers(0, num_cepstra - width + 1))
            for order in range(0, frames.shape[1], num_cepstra):
                band = slice(order + start, order + start + width)
                frames[:, band] = mean[band]
        return frames

    def _ends(self, most_ms: float, probability: float, rng: Generator) -> tuple[int, int]:
        """Samples to cut off or to put before and after: up to so much, and none of the ends that are left alone."""
        most = most_ms / 1000 * self.sample_rate
        before, after = int(rng.uniform(0, most)), int(rng.uniform(0, most))
        if probability < 1:
            before, after = before * int(rng.random() < probability), after * int(rng.random() < probability)
        return before, after

    def _filter(self, waveform: audio.Waveform, rng: Generator) -> audio.Waveform:
        size = 1 << (len(waveform) - 1).bit_length()
        knots_db = rng.uniform(-self.config.channel_db, self.config.channel_db, _KNOTS).astype(np.float32)
        gains = np.exp(np.float32(math.log(10) / 20) * (knots_db @ _curves(size)))
        # norm="forward" keeps float32 in float32.
        spectrum = np.fft.rfft(waveform, size, norm="forward")
        spectrum *= gains
        filtered = np.fft.irfft(spectrum, size, norm="forward")[: len(waveform)]
        return filtered.astype(np.float32, copy=False)

    def _reverberate(self, waveform: audio.Waveform, rng: Generator) -> audio.Waveform:
        """An impulse response of noise that dies away exponentially (Moorer 1979); the length stays."""
        size = max(2, int(rng.uniform(0.2, 1) * self.config.room_ms / 1000 * self.sample_rate))
        tail = rng.standard_normal(size) * np.exp(math.log(1e-3) * np.arange(size) / size)
        response = tail * (rng.uniform(0, 1) / np.linalg.norm(tail))
        response[0] = 1.0
        length = 1 << (len(waveform) + size - 1).bit_length()
        spectrum = np.fft.rfft(waveform, length)  # in double, which is as fast here
        spectrum *= np.fft.rfft(response.astype(np.float32), length)
        return np.fft.irfft(spectrum, length)[: len(waveform)].astype(np.float32, copy=False)

    def _noise(self, num_samples: int, rng: Generator) -> npt.NDArray[np.float32]:
        noise = self._noises[rng.integers(len(self._noises))]
        start = int(rng.integers(len(noise)))
        if start + num_samples <= len(noise):
            return np.asarray(noise[start : start + num_samples])
        return np.asarray(np.take(noise, np.arange(start, start + num_samples), mode="wrap"))

    @cached_property
    def _noises(self) -> npt.NDArray[Any]:
        """(9, 2^17) noises of unit power whose spectra fall as f^0 (white) to f^-2 (brown)."""
        size = 1 << 17
        white = np.fft.rfft(np.random.default_rng(0).standard_normal((9, size)))
        slopes = np.linspace(0, 1, 9)[:, None]  # of the amplitude: half that of the power
        coloured = np.fft.irfft(white * np.maximum(np.arange(size // 2 + 1), 20.0) ** -slopes, size)
        return np.asarray(coloured / coloured.std(axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=32)
def _curves(size: int) -> npt.NDArray[np.float32]:
    """(knots, size / 2 + 1): what one decibel at each knot adds at each frequency, between them linearly.

    The knots stand at equal steps of the square root of frequency, closer together where speech has its formants.
    """
    positions = np.sqrt(np.linspace(0, 1, size // 2 + 1)) * (_KNOTS - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(positions - np.arange(_KNOTS)[:, None])), np.float32)
