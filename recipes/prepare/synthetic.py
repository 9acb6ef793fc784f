"""Words, letters and digits spoken by synthetic voices, among other speech or alone: no recordings, no network.

Corpus: made here, in seconds, or in minutes where neural voices speak, too; the same for the same seed. Licence: the
sound is yours; espeak-ng, which speaks it, is GPL-3.0 and only a tool, and the neural voices are Apache-2.0 (Kokoro,
Heart) and CC0 (Joe). Layout: FOLDER/{train,dev,test}/WORDS-VOICE-NUMBER.wav. Voices of dev and test are not in
training.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr import audio
from asr.data import corpus
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import Utterance
from asr.noise import background, music
from asr.synthesis import alike, espeak, speak
from asr.synthesis.cast import NEURAL_FASTEST, Cast, Speaker
from asr.synthesis.errors import SynthesisError
from asr.synthesis.general import LETTERS, Speech, all_words, known_vocabulary

Generator = np.random.Generator

# No two of these sound alike (two/to, four/for): a recogniser that knows only sounds could not tell them apart.
WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand yes no up down left right on
off stop go start pause play next previous open close forward backward follow learn back home help cancel repeat enter
erase louder quieter volume music radio light lamp kitchen bedroom garage door window alarm timer message phone answer
record delete save send search camera reset sleep lock january february march april may june july august september
october november december monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday morning
evening alfa bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike oscar papa quebec romeo sierra
tango uniform victor whiskey xray yankee zulu red orange yellow green purple black white brown silver north south east
west above below inside outside under bird cat dog horse tiger rabbit monkey spider fish sheep house tree river
mountain garden street village city school table chair bottle paper pencil number money water coffee sugar butter
bread apple banana mother father brother sister doctor people woman happy quick quiet heavy simple always never please
sorry hello because together really begin finish watch listen question example jazz box voice
""".split()

SLOWEST = 80  # words per minute; espeak-ng speaks no slower
_OTHER_WORDS = 8000  # that other speech is drawn from, by their frequency to the power of
_FLATTEN = 0.4
_NEAR_SHARE = 0.3  # of other speech: a word that sounds nearly as one of the words does


def split_words(words: str) -> list[str]:
    """The words or, where there is a comma, the phrases between commas, each once and in order."""
    parts = words.split(",") if "," in words else words.split()
    return sorted({" ".join(utterances.split()) for utterances in parts} - {""})


def spoken(word: str, language: str = "") -> str:
    """What espeak-ng is given to read for a word."""
    if language not in ("", "en"):
        return word
    return "x-ray" if word == "xray" else LETTERS.get(word, word)


def reading(word: str, others: Mapping[str, Sequence[str]], share: float, rng: Generator, language: str = "") -> str:
    """What a synthesiser is given to read: the word or, in a `share` of the cases, one of `others` if it has some."""
    if word in others and rng.random() < share:
        return str(rng.choice(others[word]))
    return spoken(word, language)


def read_pronunciations(text: str, words: Collection[str]) -> dict[str, list[str]]:
    """WORD=MNEMONICS, separated by spaces -> what a synthesiser is given to read for each word."""
    found: dict[str, list[str]] = {}
    synthesizer = None
    for item in text.split():
        word, _, mnemonics = item.partition("=")
        if not (word and mnemonics):
            raise CorpusError(f"data.pronunciations: {item!r} is not WORD=MNEMONICS, as in three=T*'I")
        if word not in words:
            raise CorpusError(f"data.pronunciations: {word!r} is in neither data.words nor data.also_words: add it to "
                              "one of them, or leave it out")  # fmt: skip
        try:
            synthesizer = synthesizer or espeak.Synthesizer()
            synthesizer.check_mnemonics(mnemonics)
        except SynthesisError as error:
            raise CorpusError(f"data.pronunciations: {item!r}: {error}") from None
        found.setdefault(word, []).append(f"[[{mnemonics}]]")
    return found


class Token(NamedTuple):
    """A word of other speech, and what a synthesiser is given to read for it."""

    text: str
    read: str


