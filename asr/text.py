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
    """Every character of the output; put a space in for phrases."""
    lowercase: bool = True
    """Fold transcripts to lower case first."""
    punctuation: str = '.,;:!?"()[]…“”-–—'
    """Characters that count as a space in transcripts. Anything else outside the alphabet is an error."""

    def __post_init__(self) -> None:
        if len(set(self.alphabet)) != len(self.alphabet) or not self.alphabet:
            raise TextError("text.alphabet must name each character once, and at least one")
        if len(self.alphabet) > MAX_ALPHABET:
            raise TextError(f"text.alphabet has {len(self.alphabet)} characters, and {MAX_ALPHABET} at most are meant")
        if odd := [mark for mark in self.alphabet if unicodedata.category(mark) in _NO_TEXT or mark in _TURNING]:
            raise TextError(f"text.alphabet has {odd[0]!a}, which is no character of a text but steers a terminal")
        if set(self.alphabet) & set(self.punctuation):
            raise TextError("text.alphabet and text.punctuation share characters, which no transcript would ever have")
        if self.lowercase and self.alphabet != self.alphabet.lower():
            raise TextError("text.alphabet has capitals, which no transcript has after text.lowercase; turn one off")

    def normalise(self, text: str) -> str:
        """NFC, lower case, punctuation to spaces, one space between words and none at the ends."""
        text = unicodedata.normalize("NFC", text.lower() if self.lowercase else text)
        return " ".join(text.translate({ord(mark): " " for mark in self.punctuation}).split())


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
