"""What a dev split teaches a decoder: the weights of language model, words and blanks, and a calibration."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asr import score
from asr.data.manifest import ManifestError, Utterance
from asr.decode import align
from asr.decode.hypothesis import Decoder, Emission
from asr.errors import UserError
from asr.modelfile.card import Tuning
from asr.recognition import confidence
from asr.recognition.confidence import Calibration
from asr.recognition.recognizer import Part, Recognizer
from asr.score import ErrorCount

LM_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
WORD_BONUSES = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
BLANK_PENALTIES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
_FINE = (0.1, 0.5, 0.5)  # a small step of each
_FOLDS = 5
Point = tuple[float, float, float]
"""Weight of the language model, bonus of a word, penalty of a blank."""
Found = list[Part] | UserError


@dataclass(frozen=True)
class Tuned:
    """The tuning of one kind of decoder, and what it changed on the dev split.

    Calibration errors are expected ones, over words: as the emission gives them, and calibrated on other utterances.
    NaN where no hypothesis has a word.
    """

    kind: str
    tuning: Tuning
    before: ErrorCount
    after: ErrorCount
    raw_error: float
    calibrated_error: float

    def __str__(self) -> str:
        weights = "".join(
            f"{name} {value:g}, "
            for name, value in (
                ("lm weight", self.tuning.lm_weight),
                ("word bonus", self.tuning.word_bonus),
                ("blank penalty", self.tuning.blank_penalty),
            )
            if value is not None
        )
        text = f"tuned {self.kind}: {weights}WER {self.after.rate:.2%} (before {self.before.rate:.2%}); "
        if math.isnan(self.calibrated_error):
            return text + "no hypothesis has a word to calibrate on"
        return text + f"calibration error {self.calibrated_error:.2%} (before {self.raw_error:.2%})"


@dataclass(frozen=True)
class _Dev:
    """A dev split that is decoded again and again: the log-probabilities of each utterance's segments, its words."""

    emissions: list[list[Emission]]
    references: list[list[str]]

    @classmethod
    def of(cls, recognizer: Recognizer, utterances: Sequence[Utterance], found: Sequence[Found]) -> "_Dev":
        """The utterances that could be read; raises ManifestError where none could."""
        dev = cls([], [])
        for utterance, parts in zip(utterances, found, strict=True):
            if not isinstance(parts, UserError):
                dev.emissions.append([emission for _, emission in parts])
                dev.references.append(recognizer.card.text.normalise(utterance.text).split())
        if not dev.references:
            reason = next(parts for parts in found if isinstance(parts, UserError))
            raise ManifestError(f"no utterance of the dev split can be read: {reason}")
        return dev

    def errors(self, decoder: Decoder) -> ErrorCount:
        """Word errors of a decoder."""
        hypotheses = [[word for part in parts for word in decoder(part, 1)[0].words] for parts in self.emissions]
        return score.total(score.count(self.references, hypotheses))


def tune(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    found: Sequence[Found],
    negatives: Sequence[Sequence[Part]] = (),
) -> Tuned:
    """Find the weights with the fewest word errors on `utterances`, then calibrate the confidence.

    `found` are the segments of each utterance and their log-probabilities, or why it cannot be read, as
    Recognizer.recognise gives them. Weights that the recogniser's configuration names are kept. The calibration learns
    from `negatives`, too, the same of audio without the words: whatever is recognised in it is wrong. Raises
    ManifestError where nothing can be read.
    """
    dev = _Dev.of(recognizer, utterances, found)
    before = dev.errors(recognizer.with_tuning(Tuning()).decoder)
    tuning, after = _weights(recognizer, dev, before)
    log_odds, is_right, fold = _judged(recognizer.with_tuning(tuning), dev, negatives)
    calibration = confidence.fit(log_odds, is_right)
    # Each word's confidence by a calibration that has not seen its utterance.
    held_out = np.zeros(len(log_odds))
    for number in range(_FOLDS):
        held_out[fold == number] = confidence.fit(log_odds[fold != number], is_right[fold != number])(
            log_odds[fold == number]
        )
    return Tuned(
        recognizer.kind,
        replace(tuning, slope=calibration.slope, intercept=calibration.intercept),
        before,
        after,
        confidence.calibration_error(Calibration()(log_odds), is_right),
        confidence.calibration_error(held_out, is_right),
    )


