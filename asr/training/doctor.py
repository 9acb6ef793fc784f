"""What state a training is in where it does not get better: one sentence, with what to do about it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.check.splits import MIN_FOR_STATISTICS, length_correlation
from asr.data.batches import Batches
from asr.data.examples import Example
from asr.features import FeatureConfig
from asr.training.config import TrainConfig
from asr.training.state import Epoch

_LEARNED = 0.5  # an error rate below this: it learns
_GOOD = 0.2  # so well that its data cannot be wrong
_CONSTANT = 1e-3  # standard deviation over time of features that hold nothing
_SAMPLE = 64  # utterances that are looked at
_TIGHT = 0.8  # of the frames are needed
_RATE_RATIO = 1.6  # of seconds per character between two splits, from which a sample rate is wrong
_EARLY = 300  # steps within which nothing but blanks is normal
_STALLED = 0.02  # of the loss: less is no progress
_LONG_STEP, _SHORT_STEP = 0.2, 1e-3  # learning rates
_CLIPPED = 20.0  # times the norm to which gradients are cut


@dataclass(frozen=True)
class Facts:
    """What does not change from epoch to epoch."""

    steps_per_epoch: int
    constant: float
    """Share of the training utterances whose features stay the same over time."""
    tight: float
    """Share of them whose targets need most of their frames, or more."""
    correlation: float | None
    """Of lengths of sounds and targets: see splits.length_correlation."""
    rate_ratio: float
    """Seconds per element of a target in dev, by those in train."""
    num_utterances: int
    num_skipped: int


def facts(train: Batches, dev: Batches, num_skipped: int = 0) -> Facts:
    """Look at the examples of both splits, and at the features of some."""
    config, task = train.extractor.config, train.task
    seen = train.examples[:: max(1, len(train.examples) // _SAMPLE)][:_SAMPLE]
    finished = [train.extractor.features(example.signal.cepstra(train.extractor)) for example in seen]
    lengths, sizes = _sizes(train.examples, config)
    needed = np.array([task.min_frames(example.target) for example in train.examples])
    dev_lengths, dev_sizes = _sizes(dev.examples, config)
    return Facts(
        steps_per_epoch=len(train),
        constant=float(np.mean([frames.std(axis=0).max(initial=0) < _CONSTANT for frames in finished])),
        tight=float(np.mean(needed > _TIGHT * lengths)),
        correlation=length_correlation(lengths, sizes),
        rate_ratio=_per_element(dev_lengths, dev_sizes) / max(1e-9, _per_element(lengths, sizes)),
        num_utterances=len(train.examples),
        num_skipped=num_skipped,
    )


def _sizes(examples: Sequence[Example], config: FeatureConfig) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([config.num_stacked(one.signal.num_frames(config)) for one in examples])
    return lengths, np.array([len(one.target) for one in examples])


def _per_element(lengths: np.ndarray, sizes: np.ndarray) -> float:
    some = sizes > 0
    return float(np.median(lengths[some] / sizes[some])) if some.any() else 1.0


def advise(history: Sequence[Epoch], known: Facts, config: TrainConfig, choose_by: str) -> str | None:
    """One sentence on a training that does not learn, and None of one that does."""
    last = history[-1]
    if last.dev[choose_by] < _GOOD:
        return None
    if sentence := _of_data(known):
        return sentence
    if last.dev[choose_by] < _LEARNED or last.epoch < 2:
        return None
    steps = last.epoch * known.steps_per_epoch
    first, before = history[0], history[max(0, len(history) - 3)]
    is_falling = last.train_loss < (1 - _STALLED) * before.train_loss
    lowest = min(record.train_loss for record in history)
    is_rising = last.train_loss > 1.2 * lowest
    if config.learning_rate > _LONG_STEP:
        return (
            f"the learning rate is too high: each step of AdamW moves every weight by up to {config.learning_rate:g}, "
            "which is more than the weights are; try train.learning_rate=0.01"
        )
    is_slow = config.learning_rate < _SHORT_STEP
    if not is_slow and last.gradient_norm > _CLIPPED * config.clip_norm and (is_rising or not is_falling):
        return (
            f"the learning rate is too high: gradients of {last.gradient_norm:.0f} are cut to {config.clip_norm:g}, "
            f"and the loss does not fall; try train.learning_rate={config.learning_rate / 5:g}"
        )
    if not is_slow and is_rising and last.learning_rate > 0.1 * config.learning_rate:
        return (
            f"the learning rate is too high: the loss has risen from {lowest:.2f} to {last.train_loss:.2f}; try "
            f"train.learning_rate={config.learning_rate / 5:g}"
        )
    blank = last.observed.get("blank", math.nan)
    if steps <= _EARLY and is_falling and blank > 0.9:
        return (
            f"nothing but blanks yet ({blank:.0%} of the frames), and the loss falls: this phase is normal and ends "
            f"within some hundred steps, of which {steps} are done"
        )
    if is_slow and last.train_loss > 0.8 * first.train_loss:
        return (
            f"the learning rate is too low: the loss has gone from {first.train_loss:.2f} to {last.train_loss:.2f} in "
            f"{steps} steps; try train.learning_rate={max(1e-3, 10 * config.learning_rate):g}"
        )
    if steps > _EARLY and not is_falling:
        return (
            "the network has learned which characters are frequent and nothing of the sound: the transcripts may be "
            "of other sounds (asr-check), or the recordings may be too noisy; try asr-train RECIPE --overfit 8"
        )
    return None


def _of_data(known: Facts) -> str | None:
    """What is wrong with the examples themselves."""
    if known.constant > 0.3:
        return (
            f"the features of {known.constant:.0%} of the utterances do not change over time: the sound is silent, or "
            "its features are made of nothing; listen to it, and see asr-check"
        )
    if known.tight * known.num_utterances + known.num_skipped > 0.2 * (known.num_utterances + known.num_skipped):
        return (
            f"the targets of {known.tight:.0%} of the utterances need most of their frames, and {known.num_skipped} "
            "more were skipped: set a smaller features.stack or features.hop_ms, or see asr-check for wrong transcripts"
        )
    if not 1 / _RATE_RATIO < known.rate_ratio < _RATE_RATIO:
        return (
            f"a character takes {known.rate_ratio:.1f} times as long in dev as in train: one of them has a wrong "
            "sample rate, or is spoken by very slow speakers; see asr-check"
        )
    if known.correlation is not None and known.correlation < 0.1 and known.num_utterances >= MIN_FOR_STATISTICS:
        return (
            f"labels seem shuffled against audio: longer sounds do not have longer transcripts (correlation "
            f"{known.correlation:.2f}); look at how the manifest was made"
        )
    return None
