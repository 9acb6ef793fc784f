"""Cepstra of CMU Sphinx -> those that our front end makes of the same sound, so that both train one network.

Sphinx (sphinx_fe, sphinxbase `fe_sigproc.c`) differs in four constants: samples are integers up to 32767, the power
spectrum is not divided by the FFT's size, mel filters have an area of one and edges at whole FFT bins, and the DCT
`legacy` is a mean over the filters that counts the first of them half.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from asr.features.config import FeatureConfig, FeatureError, mel
from asr.features.mfcc import Mfcc, dct

_FULL_SCALE = 32768.0


def from_sphinx(cepstra: npt.NDArray[Any], config: FeatureConfig) -> npt.NDArray[np.float32]:
    """Sphinx cepstra (T, num_cepstra), without liftering, by the DCT `legacy` -> ours (T, num_cepstra) float32.

    Sphinx's log spectrum is ours and a constant for each filter: its cepstra are `legacy` (ours @ dct.T + constants),
    where the cosines of ours that are not kept are taken to be 0. On real speech the error is, of each
    coefficient's standard deviation, 1 % in the first, 3 % in the second, 12 % in the sixth, 27 % in the last, with
    hardly a bias: filter edges lie on other FFT bins, and of the first filter only the smoothed energy is known.
    Raises FeatureError where `config` has another first coefficient or window than Sphinx.
    """
    if config.energy != "c0" or config.window_function != "hamming":
        raise FeatureError("Sphinx cepstra need features.energy: c0 and features.window_function: hamming")
    cosines = dct(config)
    legacy = cosines * np.sqrt(np.where(np.arange(config.num_cepstra), 2, 4) / config.num_filters) / 2
    legacy[0] /= 2
    constants = np.log(_areas(config) * _FULL_SCALE**2 * config.fft_size)
    ours = np.linalg.solve((cosines.T @ legacy).T, (cepstra - constants @ legacy).T).T
    return np.asarray(ours * config.liftering, np.float32)


def _areas(config: FeatureConfig) -> npt.NDArray[np.float64]:
    """(num_filters,): the sum over FFT bins of each of Sphinx's filters, in ours."""
    step = config.sample_rate / config.fft_size
    mels = np.linspace(mel(config.low_hz), mel(config.top_hz), config.num_filters + 2)
    edges = np.floor(700 * (10 ** (mels / 2595) - 1) / step + 0.5) * step
    hz = np.arange(config.fft_size // 2 + 1)[:, None] * step
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        triangles = np.fmin((hz - left) / (centre - left), (right - hz) / (right - centre))
    sphinx = (np.maximum(triangles, 0) * 2 / (right - left)).sum(axis=0)
    return np.asarray(sphinx / Mfcc(config).filters[:, :-1].sum(axis=0) * config.fft_size)
