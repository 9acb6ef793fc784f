"""Waveform -> frames: MFCCs as python_speech_features computes them, deltas, normalisation. numpy only.

Two steps, because training perturbs the frames between them: `static` turns a waveform into cepstra, `finish` adds
deltas and normalises. Calling the extractor does both.
"""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asr.errors import UserError

Frames = npt.NDArray[np.floating[Any]]
Scope = Literal["none", "utterance", "corpus"]
MeanScope = Literal["none", "utterance", "corpus", "speech"]

_CHUNK = 256  # frames per FFT call: their spectra stay in the processor's second-level cache
_BLOCK = 4 * _CHUNK - 1  # frames that a stream of sound is cut into; one more is computed for what came before
_DB = 10 / math.log(10)  # decibels in a neper of energy
# Of normalisation by speech, in decibels: a frame is speech where it is at most so much below the loudest, and all of
# it with some more; a click is no speech; below the level of speech all is equally silent.
_SPEECH_RANGE_DB, _RAMP_DB, _CLICK_DB, _FLOOR_DB = 20.0, 6.0, 10.0, -60.0
_PEAK_MS = 100.0  # how long the loudest lasts: longer than a click, shorter than a vowel
_EPS = float(np.finfo(float).eps)  # what python_speech_features puts for a zero energy, in either precision


class FeatureError(UserError):
    """Features that cannot be made or used; the message is one sentence."""


