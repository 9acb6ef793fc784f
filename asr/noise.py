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


def music(rng: np.random.Generator, num_samples: int, sample_rate: int) -> npt.NDArray[np.float32]:
    """Something like music: float32 (num_samples,): a beat, a bass, and chords or a melody of plucked or held tones."""
    sound = np.zeros(num_samples)
    beat = round(sample_rate * rng.uniform(0.2, 0.7))
    root, is_plucked = rng.uniform(80, 300), rng.random() < 0.5
    scale = np.array([0, 2, 3, 5, 7, 8, 10] if rng.random() < 0.5 else [0, 2, 4, 5, 7, 9, 11])
    has_beat, has_bass, num_voices = rng.random() < 0.6, rng.random() < 0.6, int(rng.integers(1, 4))
    harmonics = rng.uniform(0, 1, 8) / np.arange(1, 9) ** rng.uniform(0.3, 1.5)
    for start in range(0, num_samples, max(beat, 1)):
        seconds = np.arange(min(2 * beat, num_samples - start)) / sample_rate
        fade = np.exp(-seconds / rng.uniform(0.1, 0.5)) if is_plucked else np.hanning(len(seconds) + 2)[1:-1]
        steps = rng.choice(scale, num_voices) + 12 * rng.integers(0, 3)
        tones = [*(root * 2 ** (steps / 12)), *([root / 2] if has_bass else [])]
        for tone in tones:
            for number, level in enumerate(harmonics, 1):
                if tone * number < sample_rate / 2:
                    phase = rng.uniform(0, 2 * np.pi)
                    sound[start : start + len(seconds)] += (
                        level * fade * np.sin(2 * np.pi * tone * number * seconds + phase)
                    )
        if has_beat:
            sound[start : start + len(seconds)] += 2 * np.exp(-seconds / 0.03) * rng.standard_normal(len(seconds))
    loudest = np.abs(sound).max(initial=0)
    return np.asarray(sound * (10 ** rng.uniform(-2, -0.1) / loudest if loudest else 0), np.float32)


def _drawn(rng: np.random.Generator, num_samples: int) -> npt.NDArray[np.float64]:
    """Of a drawn colour, from white to brown."""
    white = rng.standard_normal(num_samples)
    return coloured(white, rng.uniform(0, 1), 1 + (num_samples // 2 + 1) / 200)
