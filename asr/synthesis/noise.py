"""What a microphone picks up while nobody speaks."""

from typing import Any

import numpy as np

from asr import audio


def noise(rng: np.random.Generator, num_samples: int, sample_rate: int) -> audio.Waveform:
    """Background sound without speech: float32 (num_samples,), from complete silence to loud noise.

    A steady noise of a drawn colour, mains hum, and knocks and clicks that ring and die away: any of them, or none.
    """
    seconds = np.arange(num_samples) / sample_rate
    sound = np.zeros(num_samples)
    if rng.random() < 0.85:
        sound += rng.uniform(0.1, 1) * _coloured(rng, num_samples)
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
            sound += rng.uniform(1, 8) * envelope * ring * _coloured(rng, num_samples)
    loudest = np.abs(sound).max(initial=0)
    return np.asarray(sound * (10 ** rng.uniform(-3.5, -0.1) / loudest if loudest else 0), np.float32)


def _coloured(rng: np.random.Generator, num_samples: int) -> Any:
    """Noise of unit power whose spectrum falls as a drawn power of frequency, from white to brown."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1 + len(spectrum) / 200) ** -rng.uniform(0, 1)
    coloured = np.fft.irfft(spectrum, num_samples)
    return coloured / coloured.std()
