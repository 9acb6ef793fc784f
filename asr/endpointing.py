"""Voice activity detection and end-pointing: a running noise floor, speech above it, segments cut in pauses.

Frames of cepstra come in blocks of any size, and the segments are the same for all of them: every `STEP` frames are
one step, which looks no further ahead than `SpeechConfig.look_ahead_ms`, but for the first `SpeechConfig.start_ms`
of a sound, which are looked at together, as nothing is known of the noise before them. Memory does not grow.
"""

import itertools
import math
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from asr.errors import UserError
from asr.features import FeatureConfig

Frames = npt.NDArray[np.floating[Any]]

STEP = 10  # frames that are worked on together: always as many, so that rounding does not depend on the blocks
SAMPLE = 5  # every so many frames the noise is looked at: neighbours are alike
_DB = 10 / math.log(10)  # decibels in a natural logarithm of energy
_RANGES = {
    "min_silence_ms": (0, 60_000), "max_segment_s": (1, 600), "margin_ms": (0, 60_000), "min_speech_ms": (0, 10_000),
    "smoothing_ms": (0, 5_000), "noise_window_s": (0.1, 600), "look_ahead_ms": (0, 60_000), "start_ms": (0, 60_000),
    "noise_share": (0, 0.99), "min_noise_db": (-1000, 1000), "threshold_db": (0, 1000), "usual_share": (0, 0.99),
    "unsteady": (0, 1000), "max_threshold_db": (0, 1000), "pause_db": (0, 1000), "loud_s": (0.01, 600),
}  # fmt: skip


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
    smoothing_ms: float = 150.0
    """Levels are medians over so much: twice as long as a click, and shorter than a vowel."""
    noise_window_s: float = 8.0
    """The noise is measured over so much of the past."""
    look_ahead_ms: float = 500.0
    """The noise is also measured over so much of the future."""
    start_ms: float = 2000.0
    """At the beginning of a sound the noise is measured over so much of it."""
    noise_share: float = 0.1
    """This share of the window, the quietest, is noise."""
    min_noise_db: float = -100.0
    """Log energy in decibels below which nothing is recorded: half a step of 16 bits is -78."""
    threshold_db: float = 1.4
    """Speech is so much above steady noise: the root mean square over the bands of a spectrum."""
    usual_share: float = 0.3
    """Where it is not, this share of the window is fainter than what is usual,"""
    unsteady: float = 2.8
    """and speech is so many times further above the noise than that,"""
    max_threshold_db: float = 6.0
    """or at least so much, for where somebody speaks most of the time, it is speech that is usual."""
    pause_db: float = 12.0
    """Between louder sounds, what is so much below them is a pause even where it is above the noise,"""
    loud_s: float = 1.5
    """where these sounds are no further back."""

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise UserError(f"speech.{name} must be from {least:g} to {most:g}, not {getattr(self, name)}")


