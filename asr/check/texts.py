"""Transcripts that a recipe cannot learn from, and those that will be mistaken for one another."""

import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from asr.check.findings import Example, Finding, finding
from asr.data.manifest import Utterance
from asr.text import TextConfig

MAX_CLASSES = 500  # different transcripts; where there are more it is no closed set of words
_SHORT = 2  # phonemes
_IMBALANCE = 10
Pronounce = Callable[[str], str]
"""A text in phonemes, a character each; stress marks do not count."""


def alphabet(utterances: Sequence[Utterance], config: TextConfig) -> list[Finding]:
    """Characters that the alphabet lacks, most frequent first, with the setting that mends all of them."""
    counts: Counter[str] = Counter()
    where: dict[str, str] = {}
    num_lost = num_empty = 0
    empty: list[Example] = []
    for utterance in utterances:
        text = config.normalise(utterance.text)
        outside = {mark for mark in text if mark not in config.alphabet}
        num_lost += bool(outside)
        counts.update(mark for mark in text if mark in outside)
        for mark in outside:
            where.setdefault(mark, utterance.id)
        if utterance.text and not text:
            num_empty += 1
            empty.append(Example(utterance.id, repr(utterance.text)))
    found = [
        Example(f"{mark!r} x {count}", f"{_hint(mark, config)}; first in {where[mark]}")
        for mark, count in counts.most_common()
    ]
    what = f"characters outside the alphabet, for which {num_lost} of {len(utterances)} utterances are skipped"
    return [
        *finding("characters", what, found, _mend(counts, config)),
        *finding(
            "empty_texts",
            "transcripts of which nothing is left",
            empty,
            "Mend them, or leave the text empty",
            count=num_empty,
        ),
    ]


def _hint(mark: str, config: TextConfig) -> str:
    if mark.lower() in config.alphabet:
        return "a capital"
    if mark.isdigit():
        return "a digit: write numbers in words"
    if unicodedata.combining(mark):
        return "a mark of its own: another Unicode form than NFC"
    plain = unicodedata.normalize("NFKC", mark)
    if plain != mark and all(part in config.alphabet for part in plain):
        return f"another form of {plain!r}"
    if mark == " ":
        return "a space: there are phrases"
    return "a letter" if mark.isalpha() else "a mark"


def _mend(counts: Counter[str], config: TextConfig) -> str:
    """The settings that mend all of it."""
    settings = []
    capitals = {mark for mark in counts if mark.lower() in config.alphabet}
    if capitals and not config.lowercase:
        settings.append("text.lowercase=true")
    letters = [mark for mark in counts if (mark.isalpha() or mark in " '") and mark not in capitals]
    if letters:
        settings.append(f"text.alphabet={json.dumps(config.alphabet + ''.join(sorted(letters)), ensure_ascii=False)}")
    rest = [mark for mark in counts if mark not in capitals and mark not in letters and not mark.isdigit()]
    if rest:
        marks = config.punctuation + "".join(sorted(rest))
        settings.append(f"text.punctuation={json.dumps(marks, ensure_ascii=False)}")
    digits = "write numbers in words in the transcripts" if any(mark.isdigit() for mark in counts) else ""
    return "Set " + " ".join(settings) + (f", and {digits}" if digits else "") if settings else digits.capitalize()


def classes(utterances: Sequence[Utterance], config: TextConfig, pronounce: Pronounce | None) -> list[Finding]:
    """Of a closed set of transcripts: those that sound alike or are very short, and how unequal their numbers are."""
    counts = Counter(config.normalise(utterance.text) for utterance in utterances)
    counts.pop("", None)
    if not 2 <= len(counts) <= MAX_CLASSES or len(utterances) < 4 * len(counts):
        return []
    spoken = {text: pronounce(text) if pronounce else text.replace(" ", "") for text in counts}
    unit = "phonemes" if pronounce else "letters"
    short = sorted((text for text in counts if len(spoken[text]) <= _SHORT), key=lambda text: len(spoken[text]))
    (most, high), (least, low) = counts.most_common(1)[0], counts.most_common()[-1]
    unequal = [Example(text, f"{count} times") for text, count in reversed(counts.most_common()) if high >= 10 * count]
    return [
        *finding(
            "alike",
            f"pairs of transcripts differ in one of their {unit}",
            [Example(f"{one} / {other}", f"{spoken[one]} / {spoken[other]}") for one, other in _near(spoken)],
            "Choose words that differ more, or record more of these",
            is_error=False,
        ),
        *finding(
            "short",
            f"transcripts have {_SHORT} {unit} or fewer",
            [Example(text, spoken[text]) for text in short],
            "Longer words are mistaken less often",
            is_error=False,
        ),
        *finding(
            "unequal",
            f"transcripts occur less than a tenth as often as {most!r}, which {high} utterances have",
            unequal,
            f"Record more of them, or fewer of {most!r}; {least!r} has {low}",
            is_error=False,
        ),
    ]


def _near(spoken: dict[str, str]) -> list[tuple[str, str]]:
    """Pairs whose spellings are the same, or differ by one that is inserted, deleted or another one."""
    by_rest: dict[tuple[int, str], set[str]] = defaultdict(set)
    for text, sounds in spoken.items():
        for place in range(len(sounds) + 1):
            by_rest[place, sounds[:place] + "." + sounds[place:]].add(text)  # one is inserted there
            if place < len(sounds):
                by_rest[place, sounds[:place] + "." + sounds[place + 1 :]].add(text)
    pairs = {
        (one, other)
        for texts in by_rest.values()
        for one in texts
        for other in texts
        if one < other and max(len(spoken[one]), len(spoken[other])) > 1
    }
    same = [pair for pair in pairs if spoken[pair[0]] == spoken[pair[1]]]
    return sorted(pairs, key=lambda pair: (pair not in same, len(spoken[pair[0]]), pair))
