"""General English text, drawn: words in any order, single words, numbers, dates, times, spelled letters, commands.

The words are the most frequent ones of `wordfreq` (Robyn Speer; data CC BY-SA 4.0), which the extra `words` installs;
without it there are five hundred of our own.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from asr import extras
from asr.synthesis.errors import SynthesisError

logger = logging.getLogger("asr.synthesis")

Generator = np.random.Generator

# For where wordfreq is not installed.
OWN_WORDS = """
a about after again air all along also always am an and animal another answer any are around as ask at away back be
because been before began begin being below best better between big black blue boat body book both box boy bring build
busy but by call came can car carry change children city clean clear close cold come common could country course cut
dark day deep did different do does dog done door down draw dream drive dry during each early earth easy eat end enough
even ever every eye face fact fall family far farm fast father feel feet few field figure fill find fine fire first fish
follow food for form found friend from full game gave get girl give go gold good got great green ground group grow had
half hand happy hard has have he head heart heavy help her here high him his hold home horse hot hour house how
hundred idea if in inch into is island it its just keep kind king knew know land language large last late laugh learn
leave left less let letter life light like line list listen little live long look lost lot love low machine made make
man many map mark may me mean men might mile mind miss money moon more morning most mother mountain move much music must
my name near need never new next night north note nothing notice now number object ocean of off often oh old on once
only open or order other our out over own page paper part pass pattern people perhaps person picture piece place plain
plan plane plant play please point poor possible power problem product pull push put question quick quiet rain ran reach
read ready real record red remember rest right river road rock room round rule run sad said same saw say school science
sea second see seem sentence serve set several shape she ship short should show side simple since sing sister sit size
sky sleep slow small snow so some song soon sound south space speak special spell spring stand star start state stay
step still stood stop story street strong study such summer sun sure surface table take talk teach tell test than that
the their them then there these they thing think this those though thought thousand through time to together told too
took top toward town travel tree true try turn under unit until up upon us use very voice vowel wait walk want war warm
was watch water way we week weight well went were west what wheel when where which while white who whole why will wind
winter with woman wonder wood word work world would write year yes yet you young your
""".split()

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
    """The `size` most frequent words that can be read as they are spelled, and their frequencies.

    Raises SynthesisError where they are not installed.
    """
    try:
        import wordfreq
    except ImportError:
        raise SynthesisError(extras.missing("the vocabulary", "wordfreq", "words")) from None
    words: list[str] = []
    for word in wordfreq.top_n_list("en", 3 * size):
        # Letters without a vowel are spelled when they are read, and so are rare words of two letters.
        can_be_read = re.fullmatch(r"[a-z]+('[a-z]+)?", word) and re.search("[aeiouy]", word)
        if can_be_read and (len(word) > 2 or word in ("a", "i") or (len(word) == 2 and len(words) < 500)):
            words.append(word)
        if len(words) == size:
            break
    return words, [wordfreq.word_frequency(word, "en") for word in words]


def known_vocabulary(size: int) -> tuple[list[str], list[float]]:
    """That of `vocabulary`, or where it is not installed words of our own, which are logged, and a frequency of 1."""
    try:
        return vocabulary(size)
    except SynthesisError as error:
        logger.info("%d words of our own instead of the %d most frequent: %s", len(OWN_WORDS), size, error)
        return OWN_WORDS, [1.0] * len(OWN_WORDS)


def all_words(words: Sequence[str]) -> dict[str, str]:
    """Every word that `Speech` of `words` may draw, and what a synthesiser is given to read for it."""
    fixed = [*DIGITS, *TEENS, *TENS, *ORDINALS, *MONTHS, *DAYS, *PLACES, *THINGS, *WAYS, "hundred", "thousand", "oh"]
    commands = [word for command in COMMANDS for word in command.split() if word.isalpha()]
    return {word: word for word in (*words, *fixed, *commands)} | LETTERS