@dataclass(frozen=True)
class FeatureConfig:
    """How sound becomes frames. The defaults are those of `python_speech_features.mfcc`."""

    source: Literal["audio", "precomputed"] = "audio"
    """audio: MFCCs of the sound; precomputed: matrices that the manifest names, which we cannot compute ourselves."""
    sample_rate: int = 16000
    """Hz; sound at another rate is resampled to it."""
    window_ms: float = 25.0
    """Length of the analysis window."""
    hop_ms: float = 10.0
    """From the start of one window to the start of the next."""
    window_function: Literal["rectangular", "hamming"] = "rectangular"
    """What each window is multiplied by."""
    num_cepstra: int = 13
    """Cepstral coefficients kept."""
    energy: Literal["log_energy", "c0"] = "log_energy"
    """The first coefficient: the log energy of the frame, or the cepstrum's own."""
    num_filters: int = 26
    """Triangular mel filters."""
    filter_floor_db: float = 0.0
    """No filter is softer than so much below the mean of all filters of its frame, so that a band that a recording
    lacks, as one at 8 kHz does, is not far from a band that it has; 0: as soft as it is."""
    fft_size: int = 512
    """Points; a window longer than this is cut to it, as python_speech_features does."""
    low_hz: float = 0.0
    """Lower edge of the lowest filter."""
    high_hz: float | None = None
    """Upper edge of the highest filter; null: half the sample rate."""
    preemphasis: float = 0.97
    """Coefficient of the first difference before framing; 0 turns it off."""
    lifter: int = 22
    """Sinusoidal liftering of the cepstra; 0 turns it off."""
    deltas: Literal[0, 1, 2] = 0
    """How many orders of time derivatives stand beside the cepstra."""
    delta_window: int = 2
    """Frames on each side that a derivative is fitted to."""
    mean: MeanScope = "utterance"
    """Whose mean is subtracted from each coefficient. speech: that of the utterance's frames of speech, smoothed by the
    corpus, and from the energy the level of speech, so that neither gain nor silence around speech changes anything."""
    prior_frames: float = 100.0
    """With mean: speech, how many frames of an utterance weigh as much as the corpus."""
    variance: Scope = "corpus"
    """Whose standard deviation each coefficient is divided by."""
    stack: int = 1
    """Consecutive frames that the network sees as one, side by side: as many times fewer steps (Sak et al. 2015)."""
    tracts: tuple[float, ...] = (1.0,)
    """VTLN warp factors: what is recognised goes through the network with each of them, and the mean of the
    log-probabilities is taken: with [0.86, 1, 1.15] as spoken, by a taller and by a smaller one. Training uses 1."""
    edge_ms: float = 0.0
    """What is recognised gets so much faint noise, 60 dB below its peak, before and after: a sound cut close to a word
    would begin in the middle of it. Training does not: it has augment.pad_ms."""
    pause_ms: float = 0.0
    """What is recognised is cut in each pause of so much, and each segment is recognised on its own, with 0.3 s of
    silence around it at most, for a network that spells one word at a time, and was trained on none in long silence.
    0: sound of up to half a minute stays whole, as in training."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "window_ms", "hop_ms", "num_cepstra", "num_filters", "fft_size", "delta_window",
                     "stack"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise FeatureError(f"features.{name} must be above 0, not {getattr(self, name)}")
        if min(self.window, self.hop) < 1:
            raise FeatureError("features.window_ms and hop_ms must be at least one sample long")
        if self.source == "audio" and self.num_cepstra > self.num_filters:
            raise FeatureError(f"features.num_cepstra ({self.num_cepstra}) cannot exceed num_filters "
                               f"({self.num_filters})")  # fmt: skip
        if self.prior_frames <= 0:
            raise FeatureError(f"features.prior_frames must be above 0, not {self.prior_frames:g}")
        if not 0 <= self.low_hz < self.top_hz <= self.sample_rate / 2:
            raise FeatureError(f"features.low_hz and high_hz must satisfy 0 <= low < high <= {self.sample_rate / 2:g} "
                               f"(half the sample rate), not {self.low_hz:g} and {self.top_hz:g}")  # fmt: skip
        for name in ("edge_ms", "pause_ms", "filter_floor_db"):
            if getattr(self, name) < 0:
                raise FeatureError(f"features.{name} must not be negative, not {getattr(self, name):g}")
        object.__setattr__(self, "tracts", tuple(self.tracts))  # JSON gives a list
        if not self.tracts or not all(0.5 <= tract <= 2 for tract in self.tracts):
            raise FeatureError(f"features.tracts must be numbers from 0.5 to 2, not {list(self.tracts)}")
        if self.tracts != (1.0,) and self.variance == "utterance":
            raise FeatureError("features.tracts needs a variance that is none or corpus: an utterance's own differs "
                               "with the VTLN warp factor")  # fmt: skip

    @property
    def in_training(self) -> "FeatureConfig":
        """The same without the settings that are for recognition alone."""
        return replace(self, tracts=(1.0,), edge_ms=0.0, pause_ms=0.0)

    @property
    def top_hz(self) -> float:
        """Upper edge of the highest filter in Hz."""
        return self.sample_rate / 2 if self.high_hz is None else self.high_hz

    @property
    def window(self) -> int:
        """Samples in a window."""
        return _round_half_up(self.window_ms / 1000 * self.sample_rate)

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return _round_half_up(self.hop_ms / 1000 * self.sample_rate)

    @property
    def hop_s(self) -> float:
        """From the start of one frame of cepstra to the start of the next."""
        return self.hop_ms / 1000

    @property
    def liftering(self) -> npt.NDArray[np.float64]:
        """What each cepstrum (num_cepstra,) is multiplied by, the energy in the first one's place by 1."""
        if self.lifter <= 0:
            return np.ones(self.num_cepstra)
        return 1 + self.lifter / 2 * np.sin(np.pi * np.arange(self.num_cepstra) / self.lifter)

    @property
    def num_features(self) -> int:
        """Values in a finished frame."""
        return self.num_cepstra * (1 + self.deltas) * self.stack

    @property
    def frame_ms(self) -> float:
        """From the start of one finished frame to the start of the next."""
        return self.hop_ms * self.stack

    def num_stacked(self, num_frames: int) -> int:
        """Frames of features that `num_frames` frames of cepstra give."""
        return -(-num_frames // self.stack)

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of `num_samples` gives: the last window is filled up with zeros."""
        return 1 + max(0, math.ceil((num_samples - self.window) / self.hop))


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each feature over a corpus, before stacking: float32 (num_features,) each.

    With `mean: speech` the mean is that of the frames of speech, the energy relative to the level of speech.
    """

    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]


