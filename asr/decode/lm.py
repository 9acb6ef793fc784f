"""N-gram language models with back-off (Katz 1987), as ARPA files hold them: read, score, write.

Files hold logarithms to base 10; everything here takes and gives natural ones.
"""

import gzip
import itertools
import logging
import math
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asr import files
from asr.decode.hypothesis import DecodeError
from asr.files import Lines

BEGIN, END, UNKNOWN, SPACE = "<s>", "</s>", "<unk>", "<space>"
_MARKS = {BEGIN, END, UNKNOWN, SPACE}
_LN10 = math.log(10)
_LOG = logging.getLogger(__name__)
_MAX_ORDER, _MAX_IDLE = 100, 10_000  # words of an n-gram; lines that say nothing, before the n-grams or between them
_NOTHING = -100 * _LN10  # an unknown word where the model has no <unk>; KenLM's choice

Table = dict[tuple[str, ...], tuple[float, float]]
"""n-grams of one length -> (log-probability, log of the back-off weight), natural logarithms both."""
State = tuple[str, ...]
"""The last words that any longer n-gram begins with: at most order - 1."""


class LanguageModel:
    """Probabilities of words, or of characters, after those before them.

    `ngrams[n - 1]` maps each n-gram to (log-probability, log of its back-off weight), natural logarithms both.
    """

    def __init__(self, ngrams: Sequence[Table]) -> None:
        self.ngrams = ngrams
        self.order = len(ngrams)
        self.vocabulary = {word for (word,) in ngrams[0]}
        self._unknown = UNKNOWN if UNKNOWN in self.vocabulary else None
        # Only a context that some n-gram continues, or that has a back-off weight of its own, must be remembered.
        self._contexts = {ngram[:-1] for table in ngrams[1:] for ngram in table}
        self._contexts |= {ngram for table in ngrams[:-1] for ngram, (_, backoff) in table.items() if backoff}

    def is_character(self, *, has_space: bool) -> bool:
        """Whether it is over characters: all its words are one character long, and <space> is one of them.

        `has_space`: whether the alphabet that it is used with has a space; without one there is no <space> either.
        """
        is_short = all(len(word) == 1 for word in self.vocabulary - _MARKS)
        return is_short and (SPACE in self.vocabulary or not has_space)

    @property
    def begin(self) -> State:
        """The state before the first word."""
        return self._shortened((BEGIN,))

    def score(self, state: State, word: str) -> tuple[float, State]:
        """log P(word | state) and the state after it; an unknown word scores as <unk>."""
        if word not in self.vocabulary:
            if self._unknown is None:
                return _NOTHING, ()
            word = self._unknown
        total = 0.0
        for start in range(len(state) + 1):
            context = state[start:]
            found = self.ngrams[len(context)].get((*context, word))
            if found:
                total += found[0]
                break
            total += self.ngrams[len(context) - 1].get(context, (0.0, 0.0))[1]
        return min(0.0, total), self._shortened((*state, word))  # above it only where a file's back-off is wrong

    def max_gain(self) -> float:
        """How much likelier, in nats, a context makes any word than it is without one; at least 0."""
        alone = self.ngrams[0]
        gain = max(
            [
                0.0,
                *(
                    found[0] - alone[ngram[-1:]][0]
                    for table in self.ngrams[1:]
                    for ngram, found in table.items()
                    if ngram[-1:] in alone
                ),
            ]
        )
        # Katz's back-off weights may be above 1, and on the way to a short n-gram stands one of every order.
        return gain + sum(max([0.0, *(found[1] for found in table.values())]) for table in self.ngrams[:-1])

    def score_end(self, state: State) -> float:
        """log P(</s> | state); 0 for a model without sentence ends."""
        return self.score(state, END)[0] if END in self.vocabulary else 0.0

    def score_sentence(self, words: Iterable[str]) -> float:
        """log P of a whole sentence, its end included."""
        state, total = self.begin, 0.0
        for word in words:
            log_prob, state = self.score(state, word)
            total += log_prob
        return total + self.score_end(state)

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> float:
        """exp of the mean negative log-probability of a word, sentence ends counted as words."""
        total, count = 0.0, 0
        for words in sentences:
            total += self.score_sentence(words)
            count += len(words) + 1
        return math.exp(-total / count) if count else math.nan

    def _shortened(self, words: State) -> State:
        words = words[-(self.order - 1) :] if self.order > 1 else ()
        while words and words not in self._contexts:
            words = words[1:]
        return words


