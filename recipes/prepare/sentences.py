"""Sentences of your own, spoken by as many voices as there are, with general English beside them.

Corpus: made here from a file of sentences (recipes/sentences.md), in minutes, most of which neural voices take. The
sound is yours; licences of the voices: see prepare/english.py, which makes the general English: what the recogniser is
to refuse, and what keeps it from seeing its own sentences in everything. Nobody's recording trains it.
"""

import itertools
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asr.data import corpus, manifest
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import Utterance
from asr.grammar import compiled, readers
from asr.grammar.compiled import Compiled
from asr.grammar.intent import Meaning
from asr.grammar.sample import sample
from asr.grammar.tree import texts
from asr.synthesis import espeak, neural, speak
from asr.synthesis.speakers import draw_voice
from asr.text import TextConfig, Tokenizer

Generator = np.random.Generator
_DRAWS = 3  # sentences, of which that with the rarest word is taken
_NEURAL_FASTEST = 230  # words per minute: neural voices swallow sounds when they hurry
_FIRST_SPEAKER = 1000  # of those that are drawn for general English none speaks here

english: Any = sys.modules[corpus.load_script(Path(__file__).with_name("english.py")).__module__]


@dataclass(frozen=True)
class Spoken:
    """A text to speak, and what it asks for; None: it is none of the sentences."""

    text: str
    meaning: Meaning | None


class Sentences:
    """Sentences drawn so that every word is spoken, and near misses: sentences with one word changed."""

    def __init__(self, built: Compiled, text: TextConfig, others: Sequence[str]) -> None:
        self._built, self._graph = built, built.graph(Tokenizer(text.alphabet))
        self._others = list(others)
        self._counts: Counter[str] = Counter()

    def draw(self, rng: Generator) -> Spoken:
        """Of a few sentences drawn from the grammar that whose rarest word was spoken least."""
        drawn = [sample(self._built.network, rng) for _ in range(_DRAWS)]
        text, meaning = min(drawn, key=lambda one: min((self._counts[word] for word in one[0].split()), default=0))
        self._counts.update(dict.fromkeys(text.split(), 1))  # in their order: a set has another in each process
        return Spoken(text, meaning)

    def miss(self, rng: Generator) -> Spoken:
        """A sentence with one word changed to another of the sentences, or to any, so that it is none of them."""
        own = list(self._counts)
        while True:
            words = self.draw(rng).text.split()
            choice = own if own and rng.random() < 0.4 else self._others
            words[int(rng.integers(len(words)))] = str(rng.choice(choice))
            text = " ".join(words)
            if not self._graph.accepts(text):
                return Spoken(text, None)


