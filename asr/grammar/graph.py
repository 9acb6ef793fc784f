"""A network of sentences as a constraint of the decoder: which character may follow, made deterministic in use."""

import math
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import NamedTuple

from asr.grammar.network import SKIP_PROBABILITY, Network
from asr.text import TextConfig, Tokenizer

# What a path has spelled last. A space is owed from where the network has one until a character follows, so that there
# is none at the ends of a sentence and one between words, however many spaces meet where parts are absent.
BEGIN, WORD, OWED, SPACE, SKIPPED = range(5)
_DIGITS = 6  # of a cost, so that sums in another order are the same state


class Point(NamedTuple):
    """Where a path stands: a state of the network, what was spelled last, and how much of a skipped word."""

    state: int
    last: int
    skipped: str = ""


class Walker:
    """The moves of single paths through a network: the same for the decoder and for parsing."""

    def __init__(self, network: Network, skip_words: Iterable[str] = ()) -> None:
        self.network = network
        self.skip_words = frozenset(skip_words)
        self._skip_parts = {word[:end] for word in self.skip_words for end in range(1, len(word) + 1)}

    def spelled(self, point: Point, character: str) -> Iterator[Point]:
        """The points behind `character`, from a point on whose state an arc with it leaves, or a skipped word goes on.

        A skipped word costs nothing here: what it costs is for the caller to say.
        """
        if point.last == SKIPPED:
            if character == " ":
                if point.skipped in self.skip_words:
                    yield Point(point.state, SPACE)
            elif point.skipped + character in self._skip_parts:
                yield Point(point.state, SKIPPED, point.skipped + character)
            return
        if character == " ":
            if point.last == OWED or (point.last == WORD and point.state == self.network.end):
                yield Point(point.state, SPACE)
            return
        if point.last in (BEGIN, SPACE) and character in self._skip_parts:
            yield Point(point.state, SKIPPED, character)
        if point.last != OWED:
            for arc in self.network.arcs[point.state]:
                if arc.character == character:
                    yield Point(arc.target, WORD)

    def silent(self, point: Point) -> Iterator[tuple[Point, int]]:
        """The points that arcs without a character, or with a space that is owed from now on, lead to; arc's index."""
        if point.last == SKIPPED:
            return
        for index, arc in enumerate(self.network.arcs[point.state]):
            if not arc.character:
                yield Point(arc.target, point.last), index
            elif arc.character == " ":
                yield Point(arc.target, OWED if point.last in (WORD, OWED) else point.last), index

    def is_end(self, point: Point) -> bool:
        """Whether a sentence may end at this point."""
        if point.last == SKIPPED and point.skipped not in self.skip_words:
            return False
        return point.state == self.network.end and point.last != BEGIN


Costs = frozenset[tuple[Point, float]]
"""Points, and what each costs beyond the cheapest, in nats."""


