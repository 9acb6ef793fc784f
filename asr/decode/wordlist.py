"""Lists of words as people have them: one on a line, or the lexicon of another toolkit, of which the words are read."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asr.decode.hypothesis import DecodeError
from asr.files import Lines
from asr.text import TextConfig, TextError, Tokenizer

_LOG = logging.getLogger(__name__)
_MAX_LETTERS = 1000  # of an entry; nobody says a longer word
_MAX_BYTES, _MAX_LINE_BYTES = 1 << 24, 1 << 22  # of a file; of a line, which may hold a whole JSON list
_JSON = re.compile(r'\[\s*("|\]|$)|\{\s*("|\}|$)')
_MARK = re.compile(r"<[^<>\s]*>|\[[^\[\]\s]*\]|#\d+|!\S+")  # <eps>, <unk>, [unk], [laughter], #0, !SIL: no words
_VARIANT = re.compile(r"\(\d+\)$")  # the second pronunciation of a word in CMUdict: tomato(2)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_IPA = re.compile("[\u0250-\u02af\u02d0\u02d1\u02c8\u02cc\u0361]")

_VOWELS = "aa ae ah ao aw ax axr ay eh er ey ih ix iy ow oy uh uw ux".split()
_CONSONANTS = "b ch d dh dx el em en f g hh jh k l m n ng nx p q r s sh t th v w wh y z zh".split()
_SILENCES = {"sil", "spn", "nsn"}
_ARPABET = re.compile(rf"({'|'.join(_VOWELS + _CONSONANTS)})[0-2]?(_[bies])?", re.IGNORECASE)
_ARPABET_VOWEL = re.compile(rf"({'|'.join(_VOWELS)})[0-2]?(_[bies])?", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A word or phrase as it was written, and where."""

    where: str
    text: str
    hint: str = ""
    """What its file looks like, for messages."""

    def spelled(self, text: TextConfig) -> str:
        """The entry normalised; raises DecodeError where the alphabet cannot spell it."""
        word = text.normalise(self.text)
        if len(word) > _MAX_LETTERS:
            raise DecodeError(f"{self.where}: {len(word)} letters; a word or phrase has at most {_MAX_LETTERS}")
        try:
            if not _tokenizer(text.alphabet).encode(word):
                raise TextError(f"nothing is left of {self.text.strip()!r} without its punctuation")
        except TextError as error:
            raise DecodeError(f"{self.where}: {error}{self.hint}") from None
        return word


@cache
def _tokenizer(alphabet: str) -> Tokenizer:
    return Tokenizer(alphabet)


def entries(source: str | Path | Sequence[str], text: TextConfig, *, kind: str) -> tuple[list[Entry], str]:
    """The entries of a file, or words and phrases as they are; and the name of the list, for messages."""
    if isinstance(source, (str, Path)):
        return read(source, text, kind=kind), str(source)
    return given(source, kind), f"the {kind}"


def given(words: Sequence[str], kind: str) -> list[Entry]:
    """Words and phrases that stand in no file."""
    return [Entry(f"the {kind}, {word!r}", word) for word in words]


def read(path: str | Path, text: TextConfig, *, kind: str) -> list[Entry]:
    """The words of a file: one or a phrase on each line, a JSON list (Vosk's grammar), or a lexicon of pronunciations.

    What follows a tab is a pronunciation (MFA, flashlight). In Kaldi's `word ph ph` it has no mark: where the first
    word is surely followed by phones, it alone is read; where it only may be, the lines are phrases. Either is named in
    a warning, and so is what is skipped, such as <eps> and [unk]. Raises DecodeError naming file and line.
    """
    numbered = lines(path, kind)
    if numbered and _JSON.match(numbered[0][1].strip()):
        found = _from_json(path, kind, [line for _, line in numbered])
    else:
        found = _without_pronunciations(str(path), text, [pair for pair in numbered if not pair[1].startswith(";;")])
    marks = list(dict.fromkeys(entry.text.strip() for entry in found if _MARK.fullmatch(entry.text.strip())))
    if marks:
        _LOG.warning("%s: skipped, as they are no words: %s", path, ", ".join(marks[:10]))
    return [entry for entry in found if entry.text.strip() not in marks]


def lines(path: str | Path, kind: str) -> list[tuple[int, str]]:
    """(number, text) of the lines that are not empty, equal ones once; raises DecodeError as `files.Lines` does.

    Of JSON every line.
    """
    source = Lines(path, kind=kind, max_bytes=_MAX_BYTES, max_line_bytes=_MAX_LINE_BYTES, error=DecodeError)
    found: list[tuple[int, str]] = []
    seen: set[str] = set()
    for line in source:
        if not line.strip() or line in seen:
            continue
        found.append((source.number, line))
        if not _JSON.match(found[0][1].strip()):
            seen.add(line)
    return found


