"""A corpus without recordings: lines spoken into files on all cores, and what a microphone hears while nobody speaks.

espeak-ng (espeak.py) speaks most of a corpus in seconds; neural voices (neural.py) are slower, and closer to people.
All of them hold a running noise generator, so the same words sound a little different each time; `speak_all` gives
every shard of a corpus a fresh process, which makes the whole corpus a function of its seed.
"""

import multiprocessing
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from asr import audio, machine
from asr.data import neural
from asr.data.espeak import Line, Synthesizer

_SHARDS = 16  # fixed, not the number of cores: the shards decide what the noise generators give
_LOADED_FOR = 100  # lines at least for which a process loads neural networks


def speak_all(
    lines: Sequence[Line], sample_rate: int, *, voices: Mapping[str, str] | None = None, margin_ms: float = 30
) -> list[float]:
    """Speak every line into its file at `sample_rate`, on all cores; returns their durations in seconds.

    `voices` are the definitions of variants that espeak-ng does not have. Silence beyond `margin_ms` around the
    speech is cut off. Raises SynthesisError.
    """
    # A missing package is one error here, not one from every process.
    Synthesizer()
    speakers = [neural.speaker_of(line.voice) for line in lines]
    for network in sorted({speaker[0] for speaker in speakers if speaker}):
        neural.load(network)
    # Shards apart, and the slow ones first, so that no process is left alone with them at the end.
    slow = [place for place, speaker in enumerate(speakers) if speaker]
    fast = [place for place, speaker in enumerate(speakers) if not speaker]
    shards = _shards(slow, min(_SHARDS, -(-len(slow) // _LOADED_FOR))) + _shards(fast, _SHARDS)
    durations_s = [0.0] * len(lines)
    speak = partial(_speak_shard, sample_rate=sample_rate, voices=dict(voices or {}), margin_ms=margin_ms)
    processes = min(_SHARDS, machine.num_cores())
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, initializer=_end_with_parent, max_tasks_per_child=1) as pool:
        spoken = pool.map(speak, [[lines[place] for place in shard] for shard in shards])
        for shard, durations in zip(shards, spoken, strict=True):
            for place, duration_s in zip(shard, durations, strict=True):
                durations_s[place] = duration_s
    return durations_s


def noise(rng: np.random.Generator, num_samples: int, sample_rate: int) -> audio.Waveform:
    """What a microphone hears while nobody speaks: float32 (num_samples,), from complete silence to loud noise.

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


def trim(waveform: audio.Waveform, margin: int, *, floor: float = 0.02) -> audio.Waveform:
    """Cut what lies more than `margin` samples before the first or after the last sample above floor x peak."""
    loud = np.flatnonzero(np.abs(waveform) >= floor * np.abs(waveform).max(initial=0))
    return waveform[max(0, loud[0] - margin) : loud[-1] + 1 + margin] if len(loud) else waveform


def _shards(places: list[int], count: int) -> list[list[int]]:
    return [places[len(places) * i // count : len(places) * (i + 1) // count] for i in range(count)]


def _end_with_parent() -> None:
    """End this process where its parent has been killed: it would speak on, into files that nobody waits for."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        assert parent
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _speak_shard(
    lines: Sequence[Line], *, sample_rate: int, voices: Mapping[str, str], margin_ms: float
) -> list[float]:
    variants = {line.voice.partition("+")[2] for line in lines if not neural.speaker_of(line.voice)} - {""}
    synthesizer = Synthesizer({name: voices.get(name) for name in sorted(variants)})
    load = cache(neural.load)  # once in each process, where its noise begins anew
    durations = []
    for line in lines:
        speaker = neural.speaker_of(line.voice)
        if speaker:
            name, number = speaker
            network = load(name)
            waveform, spoken_rate = network.speak(line, number, synthesizer.phonemes), network.sample_rate
        else:
            waveform, spoken_rate = synthesizer.speak(line), synthesizer.sample_rate
        waveform = audio.resample(waveform, spoken_rate, sample_rate)
        waveform = trim(waveform, round(margin_ms / 1000 * sample_rate))
        Path(line.path).parent.mkdir(parents=True, exist_ok=True)
        audio.write(line.path, waveform, sample_rate)
        durations.append(len(waveform) / sample_rate)
    return durations
