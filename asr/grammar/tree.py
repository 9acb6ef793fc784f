"""What a file of sentences says, as a tree; the readers of every format make it, the network is built from it."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """Characters, spaces included; parts of words may stand side by side, as in light[s]."""

    text: str


@dataclass(frozen=True)
class Sequence:
    """One after another."""

    items: tuple["Node", ...]


@dataclass(frozen=True)
class Choice:
    """One of several; an optional part is a choice between it and nothing."""

    items: tuple["Node", ...]
    weights: tuple[float, ...] = ()
    """How likely each is, up to a factor; none: all alike."""

    @property
    def probabilities(self) -> tuple[float, ...]:
        """How likely each is; they sum to one."""
        weights = self.weights or (1.0,) * len(self.items)
        return tuple(weight / sum(weights) for weight in weights)


@dataclass(frozen=True)
class Permutation:
    """All of them, in any order."""

    items: tuple["Node", ...]


@dataclass(frozen=True)
class Slot:
    """A part whose words, or the `value` instead of them, become the value of a slot."""

    name: str
    item: "Node"
    value: object = None
    """None: the words as they are spoken."""


Node = Text | Sequence | Choice | Permutation | Slot
NOTHING = Text("")


@dataclass(frozen=True)
class Sentences:
    """The sentences of one intent, and slots whose values they all share."""

    intent: str
    item: Node
    slots: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Grammar:
    """All sentences of a file, its language, and words that may be spoken between any two others."""

    sentences: tuple[Sentences, ...]
    language: str = "en"
    skip_words: tuple[str, ...] = ()

    @property
    def intents(self) -> list[str]:
        """Names of the intents, once each, in order."""
        return list(dict.fromkeys(part.intent for part in self.sentences))


def texts(node: Node) -> Iterator[str]:
    """Every piece of text of a tree."""
    if isinstance(node, Text):
        yield node.text
    elif isinstance(node, Slot):
        yield from texts(node.item)
    else:
        for item in node.items:
            yield from texts(item)


def slots(node: Node) -> Iterator[str]:
    """The name of every slot of a tree."""
    if isinstance(node, Slot):
        yield node.name
        yield from slots(node.item)
    elif not isinstance(node, Text):
        for item in node.items:
            yield from slots(item)