@dataclass(frozen=True)
class SpeechPlan:
    """Settings of speech in frames, or in steps of `STEP` frames where so named: all homes of a model count so."""

    half: int
    """Neighbours on each side that a level is the median of."""
    window: int
    """Steps of the past over which noise is measured,"""
    ahead: int
    """and of the future,"""
    first_steps: int
    """and at the beginning of a sound."""
    first: int
    """Frames of that beginning."""
    min_speech: int
    min_silence: int
    margin: int
    loud: int
    longest: int

    @classmethod
    def of(cls, config: SpeechConfig, features: FeatureConfig) -> "SpeechPlan":
        """The counts for cepstra that come as `features` says."""
        hop_s = features.hop_s

        def frames(ms: float) -> int:
            return max(1, round(ms / 1000 / hop_s))

        return cls(
            half=round(config.smoothing_ms / 1000 / hop_s) // 2,
            window=max(1, round(config.noise_window_s / hop_s / STEP)),
            ahead=round(config.look_ahead_ms / 1000 / hop_s / STEP),
            first_steps=max(1, round(config.start_ms / 1000 / hop_s / STEP)),
            first=round(config.start_ms / 1000 / hop_s),
            min_speech=frames(config.min_speech_ms),
            min_silence=frames(config.min_silence_ms),
            margin=frames(config.margin_ms),
            loud=frames(1000 * config.loud_s),
            longest=max(features.stack, frames(1000 * config.max_segment_s) // features.stack * features.stack),
        )


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

    @property
    def is_speech(self) -> bool:
        """Whether somebody speaks in the segment that is open, as far as is known by now."""
        return self._cutter.is_speech

    @property
    def end(self) -> int | None:
        """The frame at which the open segment ends if nobody speaks from now on; None: somebody is still speaking."""
        return self._cutter.end

    def flush(self) -> list[Segment]:
        """The rest of the segments: the sound has ended, and another may begin."""
        segments = [segment for step in self._levels.flush() for segment in self._cutter.feed(step)]
        return segments + self._cutter.flush()


def speech_levels(cepstra: Frames, config: SpeechConfig, features: FeatureConfig) -> npt.NDArray[np.float64]:
    """By how many decibels each frame (T,) of cepstra (T, C) is above the noise, as a Segmenter sees it."""
    levels = _Levels(config, features)
    steps = [step.above_db for step in (*levels.feed(cepstra), *levels.flush())]
    return np.concatenate(steps) if steps else np.zeros(0)


def band_basis(features: FeatureConfig) -> npt.NDArray[np.float64]:
    """(num_cepstra - 1, num_filters): cepstra but the first -> the shape of the spectrum, in decibels."""
    orders = np.arange(1, features.num_cepstra)
    points = (np.arange(features.num_filters) + 0.5) / features.num_filters
    basis = np.cos(np.pi * np.outer(orders, points)) * math.sqrt(2 / features.num_filters)
    return np.asarray(basis * (_DB / features.liftering[1:])[:, None])


class _Step(NamedTuple):
    """Frames that are worked on together."""

    above_db: npt.NDArray[np.float64]
    """(T,): how much of the spectrum is above the noise."""
    energy_db: npt.NDArray[np.float64]
    """(T,): smoothed."""
    usual_db: float
    """By how much sound is above the noise in the quieter part of the time around."""


class _Levels:
    """Cepstra in blocks -> steps of levels above the noise."""

    def __init__(self, config: SpeechConfig, features: FeatureConfig) -> None:
        self._config, plan = config, SpeechPlan.of(config, features)
        self._basis, self._is_log_energy = band_basis(features), features.energy == "log_energy"
        self._half, self._window, self._ahead, self._first = plan.half, plan.window, plan.ahead, plan.first_steps
        self._reset()

    def _reset(self) -> None:
        num_bands = self._basis.shape[1]
        self._cepstra = np.zeros((0, self._basis.shape[0] + 1))  # that fill no step yet
        self._bands = np.zeros((0, num_bands + 1))  # that are not smoothed yet, or are neighbours of these
        self._smooth = np.zeros((0, num_bands + 1))  # that are not compared with the noise yet
        self._sampled = np.zeros((0, num_bands + 1))  # every `SAMPLE`-th of them, and of the past
        self._num_compared = 0  # steps

    def feed(self, cepstra: Frames) -> list[_Step]:
        """The next frames (T, C) -> what is known by now."""
        self._cepstra = np.concatenate([self._cepstra, cepstra])
        count = len(self._cepstra) // STEP * STEP
        ready, self._cepstra = self._cepstra[:count], self._cepstra[count:]
        return self._smoothed(self._to_bands(ready), is_end=False)

    def flush(self) -> list[_Step]:
        """The rest of it, the last step of `STEP` frames or fewer."""
        left = len(self._cepstra)
        padded = np.concatenate([self._cepstra, np.repeat(self._cepstra[-1:], -left % STEP, axis=0)])
        steps = self._smoothed(self._to_bands(padded)[:left], is_end=True)
        self._reset()
        return steps

    def _to_bands(self, cepstra: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Whole steps of cepstra (T, C) -> decibels in each band, and of all (T, B + 1)."""
        by_step = cepstra.reshape(-1, STEP, cepstra.shape[1])  # so that every product has the same shape
        shape, energy = by_step[:, :, 1:] @ self._basis, _DB * by_step[:, :, :1]
        if self._is_log_energy:
            bands = energy + shape - _DB * np.log(np.exp(shape / _DB).sum(axis=2, keepdims=True))
        else:  # the cepstrum's own first coefficient, which is the mean of the bands times the root of their number
            bands = energy / math.sqrt(self._basis.shape[1]) + shape
            energy = _DB * np.log(np.exp(bands / _DB).sum(axis=2, keepdims=True))
        return np.concatenate([bands, energy], axis=2).reshape(len(cepstra), self._basis.shape[1] + 1)

    def _smoothed(self, bands: npt.NDArray[np.float64], *, is_end: bool) -> list[_Step]:
        """The median of each frame and its neighbours: it loses clicks, and keeps when louder sounds begin and end."""
        if not len(self._bands):
            bands = np.concatenate([np.repeat(bands[:1], self._half, axis=0), bands])
        self._bands = np.concatenate([self._bands, bands])
        if is_end:
            self._bands = np.concatenate([self._bands, np.repeat(self._bands[-1:], self._half, axis=0)])
        count = len(self._bands) - 2 * self._half
        count = max(0, count if is_end else count // STEP * STEP)
        if count:
            width = 2 * self._half + 1
            neighbours = sliding_window_view(self._bands[: count + width - 1], width, axis=0)
            smooth = np.partition(neighbours, self._half, axis=-1)[..., self._half]
            self._smooth = np.concatenate([self._smooth, smooth])
            self._sampled = np.concatenate([self._sampled, smooth[::SAMPLE]])
            self._bands = self._bands[count:]
        return self._compared(is_end=is_end)

    def _compared(self, *, is_end: bool) -> list[_Step]:
        """Steps of which enough of the future is known, beside the noise."""
        per_step, steps = STEP // SAMPLE, []
        num_known = len(self._smooth) // STEP if not is_end else -(-len(self._smooth) // STEP)
        first = self._num_compared  # of these steps, in the sound
        begin = max(0, first - self._window)  # of the samples
        for step in range(first, first + num_known):
            end = max(self._first, step + 1 + self._ahead)
            if end > first + num_known and not is_end:
                break
            sampled = self._sampled[(max(0, step - self._window) - begin) * per_step : (end - begin) * per_step]
            here = self._smooth[(step - first) * STEP : (step + 1 - first) * STEP]
            noise = self._noise(sampled)
            usual = np.sort(_above(sampled, noise))[int(self._config.usual_share * len(sampled))]
            steps.append(_Step(_above(here, noise), here[:, -1], usual))
        self._num_compared += len(steps)
        self._smooth = self._smooth[len(steps) * STEP :]
        self._sampled = self._sampled[(max(0, self._num_compared - self._window) - begin) * per_step :]
        return steps

    def _noise(self, sampled: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The noise in each band (B,) of smoothed frames (T, B + 1): that of the quietest which are recorded at all."""
        energy, lowest = sampled[:, -1], self._config.min_noise_db
        is_sound = energy > lowest
        if not is_sound.any():
            return np.full(sampled.shape[1] - 1, lowest)
        sampled, energy = sampled[is_sound], energy[is_sound]
        last = int(self._config.noise_share * len(energy))
        return np.asarray(sampled[energy.argpartition(last)[: last + 1], :-1].mean(axis=0))


def _above(smooth: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By how much smoothed frames (T, B + 1) are above the noise (B,): (T,), the root mean square over the bands."""
    return np.asarray(np.sqrt(np.square(np.maximum(smooth[:, :-1] - noise, 0.0)).mean(axis=1)))


class _Cutter:
    """Steps of levels -> segments."""

    def __init__(self, config: SpeechConfig, features: FeatureConfig) -> None:
        self._config, self._stack, plan = config, features.stack, SpeechPlan.of(config, features)
        self._first, self._min_speech, self._min_silence = plan.first, plan.min_speech, plan.min_silence
        self._margin, self._loud, self._longest = plan.margin, plan.loud, plan.longest
        self._reset()

    def _reset(self) -> None:
        self._frame = self._start = 0  # the next frame, and the first one of the segment that is open
        self._run = self._loud_run = 0  # frames of speech so far, and of those that are no pause
        self._speech_end: int | None = None  # of the open segment
        self._loud_end = 0  # of the last loud run
        self._last: deque[float] = deque(maxlen=self._min_speech)  # energies
        self._recent: deque[tuple[int, float]] = deque()  # frames and what these last for, each the loudest since then
        self._energies: deque[float] = deque()  # of the open segment
        self._segments: list[Segment] = []

    @property
    def is_speech(self) -> bool:
        """Whether there is speech in the open segment."""
        return self._speech_end is not None

    @property
    def end(self) -> int | None:
        """Where the open segment ends if its speech has ended."""
        if self._speech_end is None or self._speech_end == self._frame:
            return None
        return self._rounded(self._speech_end + self._margin)

    def feed(self, step: _Step) -> list[Segment]:
        """The next frames -> the segments that are known by now."""
        config = self._config
        threshold = min(max(config.threshold_db, config.unsteady * step.usual_db), config.max_threshold_db)
        for above_db, energy_db in zip(step.above_db.tolist(), step.energy_db.tolist(), strict=True):
            self._next(above_db > threshold, energy_db)
        segments, self._segments = self._segments, []
        return segments

    def flush(self) -> list[Segment]:
        """The rest of the segments."""
        end = self._frame
        if self._speech_end is not None:
            last = self._rounded(self._speech_end + self._margin)
            if last < end:
                self._cut(last, is_speech=True)
            else:
                self._cut(end, is_speech=True)
        is_unknown = not self._segments and not self._start and end < self._first
        while end > self._start:
            self._cut(min(end, self._start + self._longest), is_speech=is_unknown)
        segments = self._segments
        self._reset()
        return segments

    def _rounded(self, frame: int) -> int:
        return frame // self._stack * self._stack

    def _cut(self, end: int, *, is_speech: bool) -> None:
        self._segments.append(Segment(self._start, end, is_speech))
        for _ in range(end - self._start):
            self._energies.popleft()
        self._start, self._speech_end = end, None

    def _next(self, is_speech: bool, energy_db: float) -> None:
        frame = self._frame
        self._frame += 1
        self._energies.append(energy_db)
        self._run = self._run + 1 if is_speech else 0
        if self._run >= self._min_speech:
            if self._run == self._min_speech:
                self._begin(frame + 1 - self._run)
            self._speech_end = frame + 1
        is_loud = is_speech and energy_db >= self._loudest(frame, energy_db) - self._config.pause_db
        self._loud_run = self._loud_run + 1 if is_loud else 0
        if self._loud_run >= self._min_speech:
            begin = frame + 1 - self._loud_run
            if self._loud_run == self._min_speech and begin - self._loud_end >= self._min_silence:
                self._divide(self._loud_end, begin)
            self._loud_end = frame + 1
        quiet = frame + 1 - self._run  # so far: a knock does not count
        if self._speech_end is None:
            if self._rounded(quiet - self._margin) - self._start >= self._longest:
                self._cut(self._start + self._longest, is_speech=False)
        elif quiet - self._speech_end > max(self._min_silence, 2 * self._margin):
            self._cut(self._rounded(self._speech_end + self._margin), is_speech=True)
        if self._frame - self._start >= self._longest and self._speech_end is not None:
            self._divide(self._start + self._longest // 2, self._frame)

    def _loudest(self, frame: int, energy_db: float) -> float:
        """The largest energy of the last frames that lasts as long as speech must."""
        self._last.append(energy_db)
        lasting_db = min(self._last)
        while self._recent and self._recent[-1][1] <= lasting_db:
            self._recent.pop()
        self._recent.append((frame, lasting_db))
        if self._recent[0][0] <= frame - self._loud:
            self._recent.popleft()
        return self._recent[0][1]

    def _begin(self, begin: int) -> None:
        """Speech begins again."""
        if self._speech_end is None:
            last = self._rounded(begin - self._margin)
            if last > self._start:
                self._cut(last, is_speech=False)
        elif begin - self._speech_end >= self._min_silence:
            self._divide(self._speech_end, begin)

    def _divide(self, first: int, last: int) -> None:
        """Cut at the quietest of frames [first, last), if they are in the open segment and it speaks before them."""
        speech_end = self._speech_end
        if first > self._start and speech_end is not None:
            energies = list(itertools.islice(self._energies, first - self._start, last - self._start))
            cut = self._rounded(first + energies.index(min(energies)))
            if cut > self._start:
                self._cut(cut, is_speech=True)
                self._speech_end = speech_end if speech_end > cut else None
