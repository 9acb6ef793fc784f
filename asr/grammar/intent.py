"""From words to what they mean: the likeliest path of a text through a network of sentences."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from asr.grammar.graph import BEGIN, SKIPPED, Point, Walker
from asr.grammar.network import SKIP_PROBABILITY, Mark, Network


@dataclass(frozen=True)
class Slot:
    """A slot's value, and its words: the characters [start, end) of the text."""

    name: str
    value: Any
    start: int
    end: int


@dataclass(frozen=True)
class Meaning:
    """What a sentence asks for. The score is the logarithm of the path's probability in the grammar."""

    intent: str
    slots: tuple[Slot, ...]
    score: float

    def values(self) -> dict[str, Any]:
        """Values by slot; of a slot that is filled twice, the last."""
        return {slot.name: slot.value for slot in self.slots}


class Trace(NamedTuple):
    """A mark that a path has passed, before which character, and the marks before it."""

    mark: Mark
    position: int
    before: "Trace | None"


_Path = tuple[float, "Trace | None"]


class Parser:
    """Finds the meaning of texts in one network."""

    def __init__(self, network: Network, skip_words: Iterable[str] = ()) -> None:
        self.network = network
        self._walker = Walker(network, skip_words)
        self._arcs = network.arcs

    @property
    def skip_words(self) -> frozenset[str]:
        """Words that may be spoken before any word of a sentence."""
        return self._walker.skip_words

    def __call__(self, text: str) -> Meaning | None:
        """The likeliest meaning of a normalised text; None where it is no sentence of the network.

        Of paths that are equally likely the one that the file of sentences names first is taken.
        """
        if text != " ".join(text.split()):
            return None
        paths: dict[Point, _Path] = {Point(0, BEGIN): (0.0, None)}
        for position, character in enumerate(text):
            spelled: dict[Point, _Path] = {}
            for point, (score, trace) in self._closed(paths, position).items():
                for following, step in self._spelled(point, character):
                    if following not in spelled or score + step > spelled[following][0]:
                        spelled[following] = (score + step, trace)
            paths = spelled
        closed = self._closed(paths, len(text))
        ends = [path for point, path in closed.items() if self._walker.is_end(point)]
        return meaning(text, *max(ends, key=lambda path: path[0])) if ends else None

    def _spelled(self, point: Point, character: str) -> Iterator[tuple[Point, float]]:
        """The points behind a character, and what the step costs as a logarithm."""
        for following in self._walker.spelled(point, character):
            is_skipped = following.last == SKIPPED and point.last != SKIPPED
            yield following, math.log(SKIP_PROBABILITY) if is_skipped else 0.0

    def _closed(self, paths: dict[Point, _Path], position: int) -> dict[Point, _Path]:
        """The best path to every point that is reached without a character."""
        best = dict(paths)
        stack = list(paths)
        while stack:
            point = stack.pop()
            score, trace = best[point]
            for following, index in self._walker.silent(point):
                arc = self._arcs[point.state][index]
                reached = score + arc.log_probability
                if following not in best or reached > best[following][0]:
                    best[following] = (reached, Trace(arc.mark, position, trace) if arc.mark else trace)
                    stack.append(following)
        return best


def meaning(text: str, score: float, trace: Trace | None) -> Meaning:
    """The meaning of a path from the marks that it has passed in a text."""
    passed = []
    while trace:
        passed.append((trace.mark, trace.position))
        trace = trace.before
    intent, slots = "", []
    opened: list[int] = []
    for mark, position in reversed(passed):
        if mark.kind == "intent":
            intent = mark.name
        elif mark.kind == "open":
            opened.append(position)
        else:
            start, end = opened.pop(), position
            words = text[start:end]
            start, end = start + len(words) - len(words.lstrip()), end - len(words) + len(words.rstrip())
            slots.append(Slot(mark.name, text[start:end] if mark.value is None else mark.value, start, max(start, end)))
    return Meaning(intent, tuple(slots), score)
