"""A closed vocabulary: words and phrases, as a trie of their tokens."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock

from asr.decode import wordlist
from asr.decode.hypothesis import DecodeError
from asr.text import TextConfig, Tokenizer


class Lexicon:
    """A closed vocabulary: any sequence of its entries, which are words, or phrases that stand as a whole.

    A `Constraint`, whose automaton is made as it is used from a trie of the entries' tokens. START is at a word's
    beginning, and no token costs anything.
    """

    START = 0

    def __init__(self, entries: Iterable[str], tokenizer: Tokenizer) -> None:
        """`entries` are normalised; raises TextError for a character outside the alphabet."""
        self._space = tokenizer.tokens.index(" ") if " " in tokenizer.tokens else None
        self._trie: list[dict[int, int]] = [{}]
        self._is_end = [False]
        self._words: list[set[str]] = [set()]
        self._entries: set[tuple[str, ...]] = set()
        for entry in entries:
            self._entries.add(tuple(entry.split()))
            node = 0
            words = iter(entry.split())
            word = next(words, "")
            for token in tokenizer.encode(entry):
                node = self._trie[node].setdefault(token, len(self._trie))
                if node == len(self._trie):
                    self._trie.append({})
                    self._is_end.append(False)
                    self._words.append(set())
                if token == self._space:
                    word = next(words)
                else:
                    self._words[node].add(word)
            self._is_end[node] = node > 0
        self._longest = max(map(len, self._entries), default=0)
        # A phrase and its first word may both be entries: then a state is several nodes of the trie at once.
        self._states: list[frozenset[int]] = [frozenset([0])]
        self._numbers = {self._states[0]: 0}
        self._lock = Lock()
        self._steps: list[dict[int, tuple[int, float]] | None] = [None]

    def steps(self, state: int) -> dict[int, tuple[int, float]]:
        """The tokens that may follow a state: (the state that each leads to, its weight, which is 0)."""
        steps = self._steps[state]
        return self._made_steps(state) if steps is None else steps

    def _made_steps(self, state: int) -> dict[int, tuple[int, float]]:
        with self._lock:  # of threads that come to new states at once none may give two of them one number
            targets: dict[int, set[int]] = {}
            for node in self._states[state]:
                for token, child in self._trie[node].items():
                    targets.setdefault(token, set()).add(child)
                if self._is_end[node] and self._space is not None:
                    targets.setdefault(self._space, set()).add(0)
            steps = {token: (self._number(frozenset(nodes)), 0.0) for token, nodes in targets.items()}
            self._steps[state] = steps
            return steps

    def words(self, state: int) -> set[str]:
        """The words that may become of what is spelled of a word; empty where no word has begun."""
        return set().union(*(self._words[node] for node in self._states[state]))

    def entries(self, words: Sequence[str]) -> list[int]:
        """How many of the words each entry has that they are made of; of several ways the one with fewest entries.

        Words that are no sequence of entries stand alone.
        """
        if self._longest < 2:
            return [1] * len(words)
        best: list[tuple[int, ...] | None] = [()]
        for end in range(1, len(words) + 1):
            ways = [
                (*before, end - start)
                for start in range(max(0, end - self._longest), end)
                if (before := best[start]) is not None and tuple(words[start:end]) in self._entries
            ]
            best.append(min(ways, key=len, default=None))
        found = best[-1]
        return [1] * len(words) if found is None else list(found)

    def is_end(self, state: int) -> bool:
        """Whether an utterance may end here: after an entry, or before any."""
        return any(node == 0 or self._is_end[node] for node in self._states[state])

    def end_weight(self, state: int) -> float:  # noqa: ARG002
        """An end costs nothing."""
        return 0.0

    def resume(self, state: int) -> int:  # noqa: ARG002
        """Behind other speech any entry may begin."""
        return self.START

    def _number(self, nodes: frozenset[int]) -> int:
        number = self._numbers.setdefault(nodes, len(self._states))
        if number == len(self._states):
            self._states.append(nodes)
            self._steps.append(None)
        return number


def read_words(source: str | Path | Sequence[str], text: TextConfig) -> list[str]:
    """Entries of a lexicon, normalised, in order, once each: of a file, or words and phrases as they are.

    A file has a word or a phrase on each line; see `wordlist.read` for others. Raises DecodeError naming file and
    line: no such file, not UTF-8, a character outside the alphabet, no word.
    """
    entries, name = wordlist.entries(source, text, kind="lexicon")
    words = list(dict.fromkeys(entry.spelled(text) for entry in entries))
    if not words:
        raise DecodeError(f"{name}: no words in this lexicon")
    return words


def read_list(path: str | Path, text: TextConfig) -> list[str]:
    """The entries of a lexicon normalised, whatever they are spelled with; raises DecodeError as `read_words` does."""
    entries, _ = wordlist.entries(path, text, kind="lexicon")
    return [text.normalise(entry.text) for entry in entries]
