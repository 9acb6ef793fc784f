"""The bytes of a recording -> a Sound whose length is limited."""

from collections.abc import Iterator

from asr import audio
from asr.audio import AudioError, Waveform, foreign
from asr.files import shown
from asr.recognition.source import Sound

_BLOCK_S = 30.0
LIVE_RATES = (2000, 192_000)  # Hz, of live sound; slower sound would fill the memory with what is resampled
MAX_BLOCK = 1 << 20  # bytes of live sound at once: half a minute of 16 bits at 16 kHz


class TooLongError(AudioError):
    """More sound than the server takes."""


def opened(data: bytes, name: str, sample_rate: int, max_seconds: float) -> Sound:
    """A recording of any format that libsndfile reads, or else PyAV, at a rate in Hz.

    Reading it raises AudioError naming what is no sound, and TooLongError.
    """

    def blocks() -> Iterator[Waveform]:
        num_samples = 0
        try:
            for block in _blocks(data, sample_rate):
                num_samples += len(block)
                if num_samples > max_seconds * sample_rate:
                    raise TooLongError(f"longer than the {max_seconds:g} s that this server takes at once")
                yield block
        except AudioError as error:  # which calls bytes that have no name "sound"
            raise type(error)(f"{shown(name)}: {str(error).removeprefix('sound: ')}") from None

    return Sound(name, blocks)


def _blocks(data: bytes, sample_rate: int) -> Iterator[Waveform]:
    if foreign.is_foreign(data):
        return foreign.blocks(data, sample_rate)
    return audio.blocks(data, sample_rate, block_s=_BLOCK_S)
