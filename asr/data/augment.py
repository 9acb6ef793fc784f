"""Make each epoch sound a little different: waveforms first, then their cepstra, then the features.

The perturbations, in the order in which they happen. Everything is drawn from the generator that the caller gives, so
an utterance's fate depends on the seed alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from asr.audio import Waveform
from asr.data import perturb_features as cepstral
from asr.data import perturb_sound as sound
from asr.errors import UserError
from asr.features import FeatureConfig, Frames

Generator = np.random.Generator
Step = TypeVar("Step")
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.03, 0.6  # as often below 0.13 as above
# The settings that change sound, where they are not what they are by default.
SOUND = (
    "speed", "trim_db", "crop_ms", "pad_ms", "channel_db", "room_ms", "noise_probability", "clip_probability",
    "gate_probability", "gain_db", "join", "babble_probability", "band_probability",
    "household_probability"
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
    household_probability: float = 0.0
    """Share of utterances behind which things fall and ring, water runs or a machine turns, as in a kitchen."""
    household_snr_db: float = 0.0
    """Signal-to-noise ratio of the loudest of these noises; the quietest is 25 dB weaker."""
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
            if value < 0 and not name.endswith("_snr_db"):
                raise UserError(f"augment.{name} must not be negative, not {value}")
            if value > 1 and name.endswith("_probability"):
                raise UserError(f"augment.{name} must be at most 1, not {value}")
        for name in ("renew", "join"):
            if getattr(self, name) < 1:
                raise UserError(f"augment.{name} must be at least 1, not {getattr(self, name)}")
        if 0 < self.trim_db <= sound.HIGHEST_TRIM_DB:
            raise UserError(f"augment.trim_db must be above {sound.HIGHEST_TRIM_DB:g}, not {self.trim_db:g}")
        if max(self.speed, self.tempo, self.tract) >= 0.5:
            raise UserError("augment.speed, tempo and tract must be below 0.5")

    @property
    def touches_sound(self) -> bool:
        """Whether anything happens to the waveform, so that its cepstra cannot be made beforehand."""
        return any(getattr(self, name) != getattr(AugmentConfig, name) for name in SOUND)


def of_utterance(config: AugmentConfig, sample_rate: int) -> list[Callable[[Waveform, Generator, int], Waveform]]:
    """What happens to the waveform of one utterance before others follow it."""
    crop = sound.Ends(config.crop_ms / 1000 * sample_rate, config.crop_probability)
    return _turned_on(
        (config.speed, sound.Speed(config.speed)),
        (config.trim_db, sound.Trim(config.trim_db, config.trim_probability, sample_rate)),
        (config.crop_ms, sound.Crop(crop)),
    )


def of_recording(config: AugmentConfig, sample_rate: int) -> list[Callable[[sound.Recording, Generator], Waveform]]:
    """What happens to a padded recording; noise is always asked for, as what follows depends on what it draws."""
    return _turned_on(
        (config.babble_probability, sound.Babble(config.babble_probability)),
        (
            config.household_probability,
            sound.Household(config.household_probability, config.household_snr_db, sample_rate),
        ),
        (config.channel_db, sound.Channel(config.channel_db)),
        (config.room_ms, sound.Room(config.room_ms / 1000 * sample_rate)),
        (True, _noise(config)),
        (config.band_probability, sound.Band(config.band_probability, sample_rate)),
        (config.clip_probability, sound.Clip(config.clip_probability)),
        (config.gate_probability, sound.Gate(config.gate_probability, sample_rate)),
        (config.gain_db, sound.Gain(config.gain_db)),
    )


def of_clean_recording(config: AugmentConfig) -> list[Callable[[sound.Recording, Generator], Waveform]]:
    """What happens instead to the share of `clean_probability`."""
    return _turned_on((True, _noise(config).faint), (config.gain_db, sound.Gain(config.gain_db)))


def of_features(config: AugmentConfig, features: FeatureConfig) -> list[Callable[[Frames, Generator], Frames]]:
    """What happens to the features that the network is given."""
    masks = cepstral.Masks(
        config.time_masks,
        config.time_mask_ms / features.frame_ms,
        config.feature_masks,
        config.feature_mask_width,
        features.num_cepstra,
    )
    return _turned_on(
        (config.jitter, cepstral.Jitter(config.jitter)), (config.time_masks or config.feature_masks, masks)
    )


def _noise(config: AugmentConfig) -> sound.Noise:
    return sound.Noise(config.noise_probability, config.noise_snr_db, is_padded=config.pad_ms > 0)


def _turned_on(*steps: tuple[float, Step]) -> list[Step]:
    return [step for is_on, step in steps if is_on]


class Augmenter:
    """The perturbations of one configuration."""

    def __init__(self, config: AugmentConfig, features: FeatureConfig) -> None:
        self.config = config
        self.sample_rate = features.sample_rate
        self._of_utterance = of_utterance(config, self.sample_rate)
        self._pad = sound.Pad(sound.Ends(config.pad_ms / 1000 * self.sample_rate, config.pad_probability))
        self._of_recording = of_recording(config, self.sample_rate)
        self._of_clean_recording = of_clean_recording(config)
        self._tract = cepstral.Tract(config.tract, features)
        self._of_features = of_features(config, features)
        # The space between two utterances needs a stacked frame of its own, wherever the stacks begin.
        self._shortest_pause_s = max(_SHORTEST_PAUSE_S, 2 * features.frame_ms / 1000)

    def followers(self, speaks: npt.NDArray[np.bool_], rng: Generator) -> npt.NDArray[np.intp]:
        """Which utterances follow each one: (num_utterances,) -> (num_utterances, join - 1) indices, -1 for nobody.

        Utterances in which nobody `speaks` follow none and are followed by none.
        """
        max_followers = self.config.join - 1
        if not max_followers or not speaks.any():
            return np.full((len(speaks), max_followers), -1)
        drawn = rng.choice(np.flatnonzero(speaks), (len(speaks), max_followers))
        counts = rng.integers(1, max_followers, len(speaks), endpoint=True)
        counts[~speaks | (rng.random(len(speaks)) >= self.config.join_probability)] = 0
        return np.where(np.arange(max_followers) < counts[:, None], drawn, -1)

    def waveform(
        self,
        waveform: Waveform,
        rng: Generator,
        min_samples: int = 0,
        followers: Sequence[tuple[Waveform, int]] = (),
        others: Callable[[int], Sequence[Waveform]] = lambda _: (),
    ) -> Waveform:
        """Everything that changes sound: (num_samples,) -> another length, at least `min_samples`.

        `followers` come after it, each at least as many samples long as the number beside it; `others` gives as
        many utterances as it is asked for, for the babble behind it.
        """
        spoken = self._utterance(waveform, rng, min_samples)
        for following, min_following in followers:
            pause_s = self._shortest_pause_s * (_LONGEST_PAUSE_S / self._shortest_pause_s) ** rng.random()
            pause = np.zeros(round(pause_s * self.sample_rate), np.float32)
            spoken = np.concatenate([spoken, pause, self._utterance(following, rng, min_following)])
        recording = sound.Recording(spoken, np.sqrt(np.mean(np.square(spoken))), others)
        if self.config.pad_ms:
            recording.waveform = self._pad(recording, rng)
        is_clean = self.config.clean_probability and rng.random() < self.config.clean_probability
        for step in self._of_clean_recording if is_clean else self._of_recording:
            recording.waveform = step(recording, rng)
        return recording.waveform

    def _utterance(self, waveform: Waveform, rng: Generator, min_samples: int) -> Waveform:
        for step in self._of_utterance:
            waveform = step(waveform, rng, min_samples)
        return waveform

    def cepstra_channel(self, cepstra: Frames, rng: Generator, cosines: npt.NDArray[np.float64]) -> Frames:
        """The channel of cepstra (T, C) that have no sound; `cosines` (num_filters, C) make them of log energies."""
        if not self.config.channel_db:
            return cepstra
        return sound.Channel(self.config.channel_db).of_cepstra(cepstra, rng, cosines)

    def tract(self, cepstra: Frames, rng: Generator) -> Frames:
        """Vocal tract length perturbation: (T, C) -> (T, C)."""
        return self._tract(cepstra, rng) if self.config.tract else cepstra

    def tempo(self, rng: Generator) -> float:
        """How many times as fast; draws nothing where the tempo stays."""
        return rng.uniform(1 - self.config.tempo, 1 + self.config.tempo) if self.config.tempo else 1.0

    def stretch(self, cepstra: Frames, factor: float, min_frames: int = 1) -> Frames:
        """`factor` times as fast: (T, C) -> another number of frames, at least `min_frames`."""
        return cepstral.stretch(cepstra, factor, min_frames) if self.config.tempo else cepstra

    def frames(self, frames: Frames, rng: Generator) -> Frames:
        """Jitter and masks of features (T, F)."""
        for step in self._of_features:
            frames = step(frames, rng)
        return frames