def units(text: str, *, is_character: bool) -> list[str]:
    """The words of a normalised text, or its characters with <space> for a space."""
    return [SPACE if mark == " " else mark for mark in text] if is_character else text.split()


def write(path: str | Path, model: LanguageModel) -> None:
    """Write an ARPA file (.gz: compressed) whole or not at all, its n-grams in order."""
    path = Path(path)
    lines = ["\\data\\", *(f"ngram {n}={len(table)}" for n, table in enumerate(model.ngrams, start=1))]
    for n, table in enumerate(model.ngrams, start=1):
        lines += ["", f"\\{n}-grams:"]
        for ngram, (log_prob, backoff) in sorted(table.items()):
            line = f"{_base10(log_prob)}\t{' '.join(ngram)}"
            lines.append(f"{line}\t{_base10(backoff)}" if backoff else line)
    data = "\n".join([*lines, "", "\\end\\", ""]).encode()
    # mtime 0: the same model is the same file.
    files.write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def check_vocabulary(model: LanguageModel, entries: Iterable[str], kind: str, name: str, *, has_space: bool) -> None:
    """Say in a warning which words (or characters) of a lexicon, or of hot words, the model called `name` lacks.

    As in KenLM such a word has the probability of <unk>, or 10 to the -100 where the model has none, which is never
    recognised. Raises DecodeError where the model lacks every word of several.
    """
    is_character = model.is_character(has_space=has_space)
    wanted = dict.fromkeys(unit for entry in entries for unit in units(entry, is_character=is_character))
    missing = [unit for unit in wanted if unit not in model.vocabulary]
    if not missing:
        return
    if len(missing) == len(wanted) > 1:
        raise DecodeError(f"{name}: holds none of {kind}, such as {missing[0]!r}; is it of the same language and case?")
    effect = (
        "scored as <unk>"
        if UNKNOWN in model.vocabulary
        else (
            "which is never recognised, as the model has no <unk>; estimate it with --lexicon, or add them to its text"
        )
    )
    some = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
    noun = "characters" if is_character else "words"
    _LOG.warning("%s: lacks %d of %d %s of %s, %s: %s", name, len(missing), len(wanted), noun, kind, effect, some)


def read(path: str | Path) -> LanguageModel:
    """Read an ARPA file, compressed or not.

    Raises DecodeError naming file and line: no such file, not UTF-8, another compression or a binary, not ARPA, a
    line that is not an n-gram of its section, an n-gram twice, a count that does not fit, a file cut short.
    """
    # Of any size: what is read stands in the tables, or there is an error.
    lines = Lines(path, kind="language model", max_bytes=sys.maxsize, error=DecodeError)
    try:
        return _parse(_filled(lines))
    except _LineError as error:
        raise DecodeError(f"{path}, line {lines.number}: {error}") from None


class _LineError(ValueError):
    """A line that does not belong where it stands."""


def _filled(lines: Lines) -> Iterator[str]:
    """The lines that are not empty, without the spaces around them."""
    last = 0
    for line in lines:
        if stripped := line.strip():
            last = lines.number
            yield stripped
        elif lines.number - last > _MAX_IDLE:
            raise _LineError(f"{_MAX_IDLE} empty lines one after another")