@dataclass(frozen=True)
class Others:
    """Speech beside the words: general English, or sentences of a file in any language."""

    words: Sequence[str]
    language: str
    file: str

    def any(self, rng: Generator) -> list[Token]:
        """Some words of anything."""
        if self._lines:
            return [Token(word, word) for word in str(rng.choice(self._lines)).split()]
        while True:
            drawn = self._speech.draw(rng)
            if "'" not in drawn.text:  # which few alphabets have
                return list(map(Token, drawn.text.split(), drawn.read.split()))

    def other(self, rng: Generator) -> list[Token]:
        """Some words of which none is, or sounds as, one of the words; now and then one that nearly does."""
        if self._near and rng.random() < _NEAR_SHARE:
            word = str(rng.choice(self._near))
            return [Token(word, word)]
        for _ in range(100):
            kept = [token for token in self.any(rng) if token.text not in self._alike]
            if kept:
                return kept
        raise CorpusError("data.other_speech: nearly all of the text is words of data.words")

    @cached_property
    def _lines(self) -> list[str]:
        if not self.file:
            if self.language not in ("", "en"):
                raise CorpusError(f"data.text: name a file of sentences in the language {self.language!r} for "
                                  "data.general and data.other_speech, whose own are English")  # fmt: skip
            return []
        return corpus.lines_of(self.file)

    @cached_property
    def _speech(self) -> Speech:
        return Speech(*known_vocabulary(_OTHER_WORDS), _FLATTEN)

    @cached_property
    def _sounds(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        """How the words are read, and how others are."""
        voice = self.language or "en-us"
        reads = {word: word for line in self._lines for word in line.split()}
        reads = reads or all_words(known_vocabulary(_OTHER_WORDS)[0])
        single = {word for phrase in self.words for word in [phrase, *phrase.split()]}
        words = alike.sounds({word: spoken(word, self.language) for word in single}, voice)
        return {word: [phonemes] for word, phonemes in words.items()}, alike.sounds(reads, voice)

    @cached_property
    def _alike(self) -> set[str]:
        return alike.alike(*self._sounds)

    @cached_property
    def _near(self) -> list[str]:
        return [word for word in alike.near(*self._sounds) if word not in self._alike and "'" not in word]


@dataclass
class _Plan:
    """What is to be spoken, by whom, and how it is to be written down."""

    folder: Path
    cast: Cast
    rng: Generator
    rates: tuple[int, int]
    neural_share: float
    lines: list[espeak.Line] = field(default_factory=list)
    rows: list[tuple[str, str, Speaker]] = field(default_factory=list)
    """Split, transcript, speaker."""
    num_neural: int = 0

    def speaker(self, split: str) -> Speaker:
        """Who says the next utterance."""
        if split == "train" and self.cast.networks and self.rng.random() < self.neural_share:
            self.num_neural += 1
            return self.cast.neural_speaker(self.num_neural - 1, self.rng)
        return self.cast.speaker(split, self.rng)

    def say(self, split: str, text: str, read: str, speaker: Speaker) -> None:
        """Add an utterance."""
        name = "_".join(text.split())[:60] or "other"
        path = self.folder / split / f"{name}-{speaker.name}-{len(self.lines)}.wav"
        self.lines.append(speaker.line(path, read, *self.rates, self.rng))
        self.rows.append((split, text, speaker))

    def speak(self, sample_rate: int, neural_repeats: int, splits: Splits) -> None:
        """Speak it all; those of neural voices stand in training so many times."""
        durations_s = speak.speak_all(self.lines, sample_rate, voices=self.cast.drawn)
        for line, (split, text, speaker), duration_s in zip(self.lines, self.rows, durations_s, strict=True):
            stem = Path(line.path).stem
            for again in range(neural_repeats if speaker.network else 1):
                name = f"{stem}-{again}" if again else stem
                utterance = Utterance(
                    name, text, audio=line.path, speaker=speaker.name, duration_s=round(duration_s, 4)
                )
                getattr(splits, split).append(utterance)


def prepare(
    folder: Path,
    words: str = "",
    language: str = "",
    most_words: int = 1,
    single_share: float = 0.0,
    utterances_per_word: int = 100,
    held_out_per_word: int = 4,
    num_voices: int = 280,
    noise_share: float = 0.0,
    slowest: int = 120,
    fastest: int = 180,
    also_words: str = "",
    also_per_word: int = 40,
    pronunciations: str = "",
    pronounced_share: float = 0.5,
    general: int = 0,
    other_speech: int = 0,
    held_out_other: int = 0,
    carrier_share: float = 0.3,
    text: str = "",
    spaces: bool = True,
    neural_voices: str = "",
    neural_share: float = 0.5,
    neural_repeats: int = 1,
    sample_rate: int = 16000,
    also: str = "",
    also_repeats: int = 1,
    real: str = "",
    seed: int = 1,
) -> Splits:
    """Speak every word `utterances_per_word` times for training, and a few times each for dev and test.

    `words` are separated by spaces, or where there is a comma phrases by commas, WORDS if there are none; an utterance
    has one of them in `single_share` of the cases, else one to `most_words`. `language` is that of espeak-ng's voices
    (de, pt-br); where it is not given it is English. `noise_share` utterances without speech (silence, noise, hum,
    knocks, music, babble) come on top, for each that has some. Speakers are drawn at `slowest` to `fastest` words per
    minute.

    `also_words` join the training split, `also_per_word` times each and one at a time: what sounds like `words` and is
    not keeps the network from telling them by one sound, or by their length; those of `words` themselves come more
    often. `general` utterances of general English join it, too, and `other_speech` utterances of which nothing is
    written down: speech and words that sound nearly as the `words` do (asr.synthesis.alike) that are to give no output;
    `held_out_other` of those join dev and test. In `carrier_share` of both stand some of the `words`, which are written
    down. `text` names a file of sentences to draw both from. Without `spaces` a transcript of several words has none,
    for an alphabet without.

    `pronunciations` are other pronunciations of words, as in other regions and first languages: WORD=MNEMONICS,
    espeak-ng's of phonemes (three=T*'I), separated by spaces, as many for a word as one likes. For training, such a
    word has one of them, drawn each time, in `pronounced_share` of its utterances; voices that read letters
    alone (heart) pronounce it as spelled, and so do dev and test. Where the share is 1 it is never read as spelled.

    `neural_voices` (of asr.synthesis.neural: kokoro, heart, joe or Piper's .onnx files, separated by spaces) speak
    `neural_share` of the training split, by turns, so that a name that stands twice speaks twice as often; `num_voices`
    speakers of kokoro are drawn. Each of these recordings stands there `neural_repeats` times, to be perturbed in as
    many ways. Those that do not speak the language are passed over.

    `also` names a manifest of recordings of people that join the training split, `also_repeats` times each. `real` is a
    folder of some, laid out as for folder.py, that are tested and never trained on.
    """
    _check(locals())
    if language not in ("", "en") and not words:
        raise CorpusError(f"data.words: name some words in the language {language!r}; those of the recipe are English")
    rng = np.random.default_rng(seed)
    vocabulary = split_words(words) or sorted(set(WORDS))
    cast = Cast.draw(rng, num_voices, language or "en", neural_voices)
    ways = read_pronunciations(pronunciations, {*vocabulary, *split_words(also_words)})
    if ways and pronounced_share == 1 and cast.readers:
        raise CorpusError(f"data.neural_voices: {min(cast.readers)} reads letters alone, and with "
                          "data.pronounced_share=1 the words of data.pronunciations are never to be read so: leave it "
                          "out")  # fmt: skip
    plan = _Plan(folder, cast, rng, (slowest, fastest), neural_share)

    def tokens(words: Sequence[str], split: str, speaker: Speaker) -> list[Token]:
        known = ways if speaker.reads_phonemes and (split == "train" or pronounced_share == 1) else {}
        return [Token(word, reading(word, known, pronounced_share, rng, language)) for word in words]

    def say(split: str, speaker: Speaker, said: Sequence[Token], written: Sequence[Token]) -> None:
        text = (" " if spaces else "").join(token.text for token in written)
        plan.say(split, text, " ".join(token.read for token in said), speaker)

    for split, choice, times, most in (
        ("dev", vocabulary, held_out_per_word, most_words),
        ("test", vocabulary, held_out_per_word, most_words),
        ("train", vocabulary, utterances_per_word, most_words),
        ("train", split_words(also_words), also_per_word, 1),
    ):
        stream = [word for _ in range(times) for word in rng.permutation(choice).tolist()]
        while stream:
            count = 1 if rng.random() < single_share else int(rng.integers(1, most + 1))
            said, stream = stream[:count], stream[count:]
            speaker = plan.speaker(split)
            spoken_words = tokens(said, split, speaker)
            say(split, speaker, spoken_words, spoken_words)
    others = Others(vocabulary, language, text)
    for split, count, is_written in (
        ("train", general, True),
        ("train", other_speech, False),
        ("dev", held_out_other, False),
        ("test", held_out_other, False),
    ):
        for _ in range(count):
            around = others.any(rng) if is_written else others.other(rng)
            count_named = int(rng.integers(1, most_words + 1)) if rng.random() < carrier_share else 0
            speaker = plan.speaker(split)
            named = tokens(rng.choice(vocabulary, count_named).tolist(), split, speaker)
            index = int(rng.integers(len(around) + 1))
            said_words = [*around[:index], *named, *around[index:]]
            say(split, speaker, said_words, said_words if is_written else named)
    splits = Splits(notes=list(cast.notes))
    plan.speak(sample_rate, neural_repeats, splits)
    for split in ("dev", "test", "train"):
        utterances: list[Utterance] = getattr(splits, split)
        other = [utterance for utterance in utterances if not utterance.text]
        utterances += [
            _nobody(folder / split / f"noise-{split}-{number}.wav", sample_rate, other, rng)
            for number in range(round(noise_share * len(utterances)))
        ]
    splits.train += corpus.recordings(also, also_repeats)
    if real:
        people = corpus.load_script(Path(__file__).with_name("folder.py"))(folder=folder, source=real)
        splits.real = [*people.train, *people.dev, *people.test]
        splits.skipped += people.skipped
    return splits


def _check(values: Mapping[str, object]) -> None:
    """Raises CorpusError for settings that nobody can say."""
    least = {
        "most_words": 1, "utterances_per_word": 0, "held_out_per_word": 0, "num_voices": 1, "noise_share": 0,
        "slowest": SLOWEST, "also_per_word": 0, "general": 0, "other_speech": 0, "held_out_other": 0,
        "neural_repeats": 1, "seed": 0,
    }  # fmt: skip
    for name, lowest in least.items():
        value = values[name]
        if isinstance(value, int | float) and value < lowest:
            raise CorpusError(f"data.{name} must be at least {lowest}, not {value:g}")
    for name in ("single_share", "pronounced_share", "carrier_share", "neural_share"):
        share = values[name]
        if isinstance(share, int | float) and not 0 <= share <= 1:
            raise CorpusError(f"data.{name} must be from 0 to 1, not {share:g}")
    slowest, fastest = int(str(values["slowest"])), int(str(values["fastest"]))
    if slowest >= fastest:
        raise CorpusError(f"data.slowest={slowest} must be below data.fastest={fastest}")
    if values["neural_voices"] and slowest >= NEURAL_FASTEST:
        raise CorpusError(f"data.slowest={slowest} must be below {NEURAL_FASTEST}: data.neural_voices speak no faster")


def _nobody(path: Path, sample_rate: int, others: Sequence[Utterance], rng: Generator) -> Utterance:
    """An utterance in which nobody speaks, or so many at once, of `others`, that nothing is to be made out."""
    num_samples = round(rng.uniform(0.3, 2.5) * sample_rate)
    if len(others) > 10 and rng.random() < 0.25:
        waveform = np.zeros(num_samples, np.float32)
        for index in rng.choice(len(others), int(rng.integers(3, 7)), replace=False):
            voice = audio.read(str(others[index].audio))
            waveform += np.resize(voice / max(float(np.abs(voice).max(initial=0)), 1e-9), num_samples)
        waveform *= 10 ** rng.uniform(-2, -0.2) / max(float(np.abs(waveform).max(initial=0)), 1e-9)
    else:
        waveform = (music if rng.random() < 0.25 else background)(rng, num_samples, sample_rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, waveform, sample_rate)
    return Utterance(path.stem, "", audio=str(path), duration_s=len(waveform) / sample_rate)


if __name__ == "__main__":
    corpus.main(prepare)
