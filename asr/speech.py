"""Where somebody speaks: a running noise floor, speech above it, and the segments that are cut in pauses. numpy only.

Frames of cepstra come in blocks of any size, and the segments are the same for all of them: every `_STEP` frames are
one step, which looks no further ahead than `SpeechConfig.look_ahead_ms`, but for the first `SpeechConfig.start_ms`
of a sound, which are looked at together, as nothing is known of the noise before them. Memory does not grow.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.features import FeatureConfig

Frames = npt.NDArray[np.floating[Any]]

_STEP = 10  # frames that are worked on together: always as many, so that rounding does not depend on the blocks
_DB = 10 / math.log(10)  # decibels in a natural logarithm of energy


@dataclass(frozen=True)
class SpeechConfig:
    """What counts as speech, and where it is cut. The constants below `margin_ms` were chosen with speech_error.py."""

    min_silence_ms: float = 500.0
    """Speech is cut in each pause of so much: shorter ones are inside words and sentences."""
    max_segment_s: float = 30.0
    """A longer segment without a pause is cut at the quietest moment of its second half."""
    margin_ms: float = 300.0
    """Silence that stays beside speech at most; the rest is a segment in which nobody speaks."""
    min_speech_ms: float = 150.0
    """Shorter sounds are knocks or clicks: they are no speech, and do not end a pause."""
    smoothing_ms: float = 90.0
    """Levels are means over so much: more than a click lasts, less than a vowel."""
    noise_window_s: float = 5.0
    """The noise is measured over so much of the past."""
    noise_share: float = 0.1
    """This share of its frames, the quietest, are noise."""
    look_ahead_ms: float = 500.0
    """The noise is also measured over so much of the future."""
    start_ms: float = 2000.0
    """At the beginning of a sound the noise is measured over so much of it."""
    min_noise_db: float = -75.0
    """Log energy in decibels below which nothing is recorded. -75 is half a step of 16 bits."""
    threshold_db: float = 4.0
    """Speech is so much above the noise: the root mean square over the bands of a spectrum of what is above it."""
    pause_db: float = 15.0
    """Between louder sounds, what is so much below them is a pause even where it is above the noise,"""
    loud_s: float = 1.5
    """where these sounds are no further back."""


class Segment(NamedTuple):
    """Frames [start, end) of a sound, and whether somebody speaks in them."""

    start: int
    end: int
    is_speech: bool


class Segmenter:
    """Cepstra in blocks -> segments, in order, so that every frame is in one of them.

    `features` says what the cepstra are: how often they come, their lifter, and what stands first. Segments
    begin at multiples of its `stack`, and none is longer than `max_segment_s`. A segment of speech is known at the
    latest `max(min_silence_ms, 2 margin_ms) + look_ahead_ms` after the speech has ended.
    """

    def __init__(self, config: SpeechConfig, features: FeatureConfig) -> None:
        self._levels = _Levels(config, features)
        self._cutter = _Cutter(config, features)

    def feed(self, cepstra: Frames) -> list[Segment]:
        """The next frames (T, C) -> the segments that are known by now."""
        return [segment for step in self._levels.feed(cepstra) for segment in self._cutter.feed(step)]

    def flush(self) -> list[Segment]:
        """The rest of the segments: the sound has ended, and another may begin."""
        segments = [segment for step in self._levels.flush() for segment in self._cutter.feed(step)]
        return segments + self._cutter.flush()


def speech_levels(cepstra: Frames, config: SpeechConfig, features: FeatureConfig) -> npt.NDArray[np.float64]:
    """By how many decibels each frame (T,) of cepstra (T, C) is above the noise, as a Segmenter sees it."""
    levels = _Levels(config, features)
    steps = [step.above_db for step in (*levels.feed(cepstra), *levels.flush())]
    return np.concatenate(steps) if steps else np.zeros(0)


class _Step(NamedTuple):
    """Frames that are worked on together."""

    above_db: npt.NDArray[np.float64]
    """(T,): how much of the spectrum is above the noise."""
    energy_db: npt.NDArray[np.float64]
    """(T,): smoothed."""


class _Levels:
    """Cepstra in blocks -> steps of levels above the noise."""

    def __init__(self, config: SpeechConfig, features: FeatureConfig) -> None:
        self._config, hop_s = config, features.hop_s
        orders = np.arange(1, features.num_cepstra)
        points = (np.arange(features.num_filters) + 0.5) / features.num_filters
        self._basis = np.cos(np.pi * np.outer(orders, points)) * math.sqrt(2 / features.num_filters)
        self._basis *= (_DB / features.liftering[1:])[:, None]
        self._is_log_energy = features.energy == "log_energy"
        self._half = round(config.smoothing_ms / 1000 / hop_s) // 2
        self._window = max(1, round(config.noise_window_s / hop_s / _STEP))  # steps
        self._ahead = round(config.look_ahead_ms / 1000 / hop_s / _STEP)
        self._first = round(config.start_ms / 1000 / hop_s / _STEP)
        self._reset()

    def _reset(self) -> None:
        self._cepstra = np.zeros((0, 0))
        self._bands = np.zeros((0, self._basis.shape[1] + 1))  # that are not smoothed yet, and the energy
        self._smooth: deque[npt.NDArray[np.float64]] = deque()  # steps of the past and of the future
        self._num_past = self._num_steps = 0

    def feed(self, cepstra: Frames) -> list[_Step]:
        """The next frames (T, C) -> what is known by now."""
        self._cepstra = np.concatenate([self._cepstra, cepstra]) if len(self._cepstra) else np.asarray(cepstra, float)
        count = len(self._cepstra) // _STEP * _STEP
        ready, self._cepstra = self._cepstra[:count], self._cepstra[count:]
        steps = []
        for start in range(0, count, _STEP):
            self._append(self._to_bands(ready[start : start + _STEP]))
            steps += self._known(is_end=False)
        return steps

    def flush(self) -> list[_Step]:
        """The rest of it, the last step of `_STEP` frames or fewer."""
        left = len(self._cepstra)
        if left:
            padded = np.concatenate([self._cepstra, np.repeat(self._cepstra[-1:], _STEP - left, axis=0)])
            self._append(self._to_bands(padded)[:left])
        if len(self._bands):
            self._append(np.repeat(self._bands[-1:], self._half, axis=0))
        while len(self._bands) > 2 * self._half:
            self._take(len(self._bands) - 2 * self._half)
        steps = self._known(is_end=True)
        self._reset()
        return steps

    def _to_bands(self, cepstra: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Cepstra (T, C) -> decibels in each band and of all (T, B + 1)."""
        shape, energy = cepstra[:, 1:] @ self._basis, _DB * cepstra[:, :1]
        if self._is_log_energy:
            bands = energy + shape - _DB * np.log(np.exp(shape / _DB).sum(axis=1, keepdims=True))
        else:  # the cepstrum's own first coefficient, which is the mean of the bands times the root of their number
            bands = energy / math.sqrt(self._basis.shape[1]) + shape
            energy = _DB * np.log(np.exp(bands / _DB).sum(axis=1, keepdims=True))
        return np.asarray(np.maximum(np.concatenate([bands, energy], axis=1), self._config.min_noise_db - 20))

    def _append(self, bands: npt.NDArray[np.float64]) -> None:
        if not self._num_steps and not len(self._bands):
            bands = np.concatenate([np.repeat(bands[:1], self._half, axis=0), bands])
        self._bands = np.concatenate([self._bands, bands])
        while len(self._bands) >= _STEP + 2 * self._half:
            self._take(_STEP)

    def _take(self, count: int) -> None:
        """Smooth the next `count` frames, at most `_STEP`."""
        count = min(count, _STEP)
        width = 2 * self._half + 1
        smooth = self._bands[:count].copy()
        for offset in range(1, width):
            smooth += self._bands[offset : offset + count]
        self._smooth.append(smooth / width)
        self._bands = self._bands[count:]
        self._num_steps += 1

    def _known(self, *, is_end: bool) -> list[_Step]:
        """Steps of which enough of the future is known."""
        steps = []
        while self._num_past < len(self._smooth):
            ahead = len(self._smooth) - self._num_past - 1
            if not is_end and (ahead < self._ahead or self._num_steps < self._first):
                break
            past = list(self._smooth)
            if self._num_steps > self._first:
                past = past[: self._num_past + 1 + self._ahead]
            here = self._smooth[self._num_past]
            above = np.maximum(here[:, :-1] - self._noise(np.concatenate(past)), 0.0)
            steps.append(_Step(np.sqrt(np.square(above).mean(axis=1)), here[:, -1]))
            self._num_past += 1
            if self._num_past > self._window:
                self._smooth.popleft()
                self._num_past -= 1
        return steps

    def _noise(self, smooth: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The noise in each band (B,) of smoothed frames (T, B + 1)."""
        energy = smooth[:, -1]
        is_sound = energy > self._config.min_noise_db
        lowest = self._config.min_noise_db - _DB * math.log(smooth.shape[1] - 1)
        if not is_sound.any():
            return np.full(smooth.shape[1] - 1, lowest)
        smooth, energy = smooth[is_sound], energy[is_sound]
        last = int(self._config.noise_share * len(energy))
        quietest = energy.argpartition(last)[: last + 1]
        return np.asarray(np.maximum(smooth[quietest, :-1].mean(axis=0), lowest))


class _Cutter:
    """Steps of levels -> segments."""

    def __init__(self, config: SpeechConfig, features: FeatureConfig) -> None:
        self._config, self._stack, hop_s = config, features.stack, features.hop_s
        self._first = round(config.start_ms / 1000 / hop_s)

        def frames(ms: float) -> int:
            return max(1, round(ms / 1000 / hop_s))

        self._min_speech, self._min_silence = frames(config.min_speech_ms), frames(config.min_silence_ms)
        self._margin, self._loud = frames(config.margin_ms), frames(1000 * config.loud_s)
        self._longest = max(self._stack, frames(1000 * config.max_segment_s) // self._stack * self._stack)
        self._reset()

    def _reset(self) -> None:
        self._frame = self._start = 0  # the next frame, and the first one of the segment that is open
        self._run = 0  # frames of speech, so far
        self._speech_end: int | None = None  # of the open segment
        self._pause: int | None = None  # where the sound fell by pause_db
        self._loudest: deque[tuple[int, float]] = deque()  # falling: of the last frames
        self._energies: deque[float] = deque()  # of the open segment
        self._segments: list[Segment] = []

    def feed(self, step: _Step) -> list[Segment]:
        """The next frames -> the segments that are known by now."""
        for above_db, energy_db in zip(step.above_db.tolist(), step.energy_db.tolist(), strict=True):
            self._next(above_db, energy_db)
        segments, self._segments = self._segments, []
        return segments

    def flush(self) -> list[Segment]:
        """The rest of the segments."""
        end = self._frame
        if self._speech_end is not None:
            last = self._place(self._speech_end + self._margin)
            if last < end:
                self._cut(last, is_speech=True)
            else:
                self._cut(end, is_speech=True)
        if end > self._start:
            is_unknown = not self._start and end < self._first
            self._cut(end, is_speech=is_unknown)
        segments = self._segments
        self._reset()
        return segments

    def _place(self, frame: int) -> int:
        return frame // self._stack * self._stack

    def _cut(self, end: int, *, is_speech: bool) -> None:
        self._segments.append(Segment(self._start, end, is_speech))
        for _ in range(end - self._start):
            self._energies.popleft()
        self._start, self._speech_end = end, None

    def _quietest(self, start: int, end: int) -> int:
        """Of frames [start, end) of the open segment."""
        energies = list(self._energies)[start - self._start : end - self._start]
        return self._place(start + energies.index(min(energies)))

    def _next(self, above_db: float, energy_db: float) -> None:
        frame = self._frame
        self._frame += 1
        self._energies.append(energy_db)
        self._run = self._run + 1 if above_db > self._config.threshold_db else 0
        if self._run >= self._min_speech:
            begin = frame + 1 - self._run
            if self._run == self._min_speech:
                self._begin(begin)
            self._speech_end = frame + 1
        quiet = frame + 1 - self._run  # so far, no knock counts
        if self._speech_end is None:
            last = self._place(quiet - self._margin)
            if last - self._start >= self._longest:
                self._cut(self._start + self._longest, is_speech=False)
        elif quiet - self._speech_end > max(self._min_silence, 2 * self._margin):
            self._cut(self._place(self._speech_end + self._margin), is_speech=True)
        if self._frame - self._start >= self._longest and self._speech_end is not None:
            speech_end = self._speech_end
            middle = self._start + self._longest // 2
            cut = max(self._start + self._stack, self._quietest(middle, self._frame))
            self._cut(cut, is_speech=True)
            self._speech_end = speech_end if speech_end > cut else None

    def _begin(self, begin: int) -> None:
        """Speech begins again."""
        if self._speech_end is None:
            last = self._place(begin - self._margin)
            if last > self._start:
                self._cut(last, is_speech=False)
        elif begin - self._speech_end >= self._min_silence:
            self._cut(max(self._quietest(self._speech_end, begin), self._start + self._stack), is_speech=True)
