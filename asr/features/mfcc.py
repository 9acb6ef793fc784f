"""Waveform -> cepstra as python_speech_features computes them, in chunks whose memory is used again. numpy only."""

import math
import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.features.config import FeatureConfig, FeatureError, Frames, mel

_CHUNK = 256  # frames per FFT call: their spectra stay in the processor's second-level cache
_BLOCK = 4 * _CHUNK - 1  # frames that a waveform in blocks is cut into; one more is computed for what came before
_EPS = float(np.finfo(float).eps)  # what python_speech_features puts for a zero energy, in either precision


class Mfcc:
    """Waveform -> cepstra for one configuration; its tables are computed once, and threads may share it."""

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self._workspaces = threading.local()

    def __call__(self, waveform: npt.NDArray[Any]) -> Frames:
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
        workspace = self._workspace(dtype)
        num_frames = config.num_frames(len(signal))
        cepstra = np.empty((num_frames, config.num_cepstra), wanted)
        for start in range(0, num_frames, _CHUNK):
            count = min(_CHUNK, num_frames - start)
            self._emphasise(signal, start * config.hop, (count - 1) * config.hop + config.window, scale, workspace)
            width = min(config.window, config.fft_size)
            windows, spectrum, power, energies = (part[:count] for part in workspace.tables)
            if config.window_function == "hamming":
                np.multiply(workspace.framed[:count, :width], workspace.window[:width], out=windows[:, :width])
            else:
                windows[:, :width] = workspace.framed[:count, :width]
            # norm="forward" keeps float32 in float32, and leaves the power spectrum 1 / fft_size^2 too small.
            np.fft.rfft(windows, norm="forward", out=spectrum)
            np.square(spectrum.view(dtype), out=power)  # real and imaginary parts, which the filters add up
            np.matmul(power, workspace.filters, out=energies)
            np.copyto(energies, dtype.type(_EPS), where=energies == 0)
            if config.filter_floor_db:
                floor = energies[:, :-1].mean(axis=1, keepdims=True) * dtype.type(10 ** (-config.filter_floor_db / 10))
                np.maximum(energies[:, :-1], floor, out=energies[:, :-1])
            np.log(energies, out=energies)
            cepstra[start : start + count] = energies[:, :-1] @ workspace.cosines
            if config.energy == "log_energy":  # the last column is the whole frame's energy
                cepstra[start : start + count, 0] = energies[:, -1]
        return cepstra

    def _workspace(self, dtype: np.dtype[Any]) -> "_Workspace":
        """This thread's work space: fresh memory for every chunk would cost more than the arithmetic."""
        workspaces = self._workspaces.__dict__
        if dtype.char not in workspaces:
            workspaces[dtype.char] = _Workspace(self.config, dtype, self.filters, self.cosines)
        workspace: _Workspace = workspaces[dtype.char]
        return workspace

    def _emphasise(self, signal: npt.NDArray[Any], start: int, count: int, scale: Any, workspace: "_Workspace") -> None:
        """Samples [start, start + count) less a part of the sample before each, zeros behind the end."""
        here = signal[start : start + count]
        before = signal[max(start - 1, 0) : start - 1 + len(here)]
        emphasised = workspace.emphasised[:count]
        emphasised[: len(here) - len(before)] = 0
        emphasised[len(here) :] = 0
        weight = scale.dtype.type(self.config.preemphasis) * scale
        np.multiply(before, -weight, out=emphasised[len(here) - len(before) : len(here)])
        emphasised[: len(here)] += here if scale == 1 else here * scale

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


class MfccStream:
    """A waveform in blocks of any length -> what `mfcc` makes of the whole, `num_frames` frames at a time.

    The frames that are computed together are the same however the blocks are cut, and so are the numbers.
    """

    def __init__(self, mfcc: Mfcc, num_frames: int = _BLOCK) -> None:
        self._mfcc, self._num_frames = mfcc, num_frames
        self._rest = np.empty(0, np.float32)
        self._lead = 0  # a hop of samples before those of the next frame, whose last one pre-emphasis needs

    def feed(self, block: npt.NDArray[Any]) -> Iterator[Frames]:
        """The next samples (num_samples,) -> cepstra (num_frames, num_cepstra), as often as there are so many."""
        hop, count = self._mfcc.config.hop, self._num_frames
        reach = (count - 1) * hop + self._mfcc.config.window
        self._rest = np.concatenate([self._rest, block]) if len(self._rest) else block
        while len(self._rest) >= self._lead + reach + hop:  # what is left over is a frame of its own at least
            ready = self._rest[: self._lead + reach]
            skipped, self._rest = self._lead // hop, self._rest[self._lead + count * hop - hop :]
            self._lead = hop
            yield self._mfcc(ready)[skipped:]

    def flush(self) -> Frames:
        """The rest of the frames: the sound has ended, and another may begin."""
        rest, skipped = self._rest, self._lead // self._mfcc.config.hop
        self._rest, self._lead = np.empty(0, np.float32), 0
        return self._mfcc(rest)[skipped:]


class _Workspace:
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


def dct(config: FeatureConfig) -> npt.NDArray[np.float64]:
    """(num_filters, num_cepstra): the orthonormal DCT-II."""
    n, k = np.arange(config.num_filters)[:, None], np.arange(config.num_cepstra)
    basis = np.cos(np.pi * k * (2 * n + 1) / (2 * config.num_filters)) * math.sqrt(2 / config.num_filters)
    basis[:, 0] /= math.sqrt(2)
    return np.asarray(basis)
