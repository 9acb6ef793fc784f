"""Formats of browsers and phones come out of PyAV as they went in."""

import numpy as np
import pytest

from asr.audio import foreign

av = pytest.importorskip("av", reason="PyAV is not installed")


@pytest.mark.parametrize(("container", "codec"), [("webm", "libopus"), ("mp4", "aac"), ("adts", "aac"), ("3gp", "aac")])
def test_sound_comes_out_as_it_went_in(tmp_path, container, codec):
    path, rate = tmp_path / "x", 48000
    seconds = np.arange(rate) / rate
    wanted = (0.3 * np.sin(2 * np.pi * (300 + 400 * seconds) * seconds)).astype(np.float32)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 96000
        frame = av.AudioFrame.from_ndarray((wanted[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    data = path.read_bytes()
    assert foreign.is_foreign(data)
    found = np.concatenate(list(foreign.blocks(data, rate)))
    aligned = np.correlate(found[:40000:8], wanted[:36000:8], "valid")
    power = np.sqrt(np.square(wanted[:36000:8]).sum() * np.square(found[:36000:8]).sum())
    assert aligned.max() > 0.8 * power


def test_amr_and_wma_are_known():
    assert foreign.is_foreign(b"#!AMR\n") and foreign.is_foreign(bytes.fromhex("3026b2758e66cf11"))
    assert not foreign.is_foreign(b"RIFF....WAVE")
