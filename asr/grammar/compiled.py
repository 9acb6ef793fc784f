"""Sentences as a recogniser uses them: the network of a grammar for one alphabet, and words that are skipped."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asr.errors import UserError
from asr.grammar import network as networks
from asr.grammar.graph import BEGIN, OWED, Graph, Point, Walker, normalised_skip_words
from asr.grammar.intent import Parser
from asr.grammar.network import Network
from asr.grammar.tree import Grammar, texts
from asr.text import TextConfig, Tokenizer, letters_of


@dataclass(frozen=True)
class Compiled:
    """A network of sentences, and words that may be spoken before any of its words."""

    network: Network
    skip_words: tuple[str, ...] = ()

    def graph(self, tokenizer: Tokenizer, weight: float = 0.0) -> Graph:
        """The constraint of a decoder over these tokens; `weight` is that of the sentences' probabilities."""
        return Graph(self.network, tokenizer, self.skip_words, weight)

    def parser(self) -> Parser:
        """What finds intents and slots."""
        return Parser(self.network, self.skip_words)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what travels in a model file."""
        return {**networks.to_dict(self.network), "skip_words": list(self.skip_words)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], text: TextConfig) -> "Compiled":
        """The inverse of `to_dict`; raises UserError where the values are no sentences in the alphabet of `text`."""
        network = networks.from_dict(dict(values))
        characters = {arc.character for arcs in network.arcs for arc in arcs} - {"", " "}
        if not characters <= set(text.alphabet):
            raise UserError("the sentences of this model have characters that its alphabet lacks")
        words = values.get("skip_words", [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UserError("the sentences of this model cannot be read: skip_words is no list of words")
        return cls(network, tuple(words))


def spelling(grammar: Grammar) -> TextConfig:
    """Letters and a space that spell the sentences, in the lower case of their language."""
    folded = TextConfig(language=grammar.language)
    letters = {mark for part in grammar.sentences for piece in texts(part.item) for mark in folded.normalise(piece)}
    return replace(folded, alphabet=letters_of(letters | {" "}))


def build(grammar: Grammar, text: TextConfig) -> Compiled:
    """The sentences of a grammar, spelled as `text` normalises.

    Raises UserError as `network.build` does, and where a sentence has several words and the alphabet no space.
    """
    network = networks.build(grammar, text)
    if " " not in text.alphabet and _has_spaces(network):
        raise UserError("a sentence has several words, and this model's alphabet has no space between words")
    return Compiled(network, tuple(normalised_skip_words(grammar.skip_words, text)))


def read(path: str | Path, text: TextConfig) -> Compiled:
    """The sentences of a file, in letters of their own where `text` has none; raises UserError that names it."""
    from asr.grammar import readers

    grammar = readers.read(path)
    try:
        return build(grammar, text if text.alphabet else spelling(grammar))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _has_spaces(network: Network) -> bool:
    """Whether any path has a space between two words."""
    walker = Walker(network)
    seen = {Point(0, BEGIN)}
    stack = list(seen)
    while stack:
        point = stack.pop()
        spelled = [arc for arc in network.arcs[point.state] if arc.character.strip()]
        if spelled and point.last == OWED:
            return True
        following = [after for arc in spelled for after in walker.spelled(point, arc.character)]
        for after in [*following, *(after for after, _ in walker.silent(point))]:
            if after not in seen:
                seen.add(after)
                stack.append(after)
    return False
