"""Noise: of a colour, of a household, and what a microphone picks up while nobody speaks."""

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


def household(rng: np.random.Generator, num_samples: int, sample_rate: int) -> npt.NDArray[np.float32]:
    """What a kitchen or a workshop sounds like: float32 (num_samples,) of unit power, with loud moments.

    Things that fall and ring (each a few damped modes, as a struck object has), water or frying (noise whose level
    flickers) or a machine (harmonics that waver), one or two of them at drawn levels above a steady floor.
    """
    parts = (_clatter, _flicker, _machine)
    sound = 10 ** rng.uniform(-1.5, -0.5) * _drawn(rng, num_samples)
    for part in rng.choice(len(parts), rng.integers(1, 3), replace=False):
        made = parts[part](rng, num_samples, sample_rate)
        sound += 10 ** rng.uniform(-0.5, 0) * made / max(float(made.std()), 1e-9)
    return np.asarray(sound / sound.std(), np.float32)


def _clatter(rng: np.random.Generator, num_samples: int, sample_rate: int) -> npt.NDArray[np.float64]:
    sound = np.zeros(num_samples)
    for _ in range(1 + rng.poisson(10 ** rng.uniform(-0.3, 0.9) * num_samples / sample_rate)):
        start, decay_s = int(rng.integers(num_samples)), 10 ** rng.uniform(-2.2, -0.8)
        seconds = np.arange(min(num_samples - start, int(8 * decay_s * sample_rate))) / sample_rate
        modes_hz = np.exp(rng.uniform(np.log(200), np.log(0.45 * sample_rate), rng.integers(2, 7)))[:, None]
        decays = decay_s * rng.uniform(0.3, 1, modes_hz.shape)
        struck = (
            rng.uniform(0.2, 1, modes_hz.shape) * np.exp(-seconds / decays) * np.sin(2 * np.pi * modes_hz * seconds)
        )
        burst = rng.uniform(0, 2) * np.exp(-seconds / (0.2 * decay_s)) * rng.standard_normal(len(seconds))
        sound[start : start + len(seconds)] += 10 ** rng.normal(0, 0.4) * (struck.sum(0) + burst)
    return sound


def _flicker(rng: np.random.Generator, num_samples: int, sample_rate: int) -> npt.NDArray[np.float64]:
    knots = rng.normal(0, rng.uniform(0.2, 1), 2 + int(rng.uniform(3, 40) * num_samples / sample_rate))
    return np.asarray(np.exp(_through(knots, num_samples)) * _drawn(rng, num_samples))


def _machine(rng: np.random.Generator, num_samples: int, sample_rate: int) -> npt.NDArray[np.float64]:
    knots = rng.normal(1, 0.01, 2 + 2 * num_samples // sample_rate) * 10 ** rng.uniform(1.6, 2.6)
    speed_hz = _through(knots, num_samples)
    turns = 2 * np.pi * np.cumsum(speed_hz) / sample_rate
    tilt, count = rng.uniform(0.3, 1.5), int(min(16, 0.45 * sample_rate / speed_hz.max()))
    hum = sum(rng.uniform(0, 1) * number**-tilt * np.sin(number * turns) for number in range(1, count + 1))
    return np.asarray(hum + rng.uniform(0, 0.5) * _drawn(rng, num_samples))


def _through(knots: npt.NDArray[np.float64], num_samples: int) -> npt.NDArray[np.float64]:
    """Straight lines between knots at equal steps: (num_samples,)."""
    return np.interp(np.linspace(0, len(knots) - 1, num_samples), np.arange(len(knots)), knots)


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
