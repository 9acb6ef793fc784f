"""What an utterance may be: the protocol between the beam and a lexicon, or a graph of sentences."""

from collections.abc import Mapping
from typing import Protocol


class Constraint(Protocol):
    """A deterministic automaton over tokens. A state is an integer, and START that of an utterance without a token.

    Words end at a space or with the utterance, as everywhere in the beam.
    """

    @property
    def START(self) -> int:
        """The state before the first token."""

    def steps(self, state: int) -> Mapping[int, tuple[int, float]]:
        """The tokens that may follow a state: (the state that each leads to, its weight).

        A weight is a natural logarithm that is added to the score, at most 0, so that no token makes a prefix likelier.
        """

    def is_end(self, state: int) -> bool:
        """Whether an utterance may end in a state.

        Where it may, a space may follow and lead to a state where it may end too: networks spell spaces at the end.
        """

    def end_weight(self, state: int) -> float:
        """What an end in such a state adds to the score, as the weight of a step does."""

    def resume(self, state: int) -> int:
        """The state behind other speech that follows an end in `state`: what may then still come begins anew."""

    def words(self, state: int) -> set[str]:
        """The words that may become of what is spelled of a word; empty where no word has begun.

        A language model expects the likeliest of them before the word is complete.
        """
