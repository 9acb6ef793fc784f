"""When words are spoken: the spans of their tokens, and the pauses of the sound around them -> start and end."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decode.align import TokenSpan
from asr.modelfile.card import ModelCard, Timing
from asr.recognition.frontend import Segment
from asr.recognition.loudness import Loudness
from asr.recognition.transcript import Character, Word

_PAUSE_S = 0.1  # shorter silences are closures of stops
_FAR_S = 0.2  # a soft consonant at an end of the loud part is nearer to it than this
_SOFT = 0.2  # of the way from noise to speech, at the outer ends, where a word dies away
_NONE = np.zeros(0)


def word_times(
    words: Sequence[Sequence[TokenSpan]],
    frame_s: float,
    duration_s: float,
    margins: Timing,
    loudness: Loudness | None = None,
    padding_s: float = 0.0,
) -> npt.NDArray[np.float64]:
    """The tokens of each word in turn -> its start and end in seconds: (N, 2), rising, within the duration.

    CTC emits a letter when it has been spoken, in a frame or two (Sak et al. 2015, "Fast and accurate recurrent neural
    network acoustic models"): a word begins `lead_s` before its first token and ends `tail_s` after its last. Between
    two words either the sound pauses, and they end and begin where it does, or the one ends where the other begins.
    `loudness` says which, unless noise hides it or there is None: then a pause is what lead and tail leave of the gap,
    if that is long. No word loses a frame of its tokens, but for those in silence: a network that was trained on single
    words may spell one long before it or after it, and then the outer words begin and end where the sound is loud. The
    sound begins `padding_s` after the first frame.
    """
    tokens = np.array([(word[0].start_frame, word[-1].end_frame) for word in words], np.float64).reshape(-1, 2)
    tokens = np.clip(tokens * frame_s - padding_s, 0, duration_s)
    loudness = loudness or Loudness(_NONE, 0.01, 0.025)
    is_quiet = loudness.is_quiet()
    # Of the hops around the windows' centres.
    edges = (np.arange(len(is_quiet) + 1) - 0.5) * loudness.hop_s + loudness.window_s / 2
    loud = np.flatnonzero(~loudness.is_quiet(_SOFT))
    if len(loud) and len(words):
        begins_s = edges[loud[0]] if loud[0] else 0.0
        ends_s = min(edges[loud[-1] + 1], duration_s) if loud[-1] + 1 < len(is_quiet) else duration_s
        near = np.where(tokens < begins_s - _FAR_S, begins_s, np.where(tokens > ends_s + _FAR_S, ends_s, tokens))
        times = _between_pauses(near, is_quiet, edges, duration_s, margins)
        if near[0, 0] >= ends_s:
            times[0, 0] = begins_s
        if near[-1, 1] <= begins_s:
            times[-1, 1] = ends_s
        if (times[:, 0] < times[:, 1]).all() and (near[:-1, 0] < near[1:, 0]).all():
            return times
    return _between_pauses(tokens, is_quiet, edges, duration_s, margins)


def _between_pauses(
    tokens: npt.NDArray[np.float64],
    is_quiet: npt.NDArray[np.bool_],
    edges: npt.NDArray[np.floating[Any]],
    duration_s: float,
    margins: Timing,
) -> npt.NDArray[np.float64]:
    """Start and end of each word's tokens (N, 2) -> those of the word; `edges` (T + 1,) of frames (T,)."""
    hop_s = edges[1] - edges[0] if len(is_quiet) else 0.0

    def pauses(start_s: float, end_s: float) -> npt.NDArray[np.float64]:
        """Pauses (N, 2) in seconds between two times; short ones only at the ends of the recording."""
        first, last = np.searchsorted(edges, (start_s, end_s)).tolist()
        turns = edges[first + _runs(is_quiet[first : max(first, last - 1)])]
        is_end = (turns[:, 0] == edges[0]) | (turns[:, 1] == edges[-1])
        return np.asarray(turns[is_end | (turns[:, 1] - turns[:, 0] > _PAUSE_S - hop_s / 2)])

    times = tokens + np.array([-margins.lead_s, margins.tail_s])
    for index in range(len(tokens) + 1):
        before_s = tokens[index - 1, 1] if index else 0.0
        after_s = tokens[index, 0] if index < len(tokens) else duration_s
        # The last window reaches beyond the end.
        found = pauses(before_s, after_s if index < len(tokens) else math.inf)
        if 0 < index < len(tokens):
            left_s, right_s = times[index - 1, 1], times[index, 0]
            if len(found):
                left_s, right_s = found[np.argmax(found[:, 1] - found[:, 0])]
            elif len(is_quiet) or right_s - left_s < _PAUSE_S:
                left_s = right_s = (left_s + right_s) / 2
        else:  # before the first word and after the last, the pause that touches it
            left_s = found[0, 0] if len(found) else times[index - 1, 1] if index else 0.0
            right_s = found[-1, 1] if len(found) else times[index, 0] if index < len(tokens) else 0.0
        if index:
            times[index - 1, 1] = min(max(left_s, before_s), after_s)
        if index < len(tokens):
            times[index, 0] = min(max(right_s, before_s), after_s)
    return np.asarray(times)


def timed_words(
    texts: Sequence[str],
    spans: Sequence[Sequence[TokenSpan]],
    confidences: npt.NDArray[np.float64],
    times: npt.NDArray[np.float64],
    segment: Segment,
    card: ModelCard,
) -> tuple[Word, ...]:
    """The words (N,) of a segment: the spans of their tokens, confidences (N,) and times (N, 2) -> Words.

    `times` count from the segment's start. Between two characters lies the middle of where the one was emitted last and
    the other first.
    """
    words: list[Word] = []
    tokens, frame_s = card.tokenizer.tokens, card.features.frame_ms / 1000
    reached_s = segment.start_s
    for text, letters, confidence, (first_s, last_s) in zip(texts, spans, confidences, times.tolist(), strict=True):
        turns = [(left.end_frame + right.start_frame) / 2 for left, right in itertools.pairwise(letters)]
        marks = np.array([letters[0].start_frame, *turns, letters[-1].end_frame]) * frame_s - segment.padding_s
        if len(marks) == 2 or (first_s < marks[1] and marks[-2] < last_s):
            marks[0], marks[-1] = first_s, last_s
        else:  # spelled outside the word, in silence: all that is known is the order
            marks = first_s + (marks - marks[0]) * ((last_s - first_s) / (marks[-1] - marks[0]))
        bounds = _rising(marks + segment.start_s, reached_s)
        reached_s = bounds[-1]
        characters = tuple(
            Character(tokens[letter.token], *bound, round(math.exp(letter.score), 4))
            for letter, bound in zip(letters, itertools.pairwise(bounds), strict=True)
        )
        words.append(Word(text, bounds[0], bounds[-1], round(float(confidence), 4), characters))
    return tuple(words)


def _rising(seconds: npt.NDArray[np.float64], reached_s: float) -> list[float]:
    """Times that rise from `reached_s` on, by no less than the millisecond that they are rounded to."""
    rising: list[float] = []
    for second in seconds.tolist():
        rising.append(max(round(second, 3), round(rising[-1] + 1e-3, 3) if rising else round(reached_s, 3)))
    return rising


def _runs(is_so: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The first of each run of frames (T,) that are so, and the one after its last: (N, 2)."""
    padded = np.concatenate([[False], is_so, [False]])
    return np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
