"""A constraint of the decoder as flat tables: every state that it may come to, found once, for homes without Python."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.decode.constraint import Constraint
from asr.errors import UserError

MAX_STATES = 60_000


@dataclass(frozen=True)
class Automaton:
    """A deterministic automaton over tokens that begins in state 0, of S states and A steps.

    The steps of state s are those of `first[s]` to `first[s + 1]`: a token, the state that it leads to, its weight.
    """

    first: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    is_end: npt.NDArray[np.uint8]
    end_weights: npt.NDArray[np.float32]


def flatten(constraint: Constraint) -> Automaton:
    """All states of a constraint; raises UserError where there are too many."""
    numbers = {constraint.START: 0}
    states = [constraint.START]
    first, steps = [0], list[tuple[int, int, float]]()
    for state in states:  # which grows
        for token, (target, weight) in sorted(constraint.steps(state).items()):
            if target not in numbers:
                numbers[target] = len(states)
                states.append(target)
            steps.append((token, numbers[target], weight))
        if len(states) > MAX_STATES:
            raise UserError(f"the words or sentences need more than {MAX_STATES} states: take fewer of them")
        first.append(len(steps))
    tokens, targets, weights = zip(*steps, strict=True) if steps else ((), (), ())
    ends = [constraint.is_end(state) for state in states]
    return Automaton(
        np.array(first, np.int32),
        np.array(tokens, np.uint8),
        np.array(targets, np.int32),
        np.array(weights, np.float32),
        np.array(ends, np.uint8),
        np.array(
            [constraint.end_weight(state) if is_end else 0.0 for state, is_end in zip(states, ends, strict=True)],
            np.float32,
        ),
    )
