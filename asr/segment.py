"""A recording -> segments as long as utterances: cut at its pauses.

A network is trained on utterances, and recognises best what is as long as they are. Windows of a fixed length that
overlap would not do: a bidirectional LSTM that has only ever seen one utterance at a time remembers that one has begun
or ended, and in windows of 15 s the likeliest letter was seen to change more than 3 s away from their edges.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from asr.features import FeatureConfig, Frames

LONGEST_S = 30.0  # of a segment
DB = 10 / math.log(10)  # decibels in a natural logarithm of energy
PAUSE_S = 0.5  # shorter silences are inside sentences and words
_MARGIN_S = 0.3  # of silence beside speech: with more of it the mean of the cepstra is that of silence, and a network
# that was not trained on so much of it loses the word
_SMOOTH_S = 0.2  # over which the quietest moment is looked for: longer than the closure of a stop
_LOUD_S = 0.09  # over which sound is loud or quiet: longer than a click, shorter than a vowel
_WORD_S = 0.15  # what is loud for less, so smoothed, is a knock or the burst of a stop: alone it would be a word
_SILENT_DB = 80.0  # below the loudest nothing is recorded
_NOISE = 0.1  # of a recording nobody speaks in
_SHAPE = 2.0  # times that the shape of a spectrum counts as much as its energy
_NOISE_DB = 3.0  # by which noise differs from its mean, smoothed
LEAST_DB = 4.0  # by which speech differs from it for as long as a word lasts
_PAUSE_DB = 15.0  # below the loudest are pauses,
_SILENCE_DB = 35.0  # and silence, in which nobody speaks


class Part(NamedTuple):
    """Frames [start, end) of a recording, and whether they lie in silence, away from all speech."""

    start: int
    end: int
    is_silent: bool


def stretches(
    blocks: Iterable[Frames], config: FeatureConfig, pause_s: float = PAUSE_S
) -> Iterator[tuple[Frames, bool]]:
    """Cepstra in blocks (T, C), the log energy first -> those of each segment, and whether it is silent, see `parts`.

    None is longer than LONGEST_S, every frame is in one of them, and where the cuts are follows from the recording
    alone, not from its blocks: the next LONGEST_S of sound are looked at and cut in each of their pauses, or without
    any at the quietest moment of their second half. No more than two blocks and LONGEST_S are held at a time.
    """
    longest = max(1, round(LONGEST_S / config.hop_s))
    rest: Frames | None = None
    for block in blocks:
        rest = block if rest is None else np.concatenate([rest, block])
        while len(rest) > longest:
            *found, last = parts(rest[:longest], config, pause_s)
            start = last.start or _quietest(rest[:longest], config)
            for part in found or [Part(0, start, False)]:
                yield rest[part.start : part.end], part.is_silent
            rest = rest[start:]
    if rest is not None and len(rest):
        for part in parts(rest, config, pause_s):
            yield rest[part.start : part.end], part.is_silent


def _quietest(static: Frames, config: FeatureConfig) -> int:
    """The quietest frame of the second half of cepstra (T, C), and a multiple of `config.stack`."""
    first = (len(static) + 1) // 2
    quietest = first + int(np.argmin(_smooth(static[:, :1], config, _SMOOTH_S)[first:]))
    return max(config.stack, quietest // config.stack * config.stack)


def parts(static: Frames, config: FeatureConfig, pause_s: float) -> list[Part]:
    """Cepstra (T, C) cut in each pause of `pause_s` and more; what is silent is a part of its own, but for margins.

    All begin at a multiple of `config.stack`. A recording that nobody seems to speak in is one part, not silent.
    """
    if not len(static):
        return [Part(0, 0, False)]
    found = loudness(static, config)
    lasting = max(1, min(len(found), round(_WORD_S / config.hop_s)))
    loudest = sliding_window_view(found, lasting).min(axis=1).max()  # knocks are no words

    def fainter(range_db: float) -> list[list[int]]:
        is_faint = found < (max(_NOISE_DB, loudest - range_db) if loudest >= LEAST_DB else 0.0)
        for start, end in _runs(~is_faint):
            if end - start < lasting:
                is_faint[start:end] = True
        return [] if is_faint.all() else _runs(is_faint).tolist()

    def place(frame: int) -> int:
        return frame // config.stack * config.stack

    ends = {len(static): False}  # and whether what ends there is silent
    margin = round(_MARGIN_S / config.hop_s)
    silences, pauses = fainter(_SILENCE_DB), fainter(_PAUSE_DB)
    for start, end in silences:
        first, last = place(start and start + margin), end if end == len(static) else place(end - margin)
        if first < last:
            ends |= {first: False, last: True}
    shortest = round(pause_s / config.hop_s)
    smooth = _smooth(static[:, :1], config, _SMOOTH_S)
    for start, end in [*silences, *pauses]:  # silence first: a word that is itself faint may lie in a longer pause
        is_long = end - start >= shortest and start > 0 and end < len(static)
        if is_long and not any(start < cut <= end for cut in ends):
            ends[place(start + int(np.argmin(smooth[start:end])))] = False
    places = sorted(ends.keys() - {0})
    return [Part(start, end, ends[end]) for start, end in itertools.pairwise([0, *places])]


def loudness(static: Frames, config: FeatureConfig) -> npt.NDArray[np.float64]:
    """By how many decibels each frame (T,) of cepstra (T, C) differs from the noise of its recording, smoothed.

    The cepstral distance, a root mean square difference of two log spectra (Gray & Markel 1976), by which Haigh & Mason
    (1993) find speech in noise: what is hardly louder than it has another spectrum. 0 where the noise is louder, and
    below where nothing is recorded, as before a microphone has started: of the rest the quietest tenth is the noise.
    """
    if not len(static):
        return np.zeros(0)
    cepstra = static / config.liftering
    is_silent = static[:, 0] < static[:, 0].max() - _SILENT_DB / DB
    smooth = _smooth(cepstra[~is_silent], config, _LOUD_S)
    last = int(_NOISE * len(smooth))
    noise = smooth[smooth[:, 0].argpartition(last)[: last + 1]].mean(axis=0)
    if is_silent.any():
        cepstra[is_silent] = noise
        smooth = _smooth(cepstra, config, _LOUD_S)
    difference = smooth - noise
    difference[:, 1:] *= _SHAPE / math.sqrt(config.num_filters)
    distance = DB * np.sqrt(np.square(difference).sum(axis=1))
    return np.where(is_silent, -1.0, np.where(difference[:, 0] > 0, distance, 0.0))


def _smooth(values: npt.NDArray[np.floating[Any]], config: FeatureConfig, seconds: float) -> npt.NDArray[np.float64]:
    """The mean of each row (T, C) and its neighbours within so many seconds."""
    width = max(1, round(seconds / config.hop_s)) | 1
    ends = np.zeros(values.shape[1]), *[values[:1]] * (width // 2), values, *[values[-1:]] * (width // 2)
    sums = np.cumsum(np.vstack(ends, dtype=np.float64), axis=0)
    return (sums[width:] - sums[:-width]) / width


def _runs(is_so: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The first of each run of frames (T,) that are so, and the one after its last: (N, 2)."""
    padded = np.concatenate([[False], is_so, [False]])
    return np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