def _parse(stream: Iterator[str]) -> LanguageModel:
    # What stands before \data\ is a comment.
    if not any(line == "\\data\\" for line in itertools.islice(stream, _MAX_IDLE)):
        raise _LineError(f"not a language model in ARPA format: no \\data\\ in its first {_MAX_IDLE} lines")
    counts: list[int] = []
    line = next(stream, "")
    while counted := re.fullmatch(r"ngram\s+(\d{1,18})\s*=\s*(\d{1,18})", line):
        if int(counted[1]) != len(counts) + 1:
            raise _LineError(f"ngram {counted[1]} where ngram {len(counts) + 1} was expected")
        counts.append(int(counted[2]))
        if len(counts) > _MAX_ORDER:
            raise _LineError(f"n-grams of more than {_MAX_ORDER} words")
        line = next(stream, "")
    if not counts or not counts[0]:
        raise _LineError("no `ngram 1=` of at least one word follows \\data\\")
    tables: list[Table] = []
    for n, count in enumerate(counts, start=1):
        if line != f"\\{n}-grams:":
            raise _LineError(f"{_shown(line)} where \\{n}-grams: was expected")
        table, line = _section(stream, n, count, tables[0] if tables else None, is_longest=n == len(counts))
        tables.append(table)
    if line != "\\end\\":
        raise _LineError(f"{_shown(line)} where \\end\\ was expected")
    return LanguageModel(tables)


def _section(
    stream: Iterator[str], n: int, count: int, unigrams: Table | None, *, is_longest: bool
) -> tuple[Table, str]:
    """The n-grams of one length, and the line that ends them; empty at the end of the file."""
    table: Table = {}
    for line in stream:
        if line[0] == "\\" and line[-1] in "\\:":
            break
        ngram, values = _ngram(line, n, is_longest=is_longest)
        if ngram in table:
            raise _LineError(f"the {n}-gram {' '.join(ngram)!r} stands here twice")
        if unigrams is not None and any((word,) not in unigrams for word in ngram):
            raise _LineError(f"a word of {' '.join(ngram)!r} is not among the 1-grams")
        table[ngram] = values
        if len(table) > count:
            raise _LineError(f"more {n}-grams than the {count} that \\data\\ announces")
    else:
        line = ""
    if len(table) != count:
        raise _LineError(f"{len(table)} {n}-grams where \\data\\ announces {count}")
    return table, line


def _ngram(line: str, n: int, *, is_longest: bool) -> tuple[tuple[str, ...], tuple[float, float]]:
    # Not split(): a word may hold any blank but the ASCII ones.
    fields = re.split(r"[ \t\r]+", line)
    if len(fields) not in (n + 1, n + 2):
        wanted = f"a log-probability and {n} word{'s' * (n > 1)}" + ("" if is_longest else ", then maybe a back-off")
        raise _LineError(f"{_shown(line)} is not {wanted}")
    try:
        log_prob, backoff = float(fields[0]), float(fields[n + 1]) if len(fields) > n + 1 else 0.0
    except ValueError:
        raise _LineError(f"{_shown(line)} does not hold numbers where they belong") from None
    if is_longest and backoff:
        raise _LineError(f"{_shown(line)}: a back-off of {fields[n + 1]} on an n-gram that none is longer than")
    if not log_prob <= 1e-4 or not -math.inf < backoff < math.inf:
        raise _LineError(
            f"{_shown(line)}: {fields[0]} is not the logarithm of a probability, or a back-off is not finite"
        )
    words = tuple(UNKNOWN if word in ("<UNK>", "<unk>") else word for word in fields[1 : n + 1])
    return words, (max(log_prob, -1e9) * _LN10, backoff * _LN10)


def _shown(line: str) -> str:
    return repr(line if len(line) < 60 else line[:57] + "...") if line else "the end of the file"


def _base10(value: float) -> str:
    """Shortest decimal of a base-10 logarithm that keeps float32's precision."""
    return f"{value / _LN10:.8g}"
