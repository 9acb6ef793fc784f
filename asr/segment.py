"""A recording -> stretches as long as utterances: cut where it pauses.

A recogniser is trained on utterances, and hears best what is as long as they are. Windows of a fixed length that
overlap would not do: a bidirectional LSTM that has only ever seen one utterance at a time remembers that one has begun
or ended, and in windows of 15 s the likeliest letter was seen to change more than 3 s away from their edges.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import align
from asr.features import Frames

LONGEST_S = 30.0  # of a stretch
PAUSE_S = 0.5  # shorter silences are inside sentences and words
_SILENCE_S = 1.0  # longer pauses are stretches of their own: silence beside speech spoils the mean of its cepstra, and
_MARGIN_S = 0.3  # a network that never heard so much of it loses the word; but for this much on either side
_SMOOTH_S = 0.2  # over which the quietest moment is looked for: longer than the closure of a stop
_LOUD_S = 0.09  # over which sound is loud or quiet: longer than a click, shorter than a vowel
_WORD_S = 0.15  # what is loud for less, so smoothed, is a knock or the burst of a stop: alone it would be a word
_SILENT_DB = 80.0  # below the loudest nothing is recorded
_LEAST_DB = 5.0  # by which speech is louder than noise, both smoothed


def stretches(blocks: Iterable[Frames], hop_s: float, pause_s: float = PAUSE_S, step: int = 1) -> Iterator[Frames]:
    """Cepstra in blocks (T, C), the log energy first -> the cepstra of each stretch, none longer than LONGEST_S.

    Every frame is in one stretch, and where the cuts are follows from the recording alone, not from its blocks: the
    next LONGEST_S of sound are looked at and cut in each of their pauses, or without any at the quietest moment of
    their second half, always after a multiple of `step` frames. No more than two blocks and LONGEST_S are held at a
    time.
    """
    longest = max(1, round(LONGEST_S / hop_s))
    rest: Frames | None = None
    for block in blocks:
        rest = block if rest is None else np.concatenate([rest, block])
        while len(rest) > longest:
            start = 0
            energy = rest[:longest, 0]
            for end in pauses(energy, hop_s, pause_s, step) or [max(step, _quietest(energy, hop_s) // step * step)]:
                yield rest[start:end]
                start = end
            rest = rest[start:]
    if rest is not None and len(rest):
        start = 0
        for end in [*pauses(rest[:, 0], hop_s, pause_s, step), len(rest)]:
            yield rest[start:end]
            start = end


def _quietest(energy: npt.NDArray[np.floating[Any]], hop_s: float) -> int:
    """The quietest frame of the second half of log energy (T,)."""
    first = (len(energy) + 1) // 2
    return first + int(np.argmin(_smooth(energy, hop_s)[first:]))


def pauses(energy: npt.NDArray[np.floating[Any]], hop_s: float, pause_s: float, step: int = 1) -> list[int]:
    """Where to cut frames of log energy (T,): at rising places between the first and the last, multiples of `step`.

    In silence of more than a second, beside what it parts from; and once in each pause of `pause_s` and more.
    """
    if not len(energy):
        return []
    # Digital silence, as before a microphone has started, says nothing of how loud the noise is.
    faintest = energy.max() - _SILENT_DB * math.log(10) / 10
    is_quiet = energy < faintest
    loudness = _smooth(np.maximum(energy, faintest), hop_s, _LOUD_S)
    # Speech may be a small part of the sound: its loudest moment says how loud it is.
    found = align.quiet(loudness[~is_quiet], 1.0, _LEAST_DB)
    if len(found):
        is_quiet[~is_quiet] = found
    for start, end in align.runs(~is_quiet):
        if end - start < round(_WORD_S / hop_s):
            is_quiet[start:end] = True
    turns = align.runs(is_quiet)
    turns = turns[turns[:, 1] - turns[:, 0] >= round(min(pause_s, _SILENCE_S) / hop_s)]
    if not len(turns):
        return []
    smooth = _smooth(energy, hop_s)
    silence, margin = (round(seconds / hop_s) for seconds in (_SILENCE_S, _MARGIN_S))
    cuts = []
    for start, end in turns.tolist():
        if end - start > silence:
            cuts += [start + margin] * (start > 0) + [end - margin] * (end < len(energy))
        elif start > 0 and end < len(energy):
            cuts.append(start + int(np.argmin(smooth[start:end])))
    return sorted({cut // step * step for cut in cuts} - {0})


def _smooth(energy: npt.NDArray[np.floating[Any]], hop_s: float, seconds: float = _SMOOTH_S) -> npt.NDArray[np.float64]:
    """The mean of each frame (T,) and its neighbours within so many seconds."""
    width = max(1, round(seconds / hop_s)) | 1
    padded = np.concatenate([np.full(width // 2, energy[0]), energy, np.full(width // 2, energy[-1])], dtype=np.float64)
    return np.convolve(padded, np.full(width, 1 / width), "valid")
