"""Utterances with noise mixed in at a given ratio, as Picovoice's speech-to-intent benchmark does it."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr import audio
from asr.audio import AudioError, Waveform
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.recognition.source import Sound

_FRAME = 2048  # samples, of which the loudest say how loud a sound is
_PEAK = 0.5  # of what is mixed


def read_noise(path: str | Path, sample_rate: int) -> Waveform:
    """A recording of noise: float32 (num_samples,) at `sample_rate`. Raises AudioError where it holds nothing."""
    noise = audio.read(str(path), sample_rate)
    if not peak_energy(noise):
        raise AudioError(f"{path}: no noise in it, all samples are zero or it is shorter than {_FRAME} samples")
    return noise


def peak_energy(waveform: Waveform) -> float:
    """The energy of the loudest frame of 2,048 samples, which do not overlap; 0 of less than one."""
    frames = waveform[: len(waveform) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return float(np.square(frames, dtype=np.float64).sum(axis=1).max(initial=0))


def mix(waveform: Waveform, noise: Waveform, snr_db: float, rng: np.random.Generator) -> Waveform:
    """Waveform (num_samples,) with a drawn part of `noise`, whose loudest frame is `snr_db` below the loudest of it.

    The peak of the mix is 0.5. Noise that is shorter is repeated.
    """
    start = int(rng.integers(0, max(1, len(noise) - len(waveform))))
    part = np.resize(noise[start:], len(waveform))
    level = peak_energy(part) or peak_energy(noise)
    mixed = waveform + np.sqrt(peak_energy(waveform) / level / 10 ** (snr_db / 10)) * part
    peak = np.abs(mixed).max(initial=0)
    return np.asarray(mixed * (_PEAK / peak if peak else 0), np.float32)


def noisy(utterance: Utterance, noise: Waveform, snr_db: float, sample_rate: int, seed: int = 0) -> Sound:
    """An utterance with noise; its id and the `seed` decide which part of the noise, in whatever order they come."""

    def blocks() -> Iterator[Waveform]:
        rng = np.random.default_rng([seed, zlib.crc32(utterance.id.encode())])
        yield mix(manifest.read_waveform(utterance, sample_rate), noise, snr_db, rng)

    return Sound(utterance.where, blocks, offset_s=utterance.start_s)
