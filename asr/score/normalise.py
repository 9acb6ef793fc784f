"""Rules by name that bring both sides of a comparison to one spelling; the result of scoring names them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from asr import extras
from asr.score.alignment import Weights
from asr.score.source import ScoreError, load

RULES = {
    "nfc": "Unicode's canonical composition (NFC), so that an accent is the same however it was typed",
    "whitespace": "every Unicode space separates words, no-break and ideographic ones too; invisible marks go",
    "case": "lower case, by Unicode",
    "ascii-case": "A to Z to lower case, as sclite without -s",
    "punctuation": "punctuation is a space, but for apostrophes within words and points and commas within numbers",
    "digits": "numbers in digits to words: English without `and`, or another language as in digits=de",
}
DEFAULT = ("nfc", "whitespace")


def default_rules(weights: Weights) -> tuple[str, ...]:
    """What is done unasked; sclite has no such rules, so that with its weights there is none."""
    return () if weights == "sclite" else DEFAULT


_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_ASCII_BLANKS = " \t\n\v\f\r"
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_NUMBER = re.compile(r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(st|nd|rd|th)?(?![\w])", re.ASCII)


@dataclass(frozen=True)
class Normaliser:
    """Text -> words, by rules applied in the order of RULES whatever the order they are named in, then a mapping."""

    rules: tuple[str, ...] = DEFAULT
    mapping: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    """Words -> words; where several begin alike, the longest is taken."""

    def __post_init__(self) -> None:
        for rule in self.rules:
            if rule.partition("=")[0] not in RULES or ("=" in rule and not rule.startswith("digits=")):
                raise ScoreError(f"there is no rule {rule}; there are {', '.join(RULES)} and none")
        order = sorted(dict.fromkeys(self.rules), key=lambda rule: list(RULES).index(rule.partition("=")[0]))
        if len({rule.partition("=")[0] for rule in order}) < len(order):
            raise ScoreError("the rule digits takes one language")
        object.__setattr__(self, "rules", tuple(order))

    @property
    def names(self) -> tuple[str, ...]:
        """The rules in their order, for the result."""
        return (*self.rules, *((f"mapping of {len(self.mapping)}",) if self.mapping else ()))

    def words(self, text: str) -> list[str]:
        """Words of a transcript."""
        rules = self.rules
        # ASCII text is in NFC and has no spaces but ASCII's, and most text is ASCII.
        if not text.isascii():
            if "nfc" in rules:
                text = unicodedata.normalize("NFC", text)
            if "whitespace" in rules:
                text = text.translate(_INVISIBLE)
        if "case" in rules:
            text = text.lower()
            if "nfc" in rules and not text.isascii():
                text = unicodedata.normalize("NFC", text)  # lower case may come apart again, as of U+0130
        if "ascii-case" in rules:
            text = text.translate(_ASCII_LOWER)
        if "punctuation" in rules:
            text = _without_punctuation(text)
        for rule in rules:
            if rule.startswith("digits"):
                text = _spelled_out(text, rule.partition("=")[2] or "en", has_lower_case="case" in rules)
        words = text.split() if text.isascii() or "whitespace" in rules else _split_ascii(text)
        return _mapped(words, self.mapping) if self.mapping else words


def parse_rules(text: str) -> tuple[str, ...]:
    """Rules from `case,punctuation`, on top of the default ones; `none` is no rule at all, not even those.

    Raises ScoreError for a rule that does not exist.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if "none" in names:
        if len(names) > 1:
            raise ScoreError(f"none stands alone, without {', '.join(name for name in names if name != 'none')}")
        return ()
    return Normaliser((*DEFAULT, *names)).rules


def read_mapping(path: str | Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Words to words from lines like `colour -> color`; # begins a comment, and nothing after the arrow deletes.

    Raises ScoreError naming file and line: no arrow, nothing before it, the same words twice.
    """
    mapping: dict[tuple[str, ...], tuple[str, ...]] = {}
    for number, line in enumerate(load(path).lines, start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        before, arrow, after = line.partition("->")
        key = tuple(before.split())
        if not arrow or not key:
            raise ScoreError(f"{path}, line {number}: not of the form `words -> words`")
        if mapping.setdefault(key, tuple(after.split())) != tuple(after.split()):
            raise ScoreError(f"{path}, line {number}: {' '.join(key)} was mapped to {' '.join(mapping[key])} before")
    return mapping


def normalised_mapping(
    mapping: Mapping[tuple[str, ...], tuple[str, ...]], normaliser: Normaliser
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """A mapping whose words have gone through the other rules, as the words that it will meet have."""
    return {
        tuple(normaliser.words(" ".join(before))): tuple(normaliser.words(" ".join(after)))
        for before, after in mapping.items()
    }


def _split_ascii(text: str) -> list[str]:
    return [word for word in re.split(f"[{_ASCII_BLANKS}]+", text) if word]


def _without_punctuation(text: str) -> str:
    text = text.replace("\u2019", "'")
    kept = []
    for index, mark in enumerate(text):
        if not unicodedata.category(mark).startswith("P"):
            kept.append(mark)
            continue
        before, after = text[index - 1 : index], text[index + 1 : index + 2]
        is_inside = (mark == "'" and before.isalpha() and after.isalpha()) or (
            mark in ".," and before.isdecimal() and after.isdecimal()
        )
        kept.append(mark if is_inside else " ")
    return "".join(kept)


def _spelled_out(text: str, language: str, *, has_lower_case: bool) -> str:
    def words(match: re.Match[str]) -> str:
        spelled = _number_words(match[1].replace(",", ""), match[2] or "", bool(match[3]), language)
        return spelled.lower() if has_lower_case else spelled

    return _NUMBER.sub(words, text)


@cache
def _number_words(whole: str, fraction: str, is_ordinal: bool, language: str) -> str:
    try:
        from num2words import num2words
    except ModuleNotFoundError:
        raise ScoreError(extras.missing("the rule digits", "num2words", "text")) from None
    try:
        if is_ordinal and not fraction:
            spelled = num2words(int(whole), to="ordinal", lang=language)
        else:
            spelled = num2words(int(whole) if not fraction else f"{whole}{fraction}", lang=language)
    except NotImplementedError:
        raise ScoreError(f"the rule digits={language}: num2words knows no numbers in {language}") from None
    except OverflowError:  # too long to have a name: digit by digit
        spelled = " ".join(str(num2words(int(digit), lang=language)) for digit in whole + fraction.removeprefix("."))
    spelled = re.sub(r"[-,\s]+", " ", str(spelled))
    return spelled.replace(" and ", " ") if language == "en" else spelled


def _mapped(words: Sequence[str], mapping: Mapping[tuple[str, ...], tuple[str, ...]]) -> list[str]:
    longest = max(map(len, mapping))
    result: list[str] = []
    index = 0
    while index < len(words):
        for length in range(min(longest, len(words) - index), 0, -1):
            after = mapping.get(tuple(words[index : index + length]))
            if after is not None:
                result.extend(after)
                index += length
                break
        else:
            result.append(words[index])
            index += 1
    return result


def all_words(texts: Iterable[str], normaliser: Normaliser) -> list[list[str]]:
    """Words of each transcript."""
    if set(normaliser.rules) <= set(DEFAULT) and not normaliser.mapping:
        # The usual case, and a hot one: nothing to do for ASCII text.
        words = normaliser.words
        return [text.split() if text.isascii() else words(text) for text in texts]
    return [normaliser.words(text) for text in texts]
