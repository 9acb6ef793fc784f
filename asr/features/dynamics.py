"""Cepstra -> features: time derivatives beside them, normalised, consecutive frames stacked."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.features.config import FeatureConfig, FeatureError, Frames
from asr.features.speech_level import relative_to_speech


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each feature over a corpus, before stacking: float32 (num_features,) each.

    With `mean: speech` the mean is that of the frames of speech, the energy relative to the level of speech.
    """

    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]


def features(cepstra: Frames, config: FeatureConfig, statistics: Statistics | None) -> Frames:
    """Cepstra (num_frames, num_cepstra) -> deltas appended, normalised, stacked (num_stacked, num_features).

    Raises FeatureError if corpus statistics are wanted and missing, or if the width is wrong.
    """
    if {config.mean, config.variance} & {"corpus", "speech"} and statistics is None:
        raise FeatureError("features are normalised by corpus statistics, and none were given")
    _check_width(cepstra, config)
    if config.mean == "speech" and statistics:
        cepstra = _centred(cepstra, statistics.mean, config)
    frames = _with_deltas(cepstra, config)
    mean = frames.mean(axis=0) if config.mean == "utterance" else None
    if config.mean == "corpus" and statistics:
        mean = statistics.mean
    centred = frames if mean is None else frames - mean
    if config.variance == "utterance":
        centred = np.asarray(centred / np.maximum(frames.std(axis=0), 1e-3), frames.dtype)
    elif config.variance == "corpus" and statistics:
        centred = centred / statistics.std.astype(frames.dtype)
    return stack(centred, config.stack)


def prior_share(cepstra: Frames, config: FeatureConfig) -> float:
    """How much of the mean that is subtracted from cepstra (T, C) is that of the corpus: from 0 to 1."""
    if config.mean == "speech":
        return config.prior_frames / (config.prior_frames + float(relative_to_speech(cepstra, config)[1].sum()))
    return 1.0 if config.mean == "corpus" else 0.0


def measure(corpus: Iterable[Frames], config: FeatureConfig) -> Statistics:
    """Mean and standard deviation over a corpus of cepstra; about the utterance's mean where that is subtracted."""
    if config.mean == "speech":
        return _measure_speech(corpus, config)
    width = config.num_cepstra * (1 + config.deltas)
    count, total, squares = 0, np.zeros(width), np.zeros(width)
    for cepstra in corpus:
        _check_width(cepstra, config)
        frames = _with_deltas(cepstra, config).astype(np.float64)
        if config.mean == "utterance":
            frames = frames - frames.mean(axis=0)
        count += len(frames)
        total += frames.sum(axis=0)
        squares += np.square(frames).sum(axis=0)
    if count == 0:
        raise FeatureError("no frames to measure the corpus statistics on")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - np.square(mean), 1e-6))
    return Statistics(mean.astype(np.float32), std.astype(np.float32))


def _centred(cepstra: Frames, corpus_mean: npt.NDArray[np.float32], config: FeatureConfig) -> Frames:
    """Cepstra (T, C) relative to the level of speech, less the mean of speech, smoothed by that of the corpus."""
    relative, weights = relative_to_speech(cepstra, config)
    prior = config.prior_frames
    mean = (prior * corpus_mean[: cepstra.shape[1]] + weights @ relative) / (prior + weights.sum())
    return np.asarray(relative - mean, cepstra.dtype)


def _measure_speech(corpus: Iterable[Frames], config: FeatureConfig) -> Statistics:
    """The mean over all frames of speech, and the deviation of all frames from the mean that is subtracted.

    Of an utterance with weights of sum w that is own + share m: share = prior_frames / (prior_frames + w), and m,
    the corpus's mean, is known only at the end. The squares of rest - share m are summed as those of its parts.
    """
    prior = config.prior_frames
    size, width = config.num_cepstra, config.num_cepstra * (1 + config.deltas)
    count, weight, speech = 0, 0.0, np.zeros(size)
    squares, crossed, shares = np.zeros(width), np.zeros(size), 0.0
    for cepstra in corpus:
        _check_width(cepstra, config)
        relative, weights = relative_to_speech(cepstra.astype(np.float64), config)
        total = prior + weights.sum()
        rest = relative - weights @ relative / total
        count, weight, speech = count + len(cepstra), weight + weights.sum(), speech + weights @ relative
        squares += np.square(_with_deltas(rest, config)).sum(axis=0)
        crossed += prior / total * rest.sum(axis=0)
        shares += (prior / total) ** 2 * len(cepstra)
    if count == 0:
        raise FeatureError("no frames to measure the corpus statistics on")
    mean = speech / weight
    squares[:size] += shares * np.square(mean) - 2 * crossed * mean
    std = np.sqrt(np.maximum(squares / count, 1e-6))
    return Statistics(np.pad(mean, (0, width - size)).astype(np.float32), std.astype(np.float32))


def _check_width(cepstra: Frames, config: FeatureConfig) -> None:
    if cepstra.ndim != 2 or cepstra.shape[1] != config.num_cepstra:
        raise FeatureError(f"features of shape {cepstra.shape} do not fit: this model wants (frames, "
                           f"{config.num_cepstra})")  # fmt: skip


def _with_deltas(cepstra: Frames, config: FeatureConfig) -> Frames:
    """Cepstra (T, C) -> with their derivatives beside them (T, C * (1 + deltas))."""
    orders = [cepstra]
    for _ in range(config.deltas):
        orders.append(delta(orders[-1], config.delta_window))
    return np.concatenate(orders, axis=1) if len(orders) > 1 else cepstra


def delta(frames: Frames, window: int) -> Frames:
    """Slope over `window` frames on each side, by least squares, the edges repeated: (T, F) -> (T, F).

    Young et al., The HTK Book, section 5.9; equal to `python_speech_features.delta`.
    """
    padded = np.empty((len(frames) + 2 * window, frames.shape[1]), frames.dtype)  # np.pad costs more than the rest
    padded[:window], padded[window:-window], padded[-window:] = frames[0], frames, frames[-1]
    steps = range(1, window + 1)
    slope = sum(n * (padded[window + n : len(padded) - window + n] - padded[window - n : -window - n]) for n in steps)
    return np.asarray(slope / frames.dtype.type(2 * sum(n * n for n in steps)))


def stack(frames: Frames, count: int) -> Frames:
    """Every `count` frames side by side, the last one repeated to fill up: (T, F) -> (ceil(T / count), count * F)."""
    if count == 1:
        return frames
    padded = np.concatenate([frames, np.repeat(frames[-1:], -len(frames) % count, axis=0)])
    return padded.reshape(len(padded) // count, -1)
