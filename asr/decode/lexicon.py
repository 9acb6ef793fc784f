"""What the user knows about the words: a closed vocabulary, and hot words with their boost."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from asr.decode.hypothesis import DecodeError
from asr.text import TextConfig, TextError, Tokenizer

BOOST = 5.0  # of a hot word that names none, in nats
_MOST_BOOST = 100.0  # far less is heard in any sound


class Lexicon:
    """A closed vocabulary: any sequence of its entries, which are words, or phrases that stand as a whole.

    A deterministic automaton over tokens, made as it is used. A state is an integer; START is at a word's beginning.
    """

    START = 0

    def __init__(self, entries: Iterable[str], tokenizer: Tokenizer) -> None:
        """`entries` are normalised; raises TextError for a character outside the alphabet."""
        self._space = tokenizer.tokens.index(" ") if " " in tokenizer.tokens else None
        self._trie: list[dict[int, int]] = [{}]
        self._is_end = [False]
        self._meant: list[set[str]] = [set()]
        for entry in entries:
            node = 0
            words = iter(entry.split())
            word = next(words, "")
            for token in tokenizer.encode(entry):
                node = self._trie[node].setdefault(token, len(self._trie))
                if node == len(self._trie):
                    self._trie.append({})
                    self._is_end.append(False)
                    self._meant.append(set())
                if token == self._space:
                    word = next(words)
                else:
                    self._meant[node].add(word)
            self._is_end[node] = node > 0
        # A phrase and its first word may both be entries: then a state is several nodes of the trie at once.
        self._states: list[frozenset[int]] = [frozenset([0])]
        self._numbers = {self._states[0]: 0}
        self._steps: list[dict[int, int] | None] = [None]

    def steps(self, state: int) -> dict[int, int]:
        """The tokens that may follow a state, and the states they lead to."""
        steps = self._steps[state]
        if steps is None:
            targets: dict[int, set[int]] = {}
            for node in self._states[state]:
                for token, child in self._trie[node].items():
                    targets.setdefault(token, set()).add(child)
                if self._is_end[node] and self._space is not None:
                    targets.setdefault(self._space, set()).add(0)
            steps = self._steps[state] = {token: self._number(frozenset(nodes)) for token, nodes in targets.items()}
        return steps

    def meant(self, state: int) -> set[str]:
        """The words that what is spelled of a word may become; none where no word has begun."""
        return set().union(*(self._meant[node] for node in self._states[state]))

    def is_end(self, state: int) -> bool:
        """Whether an utterance may end here: after an entry, or before any."""
        return any(node == 0 or self._is_end[node] for node in self._states[state])

    def _number(self, nodes: frozenset[int]) -> int:
        number = self._numbers.setdefault(nodes, len(self._states))
        if number == len(self._states):
            self._states.append(nodes)
            self._steps.append(None)
        return number


class HotWords:
    """Words and phrases that are likelier here than elsewhere: each occurrence in a text adds its boost, in nats.

    While one is being spelled it already has a share of its boost, so that the beam keeps it; a prefix that turns
    away gives it back. A state is the tuple of the trie's nodes of every phrase that has begun.
    """

    START: tuple[int, ...] = ()

    def __init__(self, boosts: Mapping[str, float], tokenizer: Tokenizer) -> None:
        """`boosts` by normalised word or phrase; raises TextError for a character outside the alphabet."""
        self._space = tokenizer.tokens.index(" ") if " " in tokenizer.tokens else None
        self._trie: list[dict[int, int]] = [{}]
        self._boost, self._share = [0.0], [0.0]
        for phrase, boost in boosts.items():
            node = 0
            tokens = tokenizer.encode(phrase)
            for place, token in enumerate(tokens, start=1):
                node = self._trie[node].setdefault(token, len(self._trie))
                if node == len(self._trie):
                    self._trie.append({})
                    self._boost.append(0.0)
                    self._share.append(0.0)
                self._share[node] = max(self._share[node], boost * place / len(tokens))
            self._boost[node] = boost
        # What ends a text may be the end of several: of "three", and of "one two three".
        self.most = max((sum(boosts.get(" ".join(words[at:]), 0.0) for at in range(len(words)))
                         for words in map(str.split, boosts)), default=0.0)  # fmt: skip

    def step(self, state: tuple[int, ...], token: int, is_start: bool) -> tuple[tuple[int, ...], float]:
        """(next state, boosts of what this token completes); `is_start`: the token begins a word."""
        completed = self.end(state) if token == self._space else 0.0
        nodes = (*state, 0) if is_start else state
        return tuple(child for node in nodes if (child := self._trie[node].get(token)) is not None), completed

    def end(self, state: tuple[int, ...]) -> float:
        """Boosts of what is complete if the word ends here."""
        return sum(self._boost[node] for node in state)

    def share(self, state: tuple[int, ...]) -> float:
        """What those that are being spelled are worth already."""
        return max((self._share[node] for node in state), default=0.0)


def read_words(path: str | Path, text: TextConfig) -> list[str]:
    """Entries of a lexicon: a word or a phrase on each line, normalised, in order, once each.

    Raises DecodeError naming file and line: no such file, not UTF-8, a character outside the alphabet, no word.
    """
    words = list(dict.fromkeys(_spelled(path, number, line, text) for number, line in _lines(path, "lexicon")))
    if not words:
        raise DecodeError(f"{path}: no words in this lexicon")
    return words


def read_list(path: str | Path, text: TextConfig) -> list[str]:
    """The lines of a lexicon normalised, whatever they are spelled with; raises DecodeError as `read_words` does."""
    return [text.normalise(line) for _, line in _lines(path, "lexicon")]


def read_hotwords(path: str | Path, text: TextConfig, boost: float = BOOST) -> dict[str, float]:
    """Boosts of hot words: a word or phrase on each line, after it, where wanted, a tab and its boost in nats.

    Raises DecodeError as `read_words` does.
    """
    boosts: dict[str, float] = {}
    for number, line in _lines(path, "file of hot words"):
        phrase, tab, value = line.partition("\t")
        try:
            own = float(value) if tab else boost
        except ValueError:
            own = float("nan")
        if not 0 <= own <= _MOST_BOOST:
            raise DecodeError(f"{path}, line {number}: the boost {value!r} is not a number from 0 to {_MOST_BOOST:g}")
        boosts[_spelled(path, number, phrase, text)] = own
    if not boosts:
        raise DecodeError(f"{path}: no words in this file of hot words")
    return boosts


def _spelled(path: str | Path, number: int, line: str, text: TextConfig) -> str:
    word = text.normalise(line)
    try:
        if not Tokenizer(text.alphabet).encode(word):
            raise TextError(f"nothing is left of {line.strip()!r} without its punctuation")
    except TextError as error:
        raise DecodeError(f"{path}, line {number}: {error}") from None
    return word


def _lines(path: str | Path, what: str) -> Iterator[tuple[int, str]]:
    if not Path(path).is_file():
        raise DecodeError(f"{path}: no such {what}")
    for number, line in enumerate(Path(path).read_bytes().splitlines(), start=1):
        try:
            decoded = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise DecodeError(f"{path}, line {number}: not UTF-8") from None
        if decoded.strip():
            yield number, decoded
