"""`asr-listen`: raw sound through a pipe, a microphone that is played, what is printed, Ctrl-C."""

import json
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
from conftest import speak_digits

from asr.audio import AudioError, microphone
from asr.cli import listen
from asr.modelfile.locate import SHIPPED
from asr.recognition.live import Live, LiveConfig
from asr.recognition.recognizer import Recognizer

COMMAND = [sys.executable, "-c", "from asr.cli.listen import main; main()", "-", "--model", str(SHIPPED)]


@pytest.fixture(scope="module")
def pcm():
    """Three digits at 16 kHz, as the bytes that arecord writes."""
    return np.round(speak_digits(1.25) * 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def expected(pcm):
    return LiveConfig().of(Recognizer.load()).transcribe(np.frombuffer(pcm, np.int16), 16000)


def test_a_pipe(pcm, expected):
    done = subprocess.run(COMMAND, input=pcm + b"\0", capture_output=True, check=True)
    assert done.stdout.decode().split() == expected.text.split()
    done = subprocess.run([*COMMAND, "--format", "json"], input=pcm, capture_output=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [word for line in lines for word in line.get("words", ())] and any("partial" in line for line in lines)
    assert " ".join(line["text"] for line in lines if "text" in line) == expected.text


def test_ctrl_c_ends_with_what_was_spoken(pcm, expected):
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(pcm[: -2 * 19000])  # no pause is long enough after the last word
        process.stdin.flush()
        first = process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and b"Traceback" not in errors
    assert expected.text.startswith((first + rest.decode()).replace("\n", " ").strip())


def test_partials_are_rewritten_in_place_on_a_terminal(pcm, expected, capsys):
    screen = listen._Screen(is_json=False, is_terminal=True)
    live = Live(Recognizer.load(), sample_rate=16000)
    blocks = np.array_split(np.frombuffer(pcm, np.int16), 200)
    listen._follow(live, iter(blocks), screen, 16000)
    out = capsys.readouterr().out
    assert "[####" in out and out.endswith("\r\x1b[K")
    lines = [line.split("\x1b[K")[-1] for line in out.split("\n")[:-1]]
    assert lines == expected.text.split()


def test_the_microphone(monkeypatch):
    class Stream:
        def __init__(self, rate, size, device, channels, dtype, callback):
            assert (rate, size, device, channels, dtype) == (16000, 320, 3, 1, "int16")
            for number in range(3):
                callback(np.full((size, 1), number, np.int16), size, None, None)

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            pass

    fake = types.SimpleNamespace(
        InputStream=Stream, PortAudioError=RuntimeError, default=types.SimpleNamespace(device=[1, 0])
    )
    fake.query_devices = lambda: [
        {"name": "speaker", "max_input_channels": 0, "default_samplerate": 48000.0},
        {"name": "webcam", "max_input_channels": 2, "default_samplerate": 44100.0},
    ]
    monkeypatch.setattr(microphone, "_sounddevice", lambda: fake)
    monkeypatch.setattr(microphone, "_PATIENCE_S", 0.01)
    assert microphone.devices() == ["* 1: webcam (2 in, 44100 Hz)"]
    blocks = microphone.blocks(16000, 20, "3")
    assert [next(blocks)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(AudioError, match="unplugged"):
        next(blocks)
    fake.InputStream = lambda *_, **__: (_ for _ in ()).throw(RuntimeError("Invalid device"))
    with pytest.raises(AudioError, match="Invalid device"):
        next(microphone.blocks(16000, 20))


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match=r"\[listen\]"):
        microphone.devices()
