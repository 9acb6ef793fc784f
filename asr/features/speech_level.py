"""How loud each frame is, and how much of it is speech, whatever the gain and however much silence is around."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asr.features.config import FeatureConfig, Frames, mel
from asr.features.mfcc import dct

_DB = 10 / math.log(10)  # decibels in a neper of energy
# Of normalisation by speech, in decibels: a frame is speech where it is at most so much below the loudest, and all of
# it with some more; a click is no speech; below the level of speech all is equally silent.
_SPEECH_RANGE_DB, _RAMP_DB, _CLICK_DB, _FLOOR_DB = 20.0, 6.0, 10.0, -60.0
_PEAK_MS = 100.0  # how long the loudest lasts: longer than a click, shorter than a vowel


def relative_to_speech(cepstra: Frames, config: FeatureConfig) -> tuple[Frames, npt.NDArray[np.float64]]:
    """Cepstra (T, C) -> the same, their energy relative to that of speech, and how much each frame is speech.

    The peak is the level that the loudest 100 ms reach: a percentile would fall with each second of silence around
    speech, and a click is shorter. A frame's weight (T,) rises from 0 to 1 between 20 and 14 dB below the peak, and
    falls to 0 between 10 and 16 dB above it; the energy of speech is the mean of the frames', so weighted.

    These weights are a part of the features and not an end-pointing: they are smooth, so that no decision changes a
    feature, and look at the whole segment that `asr.endpointing` has cut.
    """
    levels = levels_db(cepstra, config)
    rank = max(1, min(round(_PEAK_MS / config.hop_ms), (len(levels) + 1) // 2))
    above = levels + np.partition(-levels, rank - 1)[rank - 1]
    weights = np.clip((above + _SPEECH_RANGE_DB) / _RAMP_DB, 0, 1) * np.clip((_CLICK_DB - above) / _RAMP_DB + 1, 0, 1)
    energy = cepstra[:, 0].astype(np.float64)
    energy -= weights @ energy / weights.sum()
    unit_db = _DB if config.energy == "log_energy" else _DB / math.sqrt(config.num_filters)
    relative = cepstra.copy()
    relative[:, 0] = np.maximum(energy, _FLOOR_DB / unit_db)
    return relative, weights


def levels_db(cepstra: Frames, config: FeatureConfig) -> npt.NDArray[np.float64]:
    """How loud each frame (T,) of cepstra (T, C) was before pre-emphasis, which lets white noise seem 15 dB louder.

    What pre-emphasis took from each filter is given back to the spectrum that the cepstra say, above 300 Hz alone: hum
    is no speech.
    """
    basis, gains = deemphasis(config)
    spectrum = cepstra[:, 1:] @ basis
    level = np.log(np.exp(spectrum + gains).sum(axis=1))
    if config.energy == "c0":
        return np.asarray(_DB * (level + cepstra[:, 0] / math.sqrt(config.num_filters)))
    return np.asarray(_DB * (level - np.log(np.exp(spectrum).sum(axis=1)) + cepstra[:, 0]))


@lru_cache(maxsize=32)
def deemphasis(config: FeatureConfig) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(num_cepstra - 1, num_filters): cepstra -> log spectrum; (num_filters,): what pre-emphasis took from each."""
    basis = dct(config)[:, 1:] / np.where(config.liftering == 0, np.inf, config.liftering)[1:]
    mels = np.linspace(mel(config.low_hz), mel(config.top_hz), config.num_filters + 2)[1:-1]
    hz = np.maximum(700 * (10 ** (mels / 2595) - 1), 300)
    gains = np.abs(1 - config.preemphasis * np.exp(-2j * np.pi * hz / config.sample_rate))
    return np.asarray(basis.T), np.asarray(-2 * np.log(gains))