class FeatureExtractor:
    """Waveform -> frames for one configuration; its tables are computed once.

    `statistics` is needed where the configuration normalises by the corpus; `measure` makes it.
    """

    def __init__(self, config: FeatureConfig, statistics: Statistics | None = None) -> None:
        self.config = config
        self.statistics = statistics
        self._rooms = threading.local()

    def __call__(self, waveform: npt.NDArray[Any]) -> Frames:
        """(num_samples,) float in [-1, 1], or int16 -> (num_frames, num_features) in the precision of the input."""
        return self.finish(self.static(waveform))

    def static(self, waveform: npt.NDArray[Any]) -> Frames:
        """(num_samples,) -> cepstra (num_frames, num_cepstra), equal to `python_speech_features.mfcc`.

        Davis & Mermelstein 1980. float64 input is computed in float64, everything else in float32; int16 is divided
        by 32768 first. Raises FeatureError where the configuration says that the features are precomputed.
        """
        config = self.config
        if config.source != "audio":
            raise FeatureError("this model was trained on precomputed features that cannot be made from sound; "
                               "give it a manifest with `features`, or a .npy or .mfc file")  # fmt: skip
        signal = np.asarray(waveform)
        if signal.ndim != 1:
            raise FeatureError(f"a waveform has one axis, not shape {signal.shape}; average its channels first")
        wanted = np.dtype(np.float64 if signal.dtype == np.float64 else np.float32)
        # Where FFT bins are wide, the lowest filter is a single bin that pre-emphasis leaves almost nothing in, and
        # rounding to float32 would show in its logarithm.
        dtype = wanted if config.sample_rate / config.fft_size <= 40 else np.dtype(np.float64)
        scale = dtype.type(1 / 32768 if signal.dtype == np.int16 else 1)
        room = self._room(dtype)
        num_frames = config.num_frames(len(signal))
        cepstra = np.empty((num_frames, config.num_cepstra), wanted)
        for start in range(0, num_frames, _CHUNK):
            count = min(_CHUNK, num_frames - start)
            self._emphasise(signal, start * config.hop, (count - 1) * config.hop + config.window, scale, room)
            width = min(config.window, config.fft_size)
            windows, spectrum, power, energies = (part[:count] for part in room.tables)
            if config.window_function == "hamming":
                np.multiply(room.framed[:count, :width], room.window[:width], out=windows[:, :width])
            else:
                windows[:, :width] = room.framed[:count, :width]
            # norm="forward" keeps float32 in float32, and leaves the power spectrum 1 / fft_size^2 too small.
            np.fft.rfft(windows, norm="forward", out=spectrum)
            np.square(spectrum.view(dtype), out=power)  # real and imaginary parts, which the filters add up
            np.matmul(power, room.filters, out=energies)
            np.copyto(energies, dtype.type(_EPS), where=energies == 0)
            if config.filter_floor_db:
                floor = energies[:, :-1].mean(axis=1, keepdims=True) * dtype.type(10 ** (-config.filter_floor_db / 10))
                np.maximum(energies[:, :-1], floor, out=energies[:, :-1])
            np.log(energies, out=energies)
            cepstra[start : start + count] = energies[:, :-1] @ room.cosines
            if config.energy == "log_energy":  # the last column is the whole frame's energy
                cepstra[start : start + count, 0] = energies[:, -1]
        return cepstra

    def static_blocks(self, blocks: Iterable[npt.NDArray[Any]]) -> Iterator[Frames]:
        """A waveform in blocks of any length -> what `static` makes of the whole, `_BLOCK` frames at a time.

        The frames that are computed together are the same however the blocks are cut, and so are the numbers.
        """
        config = self.config
        hop, reach = config.hop, (_BLOCK - 1) * config.hop + config.window
        rest = np.empty(0, np.float32)
        lead = 0  # a hop of samples before those of the next frame, whose last one pre-emphasis needs
        for block in blocks:
            rest = np.concatenate([rest, block]) if len(rest) else block
            while len(rest) >= lead + reach + hop:  # what is left over is a frame of its own at least
                yield self.static(rest[: lead + reach])[lead // hop :]
                rest = rest[lead + _BLOCK * hop - hop :]
                lead = hop
        yield self.static(rest)[lead // hop :]

    def _room(self, dtype: np.dtype[Any]) -> "_Room":
        """This thread's work space: fresh memory for every chunk would cost more than the arithmetic."""
        rooms = self._rooms.__dict__
        if dtype.char not in rooms:
            rooms[dtype.char] = _Room(self.config, dtype, self.filters, self.cosines)
        room: _Room = rooms[dtype.char]
        return room

    def _emphasise(self, signal: npt.NDArray[Any], start: int, count: int, scale: Any, room: "_Room") -> None:
        """Samples [start, start + count) less a part of the sample before each, zeros behind the end."""
        here = signal[start : start + count]
        before = signal[max(start - 1, 0) : start - 1 + len(here)]
        emphasised = room.emphasised[:count]
        emphasised[: len(here) - len(before)] = 0
        emphasised[len(here) :] = 0
        weight = scale.dtype.type(self.config.preemphasis) * scale
        np.multiply(before, -weight, out=emphasised[len(here) - len(before) : len(here)])
        emphasised[: len(here)] += here if scale == 1 else here * scale

    def finish(self, static: Frames) -> Frames:
        """Cepstra (num_frames, num_cepstra) -> deltas appended, normalised, stacked (num_stacked, num_features).

        Raises FeatureError if corpus statistics are wanted and missing, or if the width is wrong.
        """
        config = self.config
        if {config.mean, config.variance} & {"corpus", "speech"} and self.statistics is None:
            raise FeatureError("features are normalised by corpus statistics, and none were given")
        self._check_width(static)
        if config.mean == "speech" and self.statistics:
            static = self._centred(static, self.statistics.mean)
        frames = self._with_deltas(static)
        mean = frames.mean(axis=0) if config.mean == "utterance" else None
        if config.mean == "corpus" and self.statistics:
            mean = self.statistics.mean
        centred = frames if mean is None else frames - mean
        if config.variance == "utterance":
            centred = np.asarray(centred / np.maximum(frames.std(axis=0), 1e-3), frames.dtype)
        elif config.variance == "corpus" and self.statistics:
            centred = centred / self.statistics.std.astype(frames.dtype)
        return stack(centred, config.stack)

    def measure(self, statics: Iterable[Frames]) -> Statistics:
        """Mean and standard deviation over a corpus of cepstra; about the utterance's mean where that is subtracted."""
        if self.config.mean == "speech":
            return self._measure_speech(statics)
        width = self.config.num_cepstra * (1 + self.config.deltas)
        count, total, squares = 0, np.zeros(width), np.zeros(width)
        for static in statics:
            self._check_width(static)
            frames = self._with_deltas(static).astype(np.float64)
            if self.config.mean == "utterance":
                frames = frames - frames.mean(axis=0)
            count += len(frames)
            total += frames.sum(axis=0)
            squares += np.square(frames).sum(axis=0)
        if count == 0:
            raise FeatureError("no frames to measure the corpus statistics on")
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - np.square(mean), 1e-6))
        return Statistics(mean.astype(np.float32), std.astype(np.float32))

    def edged(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(num_samples,) -> the same between edges of faint noise, always the same, as the configuration says."""
        num_samples = _round_half_up(self.config.edge_ms / 1000 * self.config.sample_rate)
        if not num_samples:
            return waveform
        noise = np.random.default_rng(0).standard_normal((2, num_samples), np.float32)
        before, after = noise * np.float32(1e-3) * np.abs(waveform).max(initial=0)
        return np.concatenate([before, waveform, after])

    def tracts(self, frames: Frames) -> Iterator[Frames]:
        """Features (T, F) -> the same, for each VTLN warp factor of the configuration."""
        if self.config.tracts == (1.0,):
            yield frames
            return
        for matrix, offset in self._tracts:
            yield frames @ matrix + offset

    def _centred(self, static: Frames, corpus_mean: npt.NDArray[np.float32]) -> Frames:
        """Cepstra (T, C) relative to the level of speech, less the mean of speech, smoothed by that of the corpus."""
        relative, weights = relative_to_speech(static, self.config)
        prior = self.config.prior_frames
        mean = (prior * corpus_mean[: static.shape[1]] + weights @ relative) / (prior + weights.sum())
        return np.asarray(relative - mean, static.dtype)

    def _measure_speech(self, statics: Iterable[Frames]) -> Statistics:
        """The mean over all frames of speech, and the deviation of all frames from the mean that is subtracted.

        Of an utterance with weights of sum w that is own + share m: share = prior_frames / (prior_frames + w), and m,
        the corpus's mean, is known only at the end. The squares of rest - share m are summed as those of its parts.
        """
        prior = self.config.prior_frames
        size, width = self.config.num_cepstra, self.config.num_cepstra * (1 + self.config.deltas)
        count, weight, speech = 0, 0.0, np.zeros(size)
        squares, crossed, shares = np.zeros(width), np.zeros(size), 0.0
        for static in statics:
            self._check_width(static)
            relative, weights = relative_to_speech(static.astype(np.float64), self.config)
            total = prior + weights.sum()
            rest = relative - weights @ relative / total
            count, weight, speech = count + len(static), weight + weights.sum(), speech + weights @ relative
            squares += np.square(self._with_deltas(rest)).sum(axis=0)
            crossed += prior / total * rest.sum(axis=0)
            shares += (prior / total) ** 2 * len(static)
        if count == 0:
            raise FeatureError("no frames to measure the corpus statistics on")
        mean = speech / weight
        squares[:size] += shares * np.square(mean) - 2 * crossed * mean
        std = np.sqrt(np.maximum(squares / count, 1e-6))
        return Statistics(np.pad(mean, (0, width - size)).astype(np.float32), std.astype(np.float32))

    def _check_width(self, static: Frames) -> None:
        if static.ndim != 2 or static.shape[1] != self.config.num_cepstra:
            raise FeatureError(f"features of shape {static.shape} do not fit: this model wants (frames, "
                               f"{self.config.num_cepstra})")  # fmt: skip

    def _with_deltas(self, static: Frames) -> Frames:
        """Cepstra (T, C) -> with their derivatives beside them (T, C * (1 + deltas))."""
        orders = [static]
        for _ in range(self.config.deltas):
            orders.append(delta(orders[-1], self.config.delta_window))
        return np.concatenate(orders, axis=1) if len(orders) > 1 else static

    @cached_property
    def _tracts(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """What a warp of the cepstra is for features: a matrix (F, F) and an offset (F,)."""
        config = self.config
        orders = 1 + config.deltas
        mean, std = np.zeros(config.num_cepstra * orders), np.ones(config.num_cepstra * orders)
        if self.statistics and config.mean == "corpus":
            mean = self.statistics.mean.astype(np.float64)
        if self.statistics and config.variance == "corpus":
            std = self.statistics.std.astype(np.float64)
        made = []
        for tract in config.tracts:
            matrix = np.kron(np.eye(orders), warp(tract, config))
            scaled, offset = matrix * std[:, None] / std, (mean @ matrix - mean) / std
            made.append((np.kron(np.eye(config.stack), scaled).astype(np.float32),
                         np.tile(offset, config.stack).astype(np.float32)))  # fmt: skip
        return made

    @cached_property
    def filters(self) -> npt.NDArray[np.float64]:
        """(fft_size / 2 + 1, num_filters + 1): mel triangles, and a column of ones for the total energy.

        Scaled by fft_size to make up for the FFT's norm="forward".
        """
        config = self.config
        mels = np.linspace(mel(config.low_hz), mel(config.top_hz), config.num_filters + 2)
        edges = np.floor((config.fft_size + 1) * 700 * (10 ** (mels / 2595) - 1) / config.sample_rate)
        bins = np.arange(config.fft_size // 2 + 1)[:, None]
        left, centre, right = edges[:-2], edges[1:-1], edges[2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            rising = np.where((bins >= left) & (bins < centre), (bins - left) / (centre - left), 0)
            falling = np.where((bins >= centre) & (bins < right), (right - bins) / (right - centre), 0)
        return np.hstack([rising + falling, np.ones((len(bins), 1))]) * config.fft_size

    @cached_property
    def cosines(self) -> npt.NDArray[np.float64]:
        """(num_filters, num_cepstra): the orthonormal DCT-II with the lifter's weights folded in."""
        return dct(self.config) * self.config.liftering


class _Room:
    """Tables and work space for chunks of frames in one precision, used by one thread."""

    def __init__(
        self, config: FeatureConfig, dtype: np.dtype[Any], filters: npt.NDArray[Any], cosines: npt.NDArray[Any]
    ) -> None:
        bins = config.fft_size // 2 + 1
        self.filters = np.repeat(filters, 2, axis=0).astype(dtype)  # for real and imaginary parts alike
        self.cosines = cosines.astype(dtype)
        self.window = np.hamming(config.window).astype(dtype)
        self.emphasised = np.zeros((_CHUNK - 1) * config.hop + config.window, dtype)
        step = self.emphasised.strides[0]
        self.framed = np.lib.stride_tricks.as_strided(
            self.emphasised, (_CHUNK, config.window), (config.hop * step, step), writeable=False
        )
        self.tables = (
            np.zeros((_CHUNK, config.fft_size), dtype),
            np.empty((_CHUNK, bins), np.result_type(dtype, np.complex64)),
            np.empty((_CHUNK, 2 * bins), dtype),
            np.empty((_CHUNK, config.num_filters + 1), dtype),
        )


def relative_to_speech(static: Frames, config: FeatureConfig) -> tuple[Frames, npt.NDArray[np.float64]]:
    """Cepstra (T, C) -> the same, their energy relative to that of speech, and how much each frame is speech.

    The peak is the level that the loudest 100 ms reach: a percentile would fall with each second of silence around
    speech, and a click is shorter. A frame's weight (T,) rises from 0 to 1 between 20 and 14 dB below the peak, and
    falls to 0 between 10 and 16 dB above it; the energy of speech is the mean of the frames', so weighted.
    """
    levels = levels_db(static, config)
    rank = max(1, min(round(_PEAK_MS / config.hop_ms), (len(levels) + 1) // 2))
    above = levels + np.partition(-levels, rank - 1)[rank - 1]
    weights = np.clip((above + _SPEECH_RANGE_DB) / _RAMP_DB, 0, 1) * np.clip((_CLICK_DB - above) / _RAMP_DB + 1, 0, 1)
    energy = static[:, 0].astype(np.float64)
    energy -= weights @ energy / weights.sum()
    unit_db = _DB if config.energy == "log_energy" else _DB / math.sqrt(config.num_filters)
    relative = static.copy()
    relative[:, 0] = np.maximum(energy, _FLOOR_DB / unit_db)
    return relative, weights


def levels_db(static: Frames, config: FeatureConfig) -> npt.NDArray[np.float64]:
    """How loud each frame (T,) of cepstra (T, C) was before pre-emphasis, which lets white noise seem 15 dB louder.

    What pre-emphasis took from each filter is given back to the spectrum that the cepstra say, above 300 Hz alone: hum
    is no speech.
    """
    basis, gains = _deemphasis(config)
    spectrum = static[:, 1:] @ basis
    level = np.log(np.exp(spectrum + gains).sum(axis=1))
    if config.energy == "c0":
        return np.asarray(_DB * (level + static[:, 0] / math.sqrt(config.num_filters)))
    return np.asarray(_DB * (level - np.log(np.exp(spectrum).sum(axis=1)) + static[:, 0]))


@lru_cache(maxsize=32)
def _deemphasis(config: FeatureConfig) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(num_cepstra - 1, num_filters): cepstra -> log spectrum; (num_filters,): what pre-emphasis took from each."""
    basis = dct(config)[:, 1:] / np.where(config.liftering == 0, np.inf, config.liftering)[1:]
    mels = np.linspace(mel(config.low_hz), mel(config.top_hz), config.num_filters + 2)[1:-1]
    hz = np.maximum(700 * (10 ** (mels / 2595) - 1), 300)
    gains = np.abs(1 - config.preemphasis * np.exp(-2j * np.pi * hz / config.sample_rate))
    return np.asarray(basis.T), np.asarray(-2 * np.log(gains))


def dct(config: FeatureConfig) -> npt.NDArray[np.float64]:
    """(num_filters, num_cepstra): the orthonormal DCT-II."""
    n, k = np.arange(config.num_filters)[:, None], np.arange(config.num_cepstra)
    basis = np.cos(np.pi * k * (2 * n + 1) / (2 * config.num_filters)) * math.sqrt(2 / config.num_filters)
    basis[:, 0] /= math.sqrt(2)
    return np.asarray(basis)


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


def pad(rows: Sequence[npt.NDArray[Any]], dtype: type) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Arrays of different length -> one array (B, longest, ...) filled up with zeros, and their lengths (B,)."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.zeros((len(rows), max(int(lengths.max()), 1), *rows[0].shape[1:]), dtype)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded, lengths


@lru_cache(maxsize=128)
def warp(tract: float, config: FeatureConfig) -> npt.NDArray[np.float64]:
    """(num_cepstra, num_cepstra): cepstra @ this have what stood at f Hz stand at f * tract (Pitz & Ney 2005).

    The log spectrum that cepstra c say, sum of c_k cos(pi k x) over mel x in [0, 1], is read at warped places and
    projected on the cosines again. The first coefficient, an energy, stays; the upper end of the band is filled with
    what stands at its edge.
    """
    points, k = 256, np.arange(1, config.num_cepstra)
    x = (np.arange(points) + 0.5) / points
    low, high = mel(config.low_hz), mel(config.top_hz)
    hz = 700 * (10 ** ((low + x * (high - low)) / 2595) - 1)
    source = np.clip((2595 * np.log10(1 + hz / tract / 700) - low) / (high - low), 0, 1)
    lifter = config.liftering[1:]
    matrix = np.eye(config.num_cepstra)
    warped = np.cos(np.pi * np.outer(k, source)) @ np.cos(np.pi * np.outer(x, k)) * 2 / points
    matrix[1:, 1:] = warped / lifter[:, None] * lifter
    return matrix


def mel(hz: float) -> float:
    """The mel scale of O'Shaughnessy 1987."""
    return 2595 * math.log10(1 + hz / 700)


def _round_half_up(value: float) -> int:
    return math.floor(value + 0.5)
