"""The microphone, through PortAudio: the one owner of sounddevice."""

import queue
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import extras
from asr.audio.source import AudioError

_WAITING = 600  # blocks that may wait before some are lost: a minute of 100 ms each
_PATIENCE_S = 5.0  # a device that gives nothing for so long is gone


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise AudioError(extras.missing("the microphone", "sounddevice", "listen")) from None
    except OSError:
        raise AudioError("the microphone needs PortAudio: on Debian and Ubuntu, apt install libportaudio2") from None
    return sounddevice


def devices() -> list[str]:
    """Number, name, channels and rate in Hz of each device that records, one a line. Raises AudioError."""
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        f"{'*' if number == default else ' '} {number}: {device['name']} ({device['max_input_channels']} in, "
        f"{device['default_samplerate']:.0f} Hz)"
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def blocks(sample_rate: int, block_ms: float, device: str | None = None) -> Iterator[npt.NDArray[np.int16]]:
    """What a microphone records, in blocks (num_samples,) at `sample_rate`, until the iterator is closed.

    `device` is a number or a part of a name of `devices`. Raises AudioError where it cannot record, or is unplugged.
    """
    sounddevice = _sounddevice()
    waiting: queue.Queue[npt.NDArray[np.int16]] = queue.Queue(_WAITING)

    def take(block: npt.NDArray[np.int16], *_: Any) -> None:  # in PortAudio's own thread, which must not wait
        with suppress(queue.Full):
            waiting.put_nowait(block[:, 0].copy())

    chosen = int(device) if device is not None and device.isdecimal() else device
    size = round(sample_rate * block_ms / 1000)
    try:
        with sounddevice.InputStream(sample_rate, size, chosen, 1, "int16", callback=take):
            while True:
                yield waiting.get(timeout=_PATIENCE_S)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"the microphone: {error}; asr-listen --devices lists those that there are") from None
    except queue.Empty:
        raise AudioError(f"the microphone has recorded nothing for {_PATIENCE_S:g} s; is it unplugged?") from None
