"""Noise: of a colour, and what a microphone picks up while nobody speaks."""

from typing import Any

import numpy as np
import numpy.typing as npt


def coloured(white: npt.NDArray[Any], slope: float | npt.NDArray[Any], num_flat: float) -> npt.NDArray[np.float64]:
    """White noise (..., num_samples) -> noise of unit power whose amplitude falls as frequency to the power -`slope`.

    0 is white, 0.5 pink, 1 brown; `slope` is a number or has the shape (..., 1). Below the frequency with the index
    `num_flat` the spectrum is flat, for otherwise what no loudspeaker plays would have most of the power.
    """
    num_samples = white.shape[-1]
    spectrum = np.fft.rfft(white)
    spectrum *= np.maximum(np.arange(spectrum.shape[-1]), float(num_flat)) ** -slope
    noise = np.fft.irfft(spectrum, num_samples)
    return np.asarray(noise / noise.std(axis=-1, keepdims=True))


def background(rng: np.random.Generator, num_samples: int, sample_rate: int) -> npt.NDArray[np.float32]:
    """Background sound without speech: float32 (num_samples,), from complete silence to loud noise.

    A steady noise of a drawn colour, mains hum, and knocks and clicks that ring and die away: any of them, or none.
    """
    seconds = np.arange(num_samples) / sample_rate
    sound = np.zeros(num_samples)
    if rng.random() < 0.85:
        sound += rng.uniform(0.1, 1) * _drawn(rng, num_samples)
    if rng.random() < 0.3:
        mains = rng.choice([50.0, 60.0])
        for harmonic in range(1, 8):
            phase = rng.uniform(0, 2 * np.pi)
            sound += rng.uniform(0, 1) / harmonic * np.sin(2 * np.pi * mains * harmonic * seconds + phase)
    if rng.random() < 0.4:
        for _ in range(rng.integers(1, 6)):
            start = rng.uniform(0, seconds[-1])
            envelope = (seconds >= start) * np.exp(-np.maximum(seconds - start, 0) / rng.uniform(0.002, 0.06))
            ring = np.sin(2 * np.pi * rng.uniform(80, 3000) * seconds) if rng.random() < 0.5 else 1.0
            sound += rng.uniform(1, 8) * envelope * ring * _drawn(rng, num_samples)
    loudest = np.abs(sound).max(initial=0)
    return np.asarray(sound * (10 ** rng.uniform(-3.5, -0.1) / loudest if loudest else 0), np.float32)


def _drawn(rng: np.random.Generator, num_samples: int) -> npt.NDArray[np.float64]:
    """Of a drawn colour, from white to brown."""
    white = rng.standard_normal(num_samples)
    return coloured(white, rng.uniform(0, 1), 1 + (num_samples // 2 + 1) / 200)
