"""Waveforms to MFCCs."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.measuring import section


@cache
def _waveforms() -> list[Any]:
    """300 waveforms of 2.5 s at 16 kHz: noise whose spectrum falls as that of speech does."""
    import numpy as np

    rng = np.random.default_rng(0)
    white = rng.standard_normal((300, 40_000))
    return list((0.1 * (white + np.roll(white, 1, axis=1))).astype(np.float32))


def _same_cepstra(ours: Any, peer: Any) -> str:
    import numpy as np

    if len(peer) != len(ours):
        return "another definition of MFCC"
    difference = np.abs(np.array(ours) - np.array(peer)).max()
    if difference > 1:
        return "another definition of MFCC"
    assert difference < 1e-3, difference
    return f"within {max(difference, 1e-9):.0e}"


features = section(
    "features", "MFCC: 300 waveforms of 2.5 s in memory", "seconds of sound", 750, same=_same_cepstra, repeats=2,
)  # fmt: skip


@features.contender("asr")
def _(_folder: Path) -> Iterator[Any]:
    from asr.features import FeatureConfig, FeatureExtractor

    waveforms, extractor = _waveforms(), FeatureExtractor(FeatureConfig())
    yield
    made = [extractor.cepstra(waveform) for waveform in waveforms]
    yield made[-1][-1].tolist()


@features.contender("python_speech_features")
def _(_folder: Path) -> Iterator[Any]:
    import python_speech_features

    waveforms = _waveforms()
    yield
    made = [python_speech_features.mfcc(waveform, 16000) for waveform in waveforms]
    yield made[-1][-1].tolist()


@features.contender("kaldi-native-fbank")
def _(_folder: Path) -> Iterator[Any]:
    import kaldi_native_fbank
    import numpy as np

    waveforms, options = _waveforms(), kaldi_native_fbank.MfccOptions()
    options.frame_opts.dither = 0
    yield
    made = []
    for waveform in waveforms:
        mfcc = kaldi_native_fbank.OnlineMfcc(options)
        mfcc.accept_waveform(16000, waveform)
        mfcc.input_finished()
        made.append(np.stack([mfcc.get_frame(index) for index in range(mfcc.num_frames_ready)]))
    yield made[-1][-1].tolist()


@features.contender("librosa")
def _(_folder: Path) -> Iterator[Any]:
    import librosa

    waveforms = _waveforms()
    settings: dict[str, Any] = {
        "sr": 16000,
        "n_mfcc": 13,
        "n_fft": 512,
        "win_length": 400,
        "hop_length": 160,
        "n_mels": 26,
    }
    librosa.feature.mfcc(y=waveforms[0], **settings)
    yield
    made = [librosa.feature.mfcc(y=waveform, **settings) for waveform in waveforms]
    yield made[-1][:, -1].tolist()


@features.contender("torchaudio.transforms")
def _(_folder: Path) -> Iterator[Any]:
    import torch
    from torchaudio.transforms import MFCC

    torch.set_num_threads(1)
    waveforms = [torch.from_numpy(waveform) for waveform in _waveforms()]
    transform = MFCC(16000, 13, melkwargs={"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 26})
    yield
    made = [transform(waveform) for waveform in waveforms]
    yield made[-1][:, -1].tolist()
