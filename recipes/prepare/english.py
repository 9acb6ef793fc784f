"""General English without a recording of it: words and sentences of a wide vocabulary, by as many voices as there are.

The words are the most frequent ones of `wordfreq` (Robyn Speer; data CC BY-SA 4.0), an extra that is installed beside
the voices: pip install ".[train,voices,words]". Utterances are drawn: words in any order, single words, digits,
numbers, dates, times, spelled letters and commands. Speakers of espeak-ng and of Kokoro are drawn, too.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asr import audio, extras
from asr.data import corpus, manifest
from asr.data.corpus import CorpusError, Splits
from asr.data.manifest import Utterance
from asr.noise import background
from asr.synthesis import espeak, neural, speak
from asr.synthesis.speakers import draw_voice

Generator = np.random.Generator

DIGITS = "zero one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = """
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
sixteenth seventeenth eighteenth nineteenth twentieth thirtieth
""".split()
MONTHS = """
january february march april may june july august september october november december
""".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday".split()
# A single letter is a word too, spelled; espeak-ng would read some of them as words (a, i, o).
LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", """
ay bee see dee ee eff gee aitch eye jay kay ell em en oh pea cue are ess tea you vee double-you ex why zee
""".split(), strict=True))  # fmt: skip
PLACES = "kitchen bedroom garage bathroom office hall garden attic basement".split()
THINGS = """
lights light radio television heating music fan door window alarm timer volume camera lamp oven
""".split()
# Commands of our own; {} is filled in: a word of the vocabulary, a digit, a number, a thing, a place, a day, a time.
COMMANDS = (
    """
