"""A grammar as a network of states and arcs: one character or nothing on each, with its probability and its mark.

The network is a weighted finite-state acceptor with empty arcs (Mohri, Pereira & Riley 2002). It is as large as the
grammar's text, however many sentences it stands for: parts that several sentences refer to stand in it once for each
reference, and permutations share their sub-orders.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from asr.errors import UserError
from asr.grammar.tree import Choice, Grammar, Node, Permutation, Sequence, Slot, Text
from asr.text import TextConfig

MAX_STATES = 2_000_000
MAX_PERMUTED = 8  # parts; n of them need 2^n states
SKIP_PROBABILITY = 0.05  # of a skipped word before any other


@dataclass(frozen=True)
class Mark:
    """What an arc says of the words around it: an intent begins, a slot opens, or a slot closes with its value."""

    kind: str
    name: str
    value: Any = None


@dataclass(frozen=True)
class Arc:
    """To `target`, with a `character` ("" for none), the probability of going this way as a logarithm, and a mark."""

    target: int
    character: str
    log_probability: float
    mark: Mark | None = None


@dataclass
class Network:
    """Arcs by state; paths lead from state 0 to the state `end`, which no arc leaves."""

    arcs: list[list[Arc]] = field(default_factory=lambda: [[]])
    end: int = 0

    def add_state(self) -> int:
        """A new state without arcs; raises UserError where there are too many."""
        if len(self.arcs) >= MAX_STATES:
            raise UserError(f"the sentences need more than {MAX_STATES} states: use fewer or shorter lists")
        self.arcs.append([])
        return len(self.arcs) - 1

    def add_arc(
        self, source: int, target: int, character: str = "", probability: float = 1.0, mark: Mark | None = None
    ) -> None:
        """An arc from `source` to `target` with a probability in (0, 1]."""
        self.arcs[source].append(Arc(target, character, math.log(probability), mark))

    def count_paths(self) -> int:
        """Number of paths from start to end; a sentence that has several parses counts as often."""
        counts: dict[int, int] = {self.end: 1}
        for state in self.post_order():
            if state != self.end:
                counts[state] = sum(counts[arc.target] for arc in self.arcs[state])
        return counts.get(0, 0)

    def post_order(self) -> Iterator[int]:
        """States reachable from 0, each after all that it leads to; the network has no loops."""
        seen = {0}
        stack = [(0, iter(self.arcs[0]))]
        while stack:
            state, arcs = stack[-1]
            for arc in arcs:
                if arc.target not in seen:
                    seen.add(arc.target)
                    stack.append((arc.target, iter(self.arcs[arc.target])))
                    break
            else:
                stack.pop()
                yield state


def build(grammar: Grammar, text: TextConfig) -> Network:
    """The network of a grammar, spelled as transcripts are normalised by `text`.

    The sides of a choice without weights are equally likely, however many sentences they stand for, so that samples
    show rare slots too; so are intents, and the sentence templates of an intent. Raises UserError naming the intent
    where a character is outside the alphabet, and where the network would be too large.
    """
    network = Network()
    network.end = network.add_state()
    builder = _Builder(network, text)
    for part in grammar.sentences:
        share = 1 / len(grammar.intents) / sum(other.intent == part.intent for other in grammar.sentences)
        begin = network.add_state()
        network.add_arc(0, begin, probability=share, mark=Mark("intent", part.intent))
        try:
            state = builder.node(begin, part.item)
        except UserError as error:
            raise UserError(f"intent {part.intent}: {error}") from None
        for name, value in part.slots:
            opened, closed = network.add_state(), network.add_state()
            network.add_arc(state, opened, mark=Mark("open", name))
            network.add_arc(opened, closed, mark=Mark("close", name, value))
            state = closed
        network.add_arc(state, network.end)
    return network


class _Builder:
    """Adds the parts of a tree to a network."""

    def __init__(self, network: Network, text: TextConfig) -> None:
        self.network = network
        self.text = text

    def node(self, state: int, node: Node) -> int:
        """Add `node` behind `state`; returns the state behind it."""
        if isinstance(node, Text):
            return self._text(state, node.text)
        if isinstance(node, Sequence):
            for item in node.items:
                state = self.node(state, item)
            return state
        if isinstance(node, Choice):
            return self._choice(state, node)
        if isinstance(node, Permutation):
            return self._permutation(state, node)
        return self._slot(state, node)

    def _text(self, state: int, text: str) -> int:
        normalised = self.text.normalise(text)
        # Normalising takes the spaces at both ends away, which matter between the parts of a sentence.
        edges = "".join(" " if mark in self.text.punctuation else mark for mark in text)
        before = " " if edges[:1].isspace() else ""
        after = " " if edges[-1:].isspace() else ""
        for character in f"{before}{normalised}{after}" if normalised else before:
            if character not in self.text.alphabet and character != " ":
                raise UserError(f"{text.strip()!r} has the character {character!r}, which the alphabet lacks")
            following = self.network.add_state()
            self.network.add_arc(state, following, character)
            state = following
        return state

    def _choice(self, state: int, choice: Choice) -> int:
        end = self.network.add_state()
        for item, probability in zip(choice.items, choice.probabilities, strict=True):
            begin = self.network.add_state()
            self.network.add_arc(state, begin, probability=probability)
            self.network.add_arc(self.node(begin, item), end)
        return end

    def _permutation(self, state: int, permutation: Permutation) -> int:
        """One state for each set of parts that have been spoken."""
        num = len(permutation.items)
        if num > MAX_PERMUTED:
            raise UserError(f"a permutation of {num} parts: at most {MAX_PERMUTED} can be permuted")
        states = {0: state} | {spoken: self.network.add_state() for spoken in range(1, 1 << num)}
        for spoken, source in states.items():
            missing = [index for index in range(num) if not spoken >> index & 1]
            for index in missing:
                begin = self.network.add_state()
                self.network.add_arc(source, begin, probability=1 / len(missing))
                item = Sequence((Text(" "), permutation.items[index], Text(" ")))
                self.network.add_arc(self.node(begin, item), states[spoken | 1 << index])
        return states[(1 << num) - 1]

    def _slot(self, state: int, slot: Slot) -> int:
        begin, end = self.network.add_state(), self.network.add_state()
        self.network.add_arc(state, begin, mark=Mark("open", slot.name))
        self.network.add_arc(self.node(begin, slot.item), end, mark=Mark("close", slot.name, slot.value))
        return end


def to_dict(network: Network) -> dict[str, Any]:
    """For JSON: what travels in a model file."""
    marks: dict[str, int] = {}
    arcs = []
    for source, leaving in enumerate(network.arcs):
        for arc in leaving:
            number = 0
            if arc.mark:
                described = json.dumps([arc.mark.kind, arc.mark.name, arc.mark.value], ensure_ascii=False)
                number = marks.setdefault(described, len(marks) + 1)
            arcs.append([source, arc.target, arc.character, round(arc.log_probability, 4), number])
    listed = [json.loads(described) for described in marks]
    return {"version": 1, "num_states": len(network.arcs), "end": network.end, "marks": listed, "arcs": arcs}


def from_dict(values: dict[str, Any]) -> Network:
    """The inverse of `to_dict`; raises UserError where the values do not describe a network."""
    try:
        if values["version"] != 1:
            raise UserError(f"the sentences of this model have version {values['version']}, and 1 is known")
        num_states = int(values["num_states"])
        if not 0 < num_states <= MAX_STATES or not 0 <= values["end"] < num_states:
            raise ValueError("states out of range")
        marks = [None, *(Mark(str(kind), str(name), value) for kind, name, value in values["marks"])]
        network = Network([[] for _ in range(num_states)], int(values["end"]))
        for source, target, character, log_probability, mark in values["arcs"]:
            if not (0 <= source < num_states and 0 <= target < num_states and 0 <= mark < len(marks)):
                raise ValueError("an arc leads out of the network")
            if not isinstance(character, str) or len(character) > 1 or not -1e3 < float(log_probability) <= 0:
                raise ValueError("an arc bears no character, or no probability")
            network.arcs[source].append(Arc(target, character, float(log_probability), marks[mark]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"the sentences of this model cannot be read: {error}") from None
    return network
