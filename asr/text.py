"""Transcripts: normalise them, and turn characters into token ids and back. The blank is token 0."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asr.errors import UserError

BLANK = 0
MAX_ALPHABET = 50_000  # more than any script has
_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # categories of Unicode: control characters, surrogates, ends of lines
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # the direction of text


class TextError(UserError):
    """A transcript that the alphabet cannot spell; the message is one sentence."""


@dataclass(frozen=True)
class TextConfig:
    """What a recogniser spells with, and how transcripts are brought to it."""

    alphabet: str = "abcdefghijklmnopqrstuvwxyz"
    """Every character of the output; put a space in for phrases. Empty, as where data.language is given and this is
    not: those of the corpus's transcripts."""
    language: str = ""
    """Whose lower case transcripts get, a code as de or pt-br: Turkish has i without a dot (tr, az)."""
    lowercase: bool = True
    """Fold transcripts to lower case first."""
    punctuation: str = '.,;:!?"()[]…“”-–—'
    """Characters that count as a space in transcripts. Anything else outside the alphabet is an error."""

    def __post_init__(self) -> None:
        if len(set(self.alphabet)) != len(self.alphabet):
            raise TextError("text.alphabet must name each character once")
        if len(self.alphabet) > MAX_ALPHABET:
            raise TextError(f"text.alphabet has {len(self.alphabet)} characters, and {MAX_ALPHABET} at most are meant")
        if odd := [mark for mark in self.alphabet if _steers(mark)]:
            raise TextError(f"text.alphabet has {odd[0]!a}, which is no character of a text but steers a terminal")
        if set(self.alphabet) & set(self.punctuation):
            raise TextError("text.alphabet and text.punctuation share characters, which no transcript would ever have")
        if self.lowercase and self.alphabet != lower(self.alphabet, self.language):
            raise TextError("text.alphabet has capitals, which no transcript has after text.lowercase; turn one off")

    def normalise(self, text: str) -> str:
        """NFC, lower case, punctuation to spaces, one space between words and none at the ends."""
        # Composed before and after: a capital I with a dot may be two characters, and lower case may be as many.
        text = unicodedata.normalize("NFC", text)
        text = unicodedata.normalize("NFC", lower(text, self.language)) if self.lowercase else text
        return " ".join(text.translate({ord(mark): " " for mark in self.punctuation}).split())


def lower(text: str, language: str = "") -> str:
    """The lower case of a language; spelling stays what it is (German ß), so that the output is what people write.

    Turkish and Azerbaijani have an i without a dot, ı, whose capital is I, and one with a dot, whose capital is İ
    (Unicode's SpecialCasing.txt).
    """
    if language.partition("-")[0].lower() in ("tr", "az"):
        text = text.replace("İ", "i").replace("I\u0307", "i").replace("I", "ı")
    return text.lower()


def letters_of(texts: Iterable[str]) -> str:
    """The alphabet that spells normalised transcripts: their characters of text in the order of Unicode."""
    characters: set[str] = set().union(*texts)
    return "".join(sorted(mark for mark in characters if not _steers(mark)))


def _steers(mark: str) -> bool:
    """Whether it is no character of a text, but steers a terminal."""
    return unicodedata.category(mark) in _NO_TEXT or mark in _TURNING


class Tokenizer:
    """Characters <-> token ids. `tokens[0]` is the blank, which `encode` never gives."""

    def __init__(self, alphabet: Iterable[str]) -> None:
        self.tokens = ("<blank>", *alphabet)
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        self.space = self._ids.get(" ")
        """The token between words; None: the alphabet has no space."""

    def __len__(self) -> int:
        """Number of tokens, the blank included."""
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Token ids of a normalised transcript; raises TextError at a character outside the alphabet."""
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise TextError(f"the character {error.args[0]!r} is not in the alphabet") from None

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of token ids without blanks."""
        return "".join(self.tokens[token] for token in tokens)