turn on the {thing} | turn off the {thing} in the {place} | switch the {place} {thing} on | open the {thing}
close the {place} {thing} | please stop the {thing} | set a timer for {number} minutes | start | stop | cancel | help
set an alarm for {time} | wake me up at {time} on {day} | what time is it | what is the weather in {word} {day}
play {word} {word} | play the next song | pause | go back | go {way} | turn {way} | volume {way} | call {word} {word}
send a message to {word} | remind me to {word} the {word} {day} | add {word} to my list | delete {word}
i would like {number} {word} please | could you give me the {word} and the {word} | where is the {word}
how do you spell {word} | yes | no | yes please | no thank you | show me the {word} | enter {digit} {digit}
save the {word} | next | repeat that | louder | quieter | left | right | up | down | what is {number} plus {number}
""".strip()
    .replace("\n", "|")
    .split("|")
)
WAYS = "left right up down forward back".split()

ACCENTS = "en-us en-us en-us en-us-nyc en en en-gb-x-rp en-gb-scotland en-gb-x-gbclan en-gb-x-gbcwmd en-029".split()
# espeak-ng's own voices that could be people's; training has none of them: its speakers are drawn.
DEV_VOICES = "Alex Mike adam benjamin edward grandpa klatt2 klatt4 linda m1 m5 m8 max mike2 norbert rob".split()
TEST_VOICES = "Andrea Gene Nguyen antonio aunty belinda david f1 f2 f3 f4 f5 john m2 m3 m4 m6 m7 paul quincy".split()


@dataclass(frozen=True)
class Text:
    """The transcript of an utterance, and what a synthesiser is given to read."""

    text: str
    read: str


class Speech:
    """Utterances drawn from a vocabulary, whose words come as often as a power of their frequency says."""

    def __init__(self, words: Sequence[str], frequencies: Sequence[float], flatten: float) -> None:
        self._words = list(words)
        weights = np.asarray(frequencies) ** flatten
        self._cumulated = np.cumsum(weights / weights.sum())

    def draw(self, rng: Generator) -> Text:
        """One utterance."""
        kinds: list[tuple[float, Callable[[Generator], list[str]]]] = [
            (0.34, lambda rng: self._several(rng, int(rng.integers(2, 9)))),
            (0.16, lambda rng: self._several(rng, 1)),
            (0.14, _digits),
            (0.08, _number),
            (0.06, _date),
            (0.22, self._command),
        ]  # fmt: skip
        index = int(np.searchsorted(np.cumsum([share for share, _ in kinds]), rng.random()))
        if index >= len(kinds) or rng.random() < 0.09:
            return _spelled(rng)
        said = kinds[index][1](rng)
        # A comma is a pause: words do not always run into one another.
        commas = rng.random(len(said)) < (rng.random() < 0.3) * 0.4
        read = " ".join(f"{word}," if comma else word for word, comma in zip(said, commas, strict=True))
        return Text(" ".join(said), read)

    def _several(self, rng: Generator, count: int) -> list[str]:
        return [self._words[min(int(index), len(self._words) - 1)]
                for index in np.searchsorted(self._cumulated, rng.random(count))]  # fmt: skip

    def _command(self, rng: Generator) -> list[str]:
        said: list[str] = []
        for word in str(rng.choice(COMMANDS)).split():
            match word:
                case "{word}":
                    said += self._several(rng, 1)
                case "{thing}":
                    said.append(str(rng.choice(THINGS)))
                case "{place}":
                    said.append(str(rng.choice(PLACES)))
                case "{day}":
                    said.append(str(rng.choice(DAYS)))
                case "{way}":
                    said.append(str(rng.choice(WAYS)))
                case "{digit}":
                    said.append(str(rng.choice(DIGITS)))
                case "{number}":
                    said += number(int(rng.integers(1, 100)))
                case "{time}":
                    said += _time(rng)
                case _:
                    said.append(word)
        return said


def number(value: int) -> list[str]:
    """A number from 0 to 9999 in words."""
    said: list[str] = []
    for unit, name in ((1000, "thousand"), (100, "hundred")):
        if value >= unit:
            said += [DIGITS[value // unit], name]
            value %= unit
            if not value:
                return said
    if value >= 20:
        return [*said, TENS[value // 10 - 2], *([DIGITS[value % 10]] if value % 10 else [])]
    return [*said, TEENS[value - 10] if value >= 10 else DIGITS[value]]


def _digits(rng: Generator) -> list[str]:
    count = 1 if rng.random() < 0.4 else int(rng.integers(2, 8))
    said = [str(word) for word in rng.choice(DIGITS, count)]
    return ["oh" if word == "zero" and count > 1 and rng.random() < 0.3 else word for word in said]


def _number(rng: Generator) -> list[str]:
    return number(int(rng.integers(10, 10 ** int(rng.integers(2, 5)))))


def _time(rng: Generator) -> list[str]:
    hour, minute = number(int(rng.integers(1, 13))), int(rng.integers(0, 12)) * 5
    minutes = ["o'clock"] if not minute else ["oh", "five"] if minute == 5 else number(minute)
    return [*hour, *minutes, *([str(rng.choice(["in the morning", "tonight"]))] if rng.random() < 0.3 else [])]


def _date(rng: Generator) -> list[str]:
    match int(rng.integers(4)):
        case 0:
            return [str(rng.choice(MONTHS)), str(rng.choice(ORDINALS)), "nineteen", *number(int(rng.integers(10, 100)))]
        case 1:
            return [str(rng.choice(DAYS)), str(rng.choice(MONTHS)), *number(int(rng.integers(1, 32)))]
        case 2:
            return [str(rng.choice([*MONTHS, *DAYS, *ORDINALS]))]
        case _:
            return [*_time(rng), str(rng.choice(DAYS))]


def _spelled(rng: Generator) -> Text:
    """Letters one by one, as names and addresses are spelled; some in pairs with digits."""
    letters = [str(letter) for letter in rng.choice(list(LETTERS), int(rng.integers(1, 9)))]
    if rng.random() < 0.2:
        letters += [str(word) for word in rng.choice(DIGITS, int(rng.integers(1, 4)))]
    mark = "," if rng.random() < 0.5 else ""
    return Text(" ".join(letters), f"{mark} ".join(LETTERS.get(letter, letter) for letter in letters))


def vocabulary(size: int) -> tuple[list[str], list[float]]:
    """The `size` most frequent words that can be read as they are spelled, and their frequencies."""
    try:
        import wordfreq
    except ImportError:
        raise CorpusError(extras.missing("the vocabulary", "wordfreq", "words")) from None
    words: list[str] = []
    for word in wordfreq.top_n_list("en", 3 * size):
        # Letters without a vowel are spelled when they are read, and so are rare words of two letters.
        can_be_read = re.fullmatch(r"[a-z]+('[a-z]+)?", word) and re.search("[aeiouy]", word)
        if can_be_read and (len(word) > 2 or word in ("a", "i") or (len(word) == 2 and len(words) < 500)):
            words.append(word)
        if len(words) == size:
            break
    return words, [wordfreq.word_frequency(word, "en") for word in words]


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


def line(path: Path, text: str, voice: str, rng: Generator, slowest: int, fastest: int) -> espeak.Line:
    """`text` in `voice`, with an accent, a rate from `slowest` up to `fastest`, and a pitch that are drawn."""
    return espeak.Line(
        str(path),
        text,
        f"{rng.choice(ACCENTS)}+{voice}",
        words_per_minute=int(rng.integers(slowest, fastest)),
        pitch=int(rng.integers(30, 70)),
        pitch_range=int(rng.integers(20, 80)),
    )


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
        lines.append(line(path, said.read, voice, rng, slowest, fastest))
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
    if also:
        recordings = manifest.read(also)
        splits.train += [
            replace(one, id=f"{one.id}-also{again}") for one in recordings for again in range(also_repeats)
        ]
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