class Graph:
    """The Constraint that lets through the sentences of a network, and the empty text.

    States are integers; each is a set of points of the network and the part of a word that has been spelled. With a
    `weight` above 0 the logarithm of the probability of a sentence's best path in the network, times the weight, is
    part of its score: each point has what it costs beyond the cheapest (determinisation in use, Mohri 1997).
    """

    START = 0

    def __init__(
        self, network: Network, tokenizer: Tokenizer, skip_words: Iterable[str] = (), weight: float = 0.0
    ) -> None:
        self._walker = Walker(network, skip_words)
        self._weight = weight
        self._tokenizer = tokenizer
        self._tokens = {token: index for index, token in enumerate(tokenizer.tokens) if index}
        key = (self._closure({Point(0, BEGIN): 0.0}), "")
        self._keys = [key]
        self._numbers = {key: 0}
        self._steps: list[dict[int, tuple[int, float]] | None] = [None]
        self._done = self._number(frozenset(), "")  # nothing follows
        self._lock = Lock()
        """Threads may share a graph."""

    def weighted(self, weight: float) -> "Graph":
        """The same sentences with another weight of their probabilities."""
        if weight == self._weight:
            return self
        return Graph(self._walker.network, self._tokenizer, self._walker.skip_words, weight)

    def steps(self, state: int) -> dict[int, tuple[int, float]]:
        """The tokens that may follow a state: (the state that each leads to, its weight, at most 0)."""
        steps = self._steps[state]
        if steps is None:
            with self._lock:
                steps = self._steps[state] = self._found(state)
        return steps

    def _found(self, state: int) -> dict[int, tuple[int, float]]:
        points, word = self._keys[state]
        characters = {character for point, _ in points for character in self._characters(point)}
        steps = {}
        for character in sorted(characters & self._tokens.keys()):
            following: dict[Point, float] = {}
            for point, cost in points:
                for after in self._walker.spelled(point, character):
                    is_skipped = after.last == SKIPPED and point.last != SKIPPED
                    reached = cost - self._weight * math.log(SKIP_PROBABILITY) * is_skipped
                    following[after] = min(reached, following.get(after, reached))
            if following:
                part = "" if character == " " else word + character
                least = min(following.values())
                closed = self._closure({point: cost - least for point, cost in following.items()})
                steps[self._tokens[character]] = (self._number(closed, part), -least)
        return steps

    def words(self, state: int) -> set[str]:
        """The words that the spelled part of a word may become; none where no word has begun."""
        _, word = self._keys[state]
        if not word:
            return set()
        found: set[str] = set()
        stack, seen = [state], {state}
        while stack:
            at = stack.pop()
            steps = self.steps(at)
            if self._is_sentence(at) or self._tokens.get(" ") in steps:
                found.add(self._keys[at][1])
            for token, (following, _) in steps.items():
                if self._tokenizer.tokens[token] != " " and following not in seen:
                    seen.add(following)
                    stack.append(following)
        return found

    def is_end(self, state: int) -> bool:
        """Whether an utterance may end here: after a sentence, or before any."""
        return state in (self.START, self._done) or self._is_sentence(state)

    def end_weight(self, state: int) -> float:
        """What the likeliest path that ends here has not paid yet; nothing before any sentence."""
        ends = [cost for point, cost in self._keys[state][0] if self._walker.is_end(point)]
        return -min(ends, default=0.0)

    def resume(self, state: int) -> int:
        """Behind other speech a sentence may begin, where none has ended before."""
        return state if state == self.START else self._done

    def accepts(self, text: str) -> bool:
        """Whether a normalised text is a sentence of the network."""
        state = self.START
        for character in text:
            step = self.steps(state).get(self._tokens.get(character, 0))
            if step is None:
                return False
            state = step[0]
        return self._is_sentence(state) and not text.endswith(" ")

    def _is_sentence(self, state: int) -> bool:
        return any(self._walker.is_end(point) for point, _ in self._keys[state][0])

    def _characters(self, point: Point) -> Iterator[str]:
        """Characters that may be worth a try."""
        if point.last in (WORD, OWED, SKIPPED):
            yield " "
        if point.last in (BEGIN, SPACE, SKIPPED):
            yield from {word[len(point.skipped)] for word in self._walker.skip_words if word != point.skipped
                        and word.startswith(point.skipped)}  # fmt: skip
        if point.last not in (OWED, SKIPPED):
            yield from (arc.character for arc in self._walker.network.arcs[point.state] if arc.character.strip())

    def _closure(self, points: Mapping[Point, float]) -> Costs:
        """Points, and all that they lead to without a character, with what each costs at least.

        Those that nothing can follow are left away.
        """
        best = dict(points)
        stack = list(points)
        while stack:
            point = stack.pop()
            for after, index in self._walker.silent(point):
                arc = self._walker.network.arcs[point.state][index]
                cost = round(best[point] - self._weight * arc.log_probability, _DIGITS)
                if after not in best or cost < best[after]:
                    best[after] = cost
                    stack.append(after)
        return frozenset((point, cost) for point, cost in best.items() if self._matters(point))

    def _matters(self, point: Point) -> bool:
        is_reached = point.state == self._walker.network.end or point.last == SKIPPED
        return is_reached or any(arc.character.strip() for arc in self._walker.network.arcs[point.state])

    def _number(self, points: Costs, word: str) -> int:
        number = self._numbers.setdefault((points, word), len(self._keys))
        if number == len(self._keys):
            self._keys.append((points, word))
            self._steps.append(None)
        return number


def normalised_skip_words(words: Iterable[str], text: TextConfig) -> list[str]:
    """Skip words as they are spelled; one of several words is refused by its spaces where the alphabet has none."""
    return [word for word in map(text.normalise, words) if word]