def _weights(recognizer: Recognizer, dev: _Dev, before: ErrorCount) -> tuple[Tuning, ErrorCount]:
    """The weights with the fewest errors: one after the other, coarse and then fine, until nothing gets better.

    Of equals the first: what was there before, then what is nearer to it.
    """
    config = recognizer.resources.config
    if config.decoder == "greedy" and recognizer.constraint is None:
        return Tuning(), before
    start = recognizer.resources.weights(None, None, None)
    errors: dict[Point, ErrorCount] = {start: before}
    is_free = (
        config.lm is not None and config.lm_weight is None,
        config.word_bonus is None,
        config.blank_penalty is None,
    )
    best = start
    for neighbours in (_coarse, _fine):
        while True:
            candidates = [point for point in neighbours(best, is_free) if point not in errors]
            for point in candidates:
                errors[point] = dev.errors(recognizer.with_tuning(Tuning(*point)).decoder)
            better = min(errors, key=lambda point: (errors[point].errors, math.dist(point, start)))
            if better == best:
                break
            best = better
    lm_weight, kept = best[0] if config.lm is not None else None, recognizer.tuning
    tuning = Tuning(lm_weight, *best[1:], garbage_penalty=kept.garbage_penalty, grammar_weight=kept.grammar_weight)
    return tuning, errors[best]


def _coarse(point: Point, is_free: Sequence[bool]) -> Iterator[Point]:
    """Points that differ in one weight, which may be anything on its grid."""
    for axis, grid in enumerate((LM_WEIGHTS, WORD_BONUSES, BLANK_PENALTIES)):
        if is_free[axis]:
            for value in grid:
                moved = list(point)
                moved[axis] = value
                yield (moved[0], moved[1], moved[2])


def _fine(point: Point, is_free: Sequence[bool]) -> Iterator[Point]:
    """Points a small step away, in several weights at once too."""
    least = (0.0, -math.inf, 0.0)
    steps = [(-step, 0.0, step) if free else (0.0,) for step, free in zip(_FINE, is_free, strict=True)]
    for moves in itertools.product(*steps):
        first, second, third = (
            round(max(low, value + move), 3) for low, value, move in zip(least, point, moves, strict=True)
        )
        yield first, second, third


def _judged(
    recognizer: Recognizer, dev: _Dev, negatives: Sequence[Sequence[Part]] = ()
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Of every word of the hypotheses: its log-odds, whether it is right, and the fold that its utterance is in."""
    log_odds, fold = [np.zeros(0)], [np.zeros(0, np.int64)]
    hypotheses: list[list[str]] = []
    tokenizer = recognizer.card.tokenizer
    for emissions in (*dev.emissions, *([emission for _, emission in parts] for parts in negatives)):
        words: list[str] = []
        for emission in emissions:
            hypothesis = recognizer.decoder(emission, 1)[0]
            spans = align.align(emission, tokenizer.encode(hypothesis.text))
            log_odds.append(confidence.log_odds(emission, spans, tokenizer.space))
            words += hypothesis.words
        fold.append(np.full(len(words), len(hypotheses) % _FOLDS))
        hypotheses.append(words)
    # A word of a hypothesis is correct, substituted or inserted; one that is deleted is in none.
    references = dev.references + [[] for _ in negatives]
    letters = "".join(score.align(references, hypotheses)).replace("D", "")
    return np.concatenate(log_odds), np.array([letter == "C" for letter in letters], bool), np.concatenate(fold)