def _from_json(path: str | Path, kind: str, text: list[str]) -> list[Entry]:
    try:
        words = json.loads("\n".join(text))
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"{path}: looks like JSON, and is none: {error}") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DecodeError(
            f"{path}: JSON that is no list of words; a {kind} has a word or a phrase on each line, or is "
            'a list like ["yes", "no"]'
        )
    return [Entry(f"{path}, entry {number}", word) for number, word in enumerate(words, start=1)]


def _without_pronunciations(name: str, text: TextConfig, numbered: list[tuple[int, str]]) -> list[Entry]:
    """The lines without what follows a tab or is surely a pronunciation."""
    if any("\t" in line.strip() for _, line in numbered):
        first = next(number for number, line in numbered if "\t" in line.strip())
        _LOG.warning(
            "%s: what follows the first tab of a line is skipped (as on line %d), for words are spelled with letters",
            name,
            first,
        )
        words = [(number, line.strip("\r ").partition("\t")[0]) for number, line in numbered]
        return [Entry(f"{name}, line {number}", _VARIANT.sub("", word.strip())) for number, word in words]
    parts = [line.split() for _, line in numbered if not _MARK.match(line.strip()) and not _is_silence(line)]
    if not parts or min(map(len, parts)) < 2:
        return [Entry(f"{name}, line {number}", line) for number, line in numbered]
    example = f"line {numbered[0][0]}: {_shortened(numbered[0][1])}"
    if _are_surely_pronounced(parts, has_digits=any(map(str.isdecimal, text.alphabet))):
        _LOG.warning(
            "%s: a lexicon of pronunciations (%s): the first word of each line is read, the rest skipped, for "
            "words are spelled with letters",
            name,
            example,
        )
        spoken = [(number, line) for number, line in numbered if not _is_silence(line)]
        return [Entry(f"{name}, line {number}", _VARIANT.sub("", line.split()[0])) for number, line in spoken]
    hint = ""
    if _may_be_pronounced(parts):
        hint = f"; the lines look like words and their pronunciations ({example}): give the words alone"
        if " " in text.alphabet:
            _LOG.warning(
                "%s: the lines look like words and their pronunciations (%s), and are taken as phrases; if "
                "they are pronunciations give the words alone",
                name,
                example,
            )
    return [Entry(f"{name}, line {number}", line, hint) for number, line in numbered]


def _is_silence(line: str) -> bool:
    """Whether a line of a lexicon is for silence or noise: `SIL SIL`."""
    _, *phones = line.lower().split()
    return bool(phones) and set(phones) <= _SILENCES


def _are_surely_pronounced(parts: list[list[str]], *, has_digits: bool) -> bool:
    """Whether all lines are words and a number, or their letters, or nearly all ARPABET or IPA phones."""
    rests = [words[1:] for words in parts]
    if not has_digits and all(_NUMBER.fullmatch(rest[0]) for rest in rests):
        return True
    num_arpabet = sum(all(map(_ARPABET.fullmatch, rest)) for rest in rests)
    num_voiced = sum(any(map(_ARPABET_VOWEL.fullmatch, rest)) for rest in rests)  # hm and psst have no vowel
    if num_arpabet >= 0.95 * len(parts) and num_voiced >= 0.8 * len(parts):
        return True
    if sum(any(map(_IPA.search, rest)) for rest in rests) >= 0.8 * len(parts):
        return True
    is_spelled = all("".join(words[1:]).rstrip("|").lower() == words[0].lower() for words in parts)
    return is_spelled and max(map(len, rests)) > 1


def _may_be_pronounced(parts: list[list[str]]) -> bool:
    """Whether what follows the first word is about as long as it in short pieces, or in few that come again."""
    pieces = [piece for words in parts for piece in words[1:]]
    kinds = set(pieces)
    if max(map(len, pieces)) > 4:
        return False
    if sum(map(len, pieces)) > 2 * len(pieces) and (len(kinds) > 100 or len(pieces) < 5 * len(kinds)):
        return False
    like = sum(len(words) - 1 >= 2 and 0.4 <= (len(words) - 1) / len(words[0]) <= 1.7 for words in parts)
    return 10 * like >= 7 * len(parts)


def _shortened(line: str) -> str:
    return repr(line.strip() if len(line.strip()) < 40 else line.strip()[:37] + "...")
