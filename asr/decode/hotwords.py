"""Hot words: words and phrases that are likelier here than elsewhere, with their boosts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.decode import wordlist
from asr.decode.hypothesis import DecodeError
from asr.text import TextConfig, Tokenizer

BOOST = 5.0  # of a hot word that has none of its own, in nats
_MAX_BOOST = 100.0  # far less is recognised in any sound


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
            for count, token in enumerate(tokens, start=1):
                node = self._trie[node].setdefault(token, len(self._trie))
                if node == len(self._trie):
                    self._trie.append({})
                    self._boost.append(0.0)
                    self._share.append(0.0)
                self._share[node] = max(self._share[node], boost * count / len(tokens))
            self._boost[node] = boost
        # What ends a text may be the end of several: of "three", and of "one two three".
        self.max_gain = max(
            (
                sum(boosts.get(" ".join(words[at:]), 0.0) for at in range(len(words)))
                for words in map(str.split, boosts)
            ),
            default=0.0,
        )

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


def read_hotwords(
    source: str | Path | Sequence[str] | Mapping[str, float], text: TextConfig, boost: float = BOOST
) -> dict[str, float]:
    """Boosts of hot words: of a file, of words and phrases as they are, or by word.

    A file has a word or phrase on each line, after it, where wanted, a tab and its boost in nats. Raises DecodeError
    as `lexicon.read_words` does, and for a boost that is no number from 0 to 100.
    """
    if isinstance(source, Mapping):
        entries = wordlist.given(list(source), "hot words")
        pairs = [(entry, str(own)) for entry, own in zip(entries, source.values(), strict=True)]
        name = "the hot words"
    elif isinstance(source, (str, Path)):
        name = str(source)
        lines = wordlist.lines(source, "file of hot words")
        parts = [(number, *line.partition("\t")) for number, line in lines]
        pairs = [
            (wordlist.Entry(f"{name}, line {number}", phrase), value if tab else str(boost))
            for number, phrase, tab, value in parts
        ]
    else:
        name = "the hot words"
        pairs = [(entry, str(boost)) for entry in wordlist.given(source, "hot words")]
    boosts = {entry.spelled(text): _boost(entry, value) for entry, value in pairs}
    if not boosts:
        raise DecodeError(f"{name}: no words in this file of hot words")
    return boosts


def _boost(entry: wordlist.Entry, value: str) -> float:
    try:
        boost = float(value)
    except ValueError:
        boost = float("nan")
    if not 0 <= boost <= _MAX_BOOST:
        raise DecodeError(f"{entry.where}: the boost {value!r} is not a number from 0 to {_MAX_BOOST:g}")
    return boost
