"""What browsers and phones record and libsndfile does not read, through PyAV: WebM, MP4, 3GP, AAC, AMR, WMA."""

import io
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import extras
from asr.audio.source import AudioError

if TYPE_CHECKING:
    from asr.audio import Waveform

_EBML, _MP4_BOX = b"\x1a\x45\xdf\xa3", b"ftyp"
_ADTS = (b"\xff\xf1", b"\xff\xf9")
_AMR, _ASF = b"#!AMR", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"


def is_foreign(data: bytes) -> bool:
    """Whether the bytes of a file are of a format that is read here."""
    return data[:4] == _EBML or data[4:8] == _MP4_BOX or data[:2] in _ADTS or data.startswith((_AMR, _ASF))


def blocks(data: bytes, sample_rate: int) -> "Iterator[Waveform]":
    """The sound in the bytes of a file as one channel at a rate in Hz, in short blocks.

    Raises AudioError for what is damaged or holds no sound, and where PyAV is missing.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise AudioError(extras.missing("sound in WebM, MP4, AMR or WMA", "av", "serve")) from None
    resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
    num_samples = 0
    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.audio:
                raise AudioError("holds no sound")
            for frame in itertools.chain(container.decode(audio=0), [None]):
                for part in resampler.resample(frame):
                    block = _samples(part)
                    num_samples += len(block)
                    yield block
    except av.FFmpegError as error:
        raise AudioError(f"damaged: {error.strerror}") from None
    if not num_samples:
        raise AudioError("holds no samples")


def _samples(frame: Any) -> "Waveform":
    waveform: Waveform = np.asarray(frame.to_ndarray(), np.float32).reshape(-1)
    if not np.isfinite(waveform).all():
        raise AudioError("holds samples that are not finite numbers")
    return waveform
