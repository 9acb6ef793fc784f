"""General English without a recording of it: words and sentences of a wide vocabulary, by as many voices as there are.

The words are the most frequent ones of `wordfreq` (Robyn Speer; data CC BY-SA 4.0), an extra that is installed beside
the voices: pip install ".[train,voices,words]". Utterances are drawn: words in any order, single words, digits,
numbers, dates, times, spelled letters and commands. Speakers of espeak-ng and of Kokoro are drawn, too.
"""

import itertools
import re
from pathlib import Path

import numpy as np

from asr import audio
from asr.data import corpus
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import Utterance
from asr.noise import background
from asr.synthesis import espeak, neural, speak
from asr.synthesis.cast import DEV_VOICES, Speaker
from asr.synthesis.general import Generator, Speech, vocabulary
from asr.synthesis.speakers import draw_voice

ACCENTS = "en-us en-us en-us en-us-nyc en en en-gb-x-rp en-gb-scotland en-gb-x-gbclan en-gb-x-gbcwmd en-029".split()
# espeak-ng's own voices that could be people's, beside DEV_VOICES; training has none of them: its speakers are drawn.
TEST_VOICES = "Andrea Gene Nguyen antonio aunty belinda david f1 f2 f3 f4 f5 john m2 m3 m4 m6 m7 paul quincy".split()


def read_voices(text: str) -> list[tuple[str, int, int]]:
    """NAME=COUNT or NAME=COUNTxREPEATS, separated by spaces -> (network, utterances, times each stands in training)."""
    found = []
    for item in text.split():
        match = re.fullmatch(r"(.+)=(\d+)(?:x(\d+))?", item)
        if not match:
            raise CorpusError(
                f"data.neural_voices: {item!r} is not NAME=COUNT or NAME=COUNTxREPEATS, as in heart=500x2"
            )
        found.append((match[1], int(match[2]), int(match[3] or 1)))
    return found


def prepare(
    folder: Path,
    utterances: int = 10000,
    held_out: int = 300,
    num_voices: int = 600,
    num_words: int = 20000,
    flatten: float = 0.4,
    neural_voices: str = "",
    noise_share: float = 0.03,
    also: str = "",
    also_repeats: int = 4,
    slowest: int = 110,
    fastest: int = 260,
    sample_rate: int = 16000,
    seed: int = 1,
) -> Splits:
    """Speak `utterances` by `num_voices` drawn speakers of espeak-ng, and `held_out` each for dev and test by its own.

    Words are the `num_words` most frequent; they come as often as their frequency to the power `flatten` says.
    `neural_voices` (those of asr.synthesis.neural: kokoro, heart, joe or Piper's .onnx files, all speakers of which
    speak) say as many utterances as stand behind them, NAME=COUNT, each of which stands in the training split as many
    times as a number after an x says. Of the other settings only `num_words`, `flatten`, `slowest` and `fastest` change
    their lines, which are kept for other corpora. `noise_share` utterances without speech come on top.

    `also` names a manifest of recordings that join the training split, `also_repeats` times each, to be perturbed in as
    many ways: sounds, or cepstra of the recipe's front end, as prepare/an4.py --convert writes them.
    """
    for name, value, least in (("utterances", utterances, 1), ("held_out", held_out, 0), ("num_voices", num_voices, 1),
                               ("num_words", num_words, 1), ("slowest", slowest, 80), ("seed", seed, 0)):  # fmt: skip
        if value < least:
            raise CorpusError(f"data.{name} must be at least {least}, not {value}")
    if slowest >= fastest:
        raise CorpusError(f"data.slowest={slowest} must be below data.fastest={fastest}")
    speech = Speech(*vocabulary(num_words), flatten)
    rng = np.random.default_rng([seed, 0])
    drawn = {f"drawn{number:03}": draw_voice(rng) for number in range(num_voices)}
    lines: list[espeak.Line] = []
    rows: list[tuple[str, str, str, int]] = []  # split, text, speaker, repeats

    def say(split: str, rng: Generator, speaker: str, voice: str, fastest: int, repeats: int = 1) -> None:
        said = speech.draw(rng)
        path = folder / split / f"{speaker}-{len(lines)}.wav"
        somebody = Speaker(speaker, f"{rng.choice(ACCENTS)}+{voice}", fastest)
        lines.append(somebody.line(path, said.read, slowest, fastest, rng))
        rows.append((split, said.text, speaker, repeats))

    for split, names, count in (("dev", DEV_VOICES, held_out), ("test", TEST_VOICES, held_out),
                                ("train", list(drawn), utterances)):  # fmt: skip
        for _ in range(count):
            name = str(rng.choice(names))
            say(split, rng, name, name, fastest)
    for network, count, repeats in read_voices(neural_voices):
        rng = np.random.default_rng([seed, *Path(network).stem.encode()])
        speakers = neural.load(network).num_speakers
        order = itertools.cycle(rng.permutation(speakers).tolist()) if speakers else itertools.count()
        for number in itertools.islice(order, count):
            say("train", rng, f"{Path(network).stem}{number}", f"{network}:{number}", min(fastest, 230), repeats)
    splits = Splits()
    durations_s = speak.speak_all(lines, sample_rate, voices=drawn)
    for spoken, (split, text, speaker, repeats), duration_s in zip(lines, rows, durations_s, strict=True):
        stem = Path(spoken.path).stem
        for again in range(repeats):
            name = f"{stem}-{again}" if again else stem
            getattr(splits, split).append(
                Utterance(name, text, audio=spoken.path, speaker=speaker, duration_s=round(duration_s, 4))
            )
    splits.train += corpus.recordings(also, also_repeats)
    rng = np.random.default_rng([seed, 1])
    for split in corpus.SPLITS:
        there: list[Utterance] = getattr(splits, split)
        there += [_nobody(folder / split / f"noise-{split}-{number}.wav", sample_rate, rng)
                 for number in range(round(noise_share * len(there)))]  # fmt: skip
    return splits


def _nobody(path: Path, sample_rate: int, rng: Generator) -> Utterance:
    """An utterance in which nobody speaks."""
    waveform = background(rng, round(rng.uniform(0.3, 2.5) * sample_rate), sample_rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, waveform, sample_rate)
    return Utterance(path.stem, "", audio=str(path), duration_s=len(waveform) / sample_rate)


if __name__ == "__main__":
    corpus.main(prepare)
