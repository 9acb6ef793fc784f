"""Whether a sentence is over before the pause after it is long enough: it is complete, and nothing can follow it."""

import math
from dataclasses import dataclass

import numpy as np

from asr.decode.constraint import Constraint
from asr.features import FeatureConfig, Frames
from asr.text import Tokenizer

MIN_CONFIDENCE = 0.2
"""Of every word of a sentence that is over: one that is not spoken yet, and is there because it must be, has none."""
_PAUSE_DB = 20.0  # below the loudest sound: more than in a pause within a word, and than a fricative
_DB = 10 / math.log(10)


@dataclass(frozen=True)
class Completion:
    """Of one recogniser: what it accepts, and the silence in milliseconds that is enough after a sentence."""

    constraint: Constraint
    tokenizer: Tokenizer
    features: FeatureConfig
    silence_ms: float

    def is_quiet(self, cepstra: Frames) -> bool:
        """Whether the end of an open segment (T, C) is so much quieter than its loudest sound that nobody speaks."""
        count = max(1, round(self.silence_ms / self.features.hop_ms))
        if len(cepstra) <= count:
            return False
        scale = 1.0 if self.features.energy == "log_energy" else 1 / math.sqrt(self.features.num_filters)
        energy_db = _DB * scale * cepstra[:, 0]
        return bool(energy_db[-count:].max() < np.max(energy_db) - _PAUSE_DB)

    def is_complete(self, text: str) -> bool:
        """Whether a text is accepted as it is, and nothing but a space may follow it."""
        state = self.constraint.START
        for token in self.tokenizer.encode(text):
            step = self.constraint.steps(state).get(int(token))
            if step is None:
                return False
            state = step[0]
        if not text or not self.constraint.is_end(state):
            return False
        space, seen = self.tokenizer.space, set()
        while (steps := self.constraint.steps(state)) and state not in seen:
            if space is None or set(steps) != {space}:
                return False
            seen.add(state)
            state = steps[space][0]
        return True