def prepare(
    folder: Path,
    sentences: str,
    utterances: int = 3500,
    held_out: int = 300,
    num_voices: int = 330,
    neural_voices: str = "heart=1400 joe=900 kokoro=120x4",
    near_misses: float = 0.12,
    general: int = 900,
    general_voices: str = "heart=700 kokoro=369 joe=300",
    real: str = "",
    also: str = "",
    also_repeats: int = 1,
    slowest: int = 110,
    fastest: int = 250,
    sample_rate: int = 16000,
    seed: int = 1,
) -> Splits:
    """Speak `utterances` sentences of the file `sentences` by `num_voices` drawn speakers of espeak-ng.

    `neural_voices` (NAME=COUNT or NAME=COUNTxREPEATS, as in prepare/english.py) speak as many more, each of which
    stands in the training split as often as it says. A share `near_misses` of all these has one word changed, and is
    none of the sentences. `held_out` each are spoken for dev and test by espeak-ng's own voices, which are not in
    training. `general` utterances of general English by espeak-ng and as many as `general_voices` says by neural voices
    join the training split; `also` names a manifest of recordings that do, `also_repeats` times each.

    `real` names recordings of people that are tested, never trained on: a manifest, with intent and slots, or a folder
    of recordings with texts, which the sentences give a meaning.
    """
    for name, value, least in (("utterances", utterances, 1), ("held_out", held_out, 0), ("num_voices", num_voices, 1),
                               ("general", general, 1), ("slowest", slowest, 80), ("seed", seed, 0)):  # fmt: skip
        if value < least:
            raise CorpusError(f"data.{name} must be at least {least}, not {value}")
    if not slowest < min(fastest, _NEURAL_FASTEST):
        raise CorpusError(f"data.slowest={slowest} must be below data.fastest={fastest} and {_NEURAL_FASTEST}")
    if not 0 <= near_misses < 1:
        raise CorpusError(f"data.near_misses must be at least 0 and below 1, not {near_misses:g}")
    built, text = read(sentences)
    speech = Sentences(built, text, english.vocabulary(5000)[0])
    rng = np.random.default_rng([seed, 10])
    drawn = {f"person{number:03}": draw_voice(rng) for number in range(num_voices)}
    lines: list[espeak.Line] = []
    rows: list[tuple[str, Spoken, str, int]] = []  # split, text, speaker, repeats

    def say(split: str, rng: Generator, speaker: str, voice: str, fastest: int, repeats: int = 1) -> None:
        is_miss = split == corpus.NEGATIVES or (split == "train" and rng.random() < near_misses)
        said = speech.miss(rng) if is_miss else speech.draw(rng)
        commas = rng.random(said.text.count(" ") + 1) < (rng.random() < 0.3) * 0.3
        read = " ".join(f"{word}," if comma else word for word, comma in zip(said.text.split(), commas, strict=True))
        path = folder / split / f"{speaker}-{len(lines)}.wav"
        lines.append(english.line(path, read, voice, rng, slowest, fastest))
        rows.append((split, said, speaker, repeats))

    for split, names, count in (("dev", english.DEV_VOICES, held_out), ("test", english.TEST_VOICES, held_out),
                               (corpus.NEGATIVES, english.TEST_VOICES, held_out),
                               ("train", list(drawn), utterances)):  # fmt: skip
        for _ in range(count):
            name = str(rng.choice(names))
            say(split, rng, name, name, fastest)
    for network, count, repeats in english.read_voices(neural_voices):
        rng = np.random.default_rng([seed, 10, *Path(network).stem.encode()])
        speakers = neural.load(network).num_speakers
        order = itertools.cycle(range(speakers)) if speakers else itertools.count(_FIRST_SPEAKER)
        for number in itertools.islice(order, count):
            say("train", rng, f"{Path(network).stem}{number}", f"{network}:{number}", _NEURAL_FASTEST, repeats)
    splits = Splits()
    durations_s = speak.speak_all(lines, sample_rate, voices=drawn)
    for line, (split, said, speaker, repeats), duration_s in zip(lines, rows, durations_s, strict=True):
        stem = Path(line.path).stem
        made = Utterance(stem, said.text, audio=line.path, speaker=speaker, duration_s=round(duration_s, 4))
        if said.meaning and split != "train":
            made = replace(made, intent=said.meaning.intent, slots=said.meaning.values())
        elif split == corpus.NEGATIVES:
            made = replace(made, intent="")
        names = [stem, *(f"{stem}-{again}" for again in range(1, repeats))]
        getattr(splits, split).extend(replace(made, id=name) for name in names)
    _add_general(splits, folder / "general", general, held_out, general_voices, also, also_repeats, sample_rate, seed)
    splits.real = _real(real, built, text) if real else []
    return splits


def read(path: str) -> tuple[Compiled, TextConfig]:
    """The sentences of a file, and an alphabet that spells them; raises UserError naming the file."""
    grammar = readers.read(path)
    letters = {mark for part in grammar.sentences for piece in texts(part.item) for mark in piece.lower()}
    spelled = sorted(letters - set(TextConfig.punctuation) - {" "})
    text = TextConfig(alphabet="".join([*spelled, " "]))
    return compiled.build(grammar, text), text


def _add_general(
    splits: Splits,
    folder: Path,
    utterances: int,
    held_out: int,
    voices: str,
    also: str,
    also_repeats: int,
    sample_rate: int,
    seed: int,
) -> None:
    """General English: in training, and held out as what is to be refused; ids of its own."""
    made = english.prepare(folder, utterances=utterances, held_out=held_out, num_voices=300, neural_voices=voices,
                           also=also, also_repeats=also_repeats, sample_rate=sample_rate, seed=seed)  # fmt: skip
    for split, target in (("train", "train"), ("test", corpus.NEGATIVES)):
        getattr(splits, target).extend(replace(one, id=f"general-{one.id}") for one in getattr(made, split))


def _real(source: str, built: Compiled, text: TextConfig) -> list[Utterance]:
    """Recordings with their meanings; those of a folder are parsed by the sentences."""
    if Path(source).suffix.lower() == ".jsonl":
        return manifest.read(source)
    from asr.data import folder as recordings

    parse = built.parser()
    found = []
    for one in recordings.read(Path(source)).utterances:
        meaning = parse(text.normalise(one.text))
        found.append(replace(one, intent=meaning.intent, slots=meaning.values()) if meaning else one)
    return found


if __name__ == "__main__":
    corpus.main(prepare)
