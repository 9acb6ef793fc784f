"""Other speech beside what a constraint accepts: a loop of any tokens that costs so much for each of its words."""

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import NamedTuple

from asr.decode.constraint import Constraint
from asr.decode.hypothesis import Decoder, Emission, Hypothesis
from asr.text import BLANK, Tokenizer

_DIGITS = 6  # of a cost, so that sums in another order are the same state


class _Way(NamedTuple):
    """Where one reading of the tokens so far stands: in the constraint, or in other speech, which leads back there."""

    state: int
    is_other: bool


class WithGarbage:
    """A Constraint that also lets through words of other speech, at `penalty` nats each.

    They may stand wherever an utterance of the inner constraint may end: with a lexicon between its words, with
    sentences before and after one, or without any. The automaton is determinised in use (Mohri 1997): a state is every
    reading of its tokens, each with what it costs beyond the cheapest, and a step costs what the cheapest has risen by.
    A word that is spelled like the beginning of the inner constraint pays where it departs from it.
    """

    START = 0

    def __init__(self, inner: Constraint, tokenizer: Tokenizer, penalty: float) -> None:
        self._inner, self._penalty = inner, penalty
        self._tokens = tokenizer.tokens
        self._space = tokenizer.space
        begin = (frozenset({(_Way(inner.START, False), 0.0)}), True)
        self._keys = [begin]  # readings with their costs, and whether a word may begin
        self._numbers = {begin: 0}
        self._steps: list[dict[int, tuple[int, float]] | None] = [None]
        self._lock = Lock()

    def steps(self, state: int) -> Mapping[int, tuple[int, float]]:
        """The tokens that may follow a state: (the state that each leads to, what it costs, at most 0)."""
        steps = self._steps[state]
        if steps is None:
            with self._lock:
                steps = self._steps[state] = self._found(state)
        return steps

    def is_end(self, state: int) -> bool:
        """Whether an utterance may end here: in other speech, or where the inner constraint says so."""
        return any(way.is_other or self._inner.is_end(way.state) for way, _ in self._keys[state][0])

    def end_weight(self, state: int) -> float:
        """What the cheapest reading that may end here has not paid yet, and what its end costs."""
        return -min(
            cost - (0.0 if way.is_other else self._inner.end_weight(way.state))
            for way, cost in self._keys[state][0]
            if way.is_other or self._inner.is_end(way.state)
        )

    def resume(self, state: int) -> int:
        """Other speech follows any state where an utterance may end already."""
        return state

    def words(self, state: int) -> set[str]:
        """The words of the inner constraint that may become of what is spelled; other speech has no known words."""
        ways = [way for way, _ in self._keys[state][0] if not way.is_other]
        return set().union(*(self._inner.words(way.state) for way in ways))

    def others(self, text: str) -> tuple[int, ...]:
        """Which words of a text are other speech, by the cheapest reading; all of them where there is none."""
        begin = _Way(self._inner.START, False)
        ways: dict[_Way, tuple[float, tuple[int, ...]]] = {begin: (0.0, ())}
        is_start, number = True, -1
        for character in text:
            token = self._tokens.index(character)
            number += is_start
            following: dict[_Way, tuple[float, tuple[int, ...]]] = {}
            for way, (cost, marked) in ways.items():
                for after, more in self._after(way, token, is_start=is_start):
                    if after not in following or cost + more < following[after][0]:
                        begun = after.is_other and not way.is_other
                        following[after] = (cost + more, (*marked, number) if begun else marked)
            ways, is_start = following, token == self._space
        ends = [
            (cost - (0.0 if way.is_other else self._inner.end_weight(way.state)), marked)
            for way, (cost, marked) in ways.items()
            if way.is_other or self._inner.is_end(way.state)
        ]
        return min(ends)[1] if ends else tuple(range(len(text.split())))

    def _found(self, state: int) -> dict[int, tuple[int, float]]:
        ways, is_start = self._keys[state]
        steps = {}
        for token in range(len(self._tokens)):
            if token == BLANK or (token == self._space and is_start):
                continue
            reached: dict[_Way, float] = {}
            for way, cost in ways:
                for after, more in self._after(way, token, is_start=is_start):
                    reached[after] = min(cost + more, reached.get(after, cost + more))
            if reached:
                least = min(reached.values())
                key = frozenset((way, round(cost - least, _DIGITS)) for way, cost in reached.items())
                steps[token] = (self._number((key, token == self._space)), -least)
        return steps

    def _after(self, way: _Way, token: int, *, is_start: bool) -> list[tuple[_Way, float]]:
        """Where a token leads from one reading, and what it costs."""
        if way.is_other:
            return [(_Way(way.state, token != self._space), 0.0)]
        found = []
        step = self._inner.steps(way.state).get(token)
        if step:
            found.append((_Way(step[0], False), -step[1]))
        if is_start and token != self._space and self._inner.is_end(way.state):
            paid = self._penalty - self._inner.end_weight(way.state)
            found.append((_Way(self._inner.resume(way.state), True), paid))
        return found

    def _number(self, key: tuple[frozenset[tuple[_Way, float]], bool]) -> int:
        number = self._numbers.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
            self._steps.append(None)
        return number


class GarbageDecoder:
    """A Decoder whose hypotheses are without the words of other speech, which they keep beside them."""

    def __init__(self, decoder: Decoder, constraint: WithGarbage, strict: Decoder) -> None:
        """`strict` is the same decoder without other speech."""
        self._decoder, self._constraint, self._strict = decoder, constraint, strict

    def __call__(self, log_probs: Emission, nbest: int | None = None) -> list[Hypothesis]:
        """log_probs (T, V) -> hypotheses, best first; of those that differ in other speech alone the best."""
        found: dict[str, Hypothesis] = {}
        for hypothesis in self._decoder(log_probs, nbest):
            words = hypothesis.words
            others = self._constraint.others(hypothesis.text)
            kept = " ".join(word for index, word in enumerate(words) if index not in others)
            found.setdefault(kept, replace(hypothesis, text=kept, spoken=hypothesis.text, others=others))
        return list(found.values())

    def nearest(self, log_probs: Emission) -> str:
        """log_probs (T, V) -> what came nearest to what is refused: the text if there were no other speech.

        This takes far longer than the refusal: the beam widens until a sentence is in it.
        """
        return self._strict(log_probs, 1)[0].text
