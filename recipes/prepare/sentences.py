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
from asr.synthesis import espeak, languages, neural, speak
from asr.synthesis.cast import Speaker
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
            choice = own if own and (not self._others or rng.random() < 0.4) else self._others
            words[int(rng.integers(len(words)))] = str(rng.choice(choice))
            text = " ".join(words)
            if not self._graph.accepts(text):
                return Spoken(text, None)


class Other:
    """Speech beside the sentences in their language: general English, or the lines of a file of its own."""

    def __init__(self, language: str, text: str) -> None:
        self.is_english = languages.is_same(language or "en", "en") and not text
        is_plain = language in ("", "en")
        self.accents = english.ACCENTS if is_plain else languages.accents(language)
        self.lines = corpus.lines_of(text) if text else []

    def words(self) -> list[str]:
        """Those that stand in a near miss for a word of the sentences; none where nothing is known of the language."""
        if self.is_english:
            words: list[str] = english.vocabulary(5000)[0]
            return words
        folded = TextConfig()
        return sorted({word for line in self.lines for word in folded.normalise(line).split()})


def prepare(
    folder: Path,
    sentences: str,
    language: str = "",
    text: str = "",
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

    `language` is that of espeak-ng's voices (de, pt-br), English where it is not given. Neural voices that do not speak
    it are passed over, and other speech than the sentences is drawn from the lines of the file `text`.

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
    built, spelling = read(sentences, language)
    other = Other(language, text)
    speech = Sentences(built, spelling, other.words())
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
        somebody = Speaker(speaker, f"{rng.choice(other.accents)}+{voice}", fastest)
        lines.append(somebody.line(path, read, slowest, fastest, rng))
        rows.append((split, said, speaker, repeats))

    for split, names, count in (("dev", english.DEV_VOICES, held_out), ("test", english.TEST_VOICES, held_out),
                               (corpus.NEGATIVES, english.TEST_VOICES, held_out),
                               ("train", list(drawn), utterances)):  # fmt: skip
        for _ in range(count):
            name = str(rng.choice(names))
            say(split, rng, name, name, fastest)
    splits = Splits()
    for network, count, repeats in english.read_voices(neural_voices):
        if not any(languages.is_same(language or "en", spoken) for spoken in neural.load(network).languages):
            splits.notes.append(f"the neural voice {network} does not speak {language}: passed over")
            continue
        rng = np.random.default_rng([seed, 10, *Path(network).stem.encode()])
        speakers = neural.load(network).num_speakers
        order = itertools.cycle(range(speakers)) if speakers else itertools.count(_FIRST_SPEAKER)
        for number in itertools.islice(order, count):
            say("train", rng, f"{Path(network).stem}{number}", f"{network}:{number}", _NEURAL_FASTEST, repeats)
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
    if other.is_english:
        spoken = english.prepare(folder / "general", utterances=general, held_out=held_out, num_voices=300,
                                 neural_voices=general_voices, also=also, also_repeats=also_repeats,
                                 sample_rate=sample_rate, seed=seed)  # fmt: skip
        for split, target in (("train", "train"), ("test", corpus.NEGATIVES)):
            getattr(splits, target).extend(replace(one, id=f"general-{one.id}") for one in getattr(spoken, split))
    else:
        _add_other(splits, folder / "general", other, drawn, general, held_out, (slowest, fastest), sample_rate, seed)
        splits.train += corpus.recordings(also, also_repeats)
    splits.real = _real(real, built, spelling) if real else []
    return splits


def read(path: str, language: str = "") -> tuple[Compiled, TextConfig]:
    """The sentences of a file, and an alphabet that spells them; raises UserError naming the file."""
    grammar = readers.read(path)
    if not languages.is_same(grammar.language, language or "en"):
        raise CorpusError(f"{path}: its language is {grammar.language}: set data.language={grammar.language}, or "
                          f"write language: {language or 'en'} in it")  # fmt: skip
    text = compiled.spelling(grammar)
    return compiled.build(grammar, text), text


def _add_other(
    splits: Splits,
    folder: Path,
    other: Other,
    drawn: dict[str, str],
    utterances: int,
    held_out: int,
    rates: tuple[int, int],
    sample_rate: int,
    seed: int,
) -> None:
    """Lines of a file by drawn speakers: in training, and by others as what is to be refused."""
    if not other.lines:
        splits.notes.append("no data.text: the recogniser is trained on no speech but its sentences and near misses")
        return
    rng = np.random.default_rng([seed, 11])
    lines: list[espeak.Line] = []
    rows: list[tuple[str, str, str]] = []  # split, text, speaker
    for split, names, count in (("train", list(drawn), utterances), (corpus.NEGATIVES, english.TEST_VOICES, held_out)):
        for _ in range(count):
            name, said = str(rng.choice(names)), str(rng.choice(other.lines))
            speaker = Speaker(name, f"{rng.choice(other.accents)}+{name}")
            lines.append(speaker.line(folder / split / f"{name}-{len(lines)}.wav", said, *rates, rng))
            rows.append((split, said, name))
    durations_s = speak.speak_all(lines, sample_rate, voices=drawn)
    for line, (split, said, name), duration_s in zip(lines, rows, durations_s, strict=True):
        stem = f"general-{Path(line.path).stem}"
        made = Utterance(stem, said, audio=line.path, speaker=name, duration_s=round(duration_s, 4))
        getattr(splits, split).append(made)


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
