"""A corpus without recordings: lines spoken into files on all cores.

espeak-ng (espeak.py) speaks most of a corpus in seconds; neural voices (neural.py) are slower, and closer to people.
All of them hold a running noise generator, so the same words sound a little different each time; `speak_all` gives
every shard of a corpus a fresh process, which makes the corpus a function of its seed, but for espeak-ng's own voices
with `breath` (f2, f3, f5 and sandro of those that test): their noise depends on where the system puts a process in
memory. What neural voices say takes minutes, and is kept for every other corpus that has the same line (spoken.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np

from asr import audio, machine
from asr.synthesis import neural, spoken
from asr.synthesis.espeak import Line, Synthesizer
from asr.workers import Make, Workers

_SHARDS = 16  # fixed, not the number of cores: the shards decide what the noise generators give
_LOADED_FOR = 100  # lines at least for which a process loads neural networks
_BEGUN_FOR = 300  # lines at least for which a process begins at all, which takes as long as espeak-ng takes to say them
_MOST_VOICES = 330  # espeak-ng holds fewer than 350, languages included, and loses all of them beyond that


def speak_all(
    lines: Sequence[Line], sample_rate: int, *, voices: Mapping[str, str] | None = None, margin_ms: float = 30
) -> list[float]:
    """Speak every line into its file at `sample_rate`, on all cores; returns their durations in seconds.

    `voices` are the definitions of variants that espeak-ng does not have. Silence beyond `margin_ms` around the
    speech is cut off. Lines of neural voices that were spoken before are taken from where they are kept. Raises
    SynthesisError.
    """
    # A missing package is one error here, not one from every process.
    Synthesizer()
    speakers = [neural.speaker_of(line.voice) for line in lines]
    for network in sorted({speaker[0] for speaker in speakers if speaker}):
        neural.load(network)
    # Shards apart, and the slow ones first, so that no process is left alone with them at the end.
    durations_s = [0.0] * len(lines)
    for index, speaker in enumerate(speakers):
        if speaker:
            durations_s[index] = spoken.take(lines[index], sample_rate, margin_ms) or 0.0
    slow = [index for index, speaker in enumerate(speakers) if speaker and not durations_s[index]]
    fast = [index for index, speaker in enumerate(speakers) if not speaker]
    shards = _shards(slow, _LOADED_FOR) + _shards(fast, _BEGUN_FOR)
    start = partial(_start, sample_rate=sample_rate, voices=dict(voices or {}), margin_ms=margin_ms)
    processes = min(_SHARDS, machine.num_cores())
    with Workers(start, processes, _spoken, is_fresh=True) as workers:
        parts = [[lines[index] for index in shard] for shard in shards]
        for index, duration_s in zip((index for shard in shards for index in shard), workers.map(parts), strict=True):
            durations_s[index] = duration_s
    return durations_s


def _start(*, sample_rate: int, voices: Mapping[str, str], margin_ms: float) -> Make[Line, float]:
    return partial(_speak_shard, sample_rate=sample_rate, voices=voices, margin_ms=margin_ms)


def _spoken(line: Line) -> str:
    return f"the line {line.text!r}"


def trim(waveform: audio.Waveform, margin: int, *, floor: float = 0.02) -> audio.Waveform:
    """Cut what lies more than `margin` samples before the first or after the last sample above floor x peak.

    There is no noise in what a synthesiser says, so that a level tells its ends; `asr.endpointing` is for recordings.
    """
    loud = np.flatnonzero(np.abs(waveform) >= floor * np.abs(waveform).max(initial=0))
    return waveform[max(0, loud[0] - margin) : loud[-1] + 1 + margin] if len(loud) else waveform


def _shards(indices: list[int], min_lines: int) -> list[list[int]]:
    count = min(_SHARDS, -(-len(indices) // min_lines))
    return [indices[len(indices) * i // count : len(indices) * (i + 1) // count] for i in range(count)]


def _by_voices(lines: Sequence[Line]) -> Iterator[tuple[list[Line], set[str]]]:
    """The lines in their order, in parts of no more variants than espeak-ng holds, and the variants of each."""
    part: list[Line] = []
    variants: set[str] = set()
    for line in lines:
        variant = "" if neural.speaker_of(line.voice) else line.voice.partition("+")[2]
        if variant and variant not in variants and len(variants) == _MOST_VOICES:
            yield part, variants
            part, variants = [], set()
        part.append(line)
        variants |= {variant} - {""}
    yield part, variants


def _speak_shard(
    lines: Sequence[Line], *, sample_rate: int, voices: Mapping[str, str], margin_ms: float
) -> list[float]:
    load = cache(neural.load)  # once in each process, where its noise begins anew
    durations = []
    for part, variants in _by_voices(lines):
        codes = {line.voice.partition("+")[0] for line in part}
        synthesizer = Synthesizer({name: voices.get(name) for name in sorted(variants)}, codes)
        for line in part:
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
            if speaker:
                spoken.keep(line, sample_rate, margin_ms)
            durations.append(len(waveform) / sample_rate)
    return durations
