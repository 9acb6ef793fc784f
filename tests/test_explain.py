import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import spell

from asr import audio
from asr.errors import UserError
from asr.recognition.explain import explain
from asr.recognition.recognizer import Recognizer


@pytest.fixture
def recognizer(tones_run):
    return Recognizer.load(tones_run[0])


def test_what_is_recognised_loses_nowhere_and_other_words_lose_where_they_differ(recognizer, tmp_path):
    path = str(tmp_path / "x.wav")
    audio.write(path, spell("abc", np.random.default_rng(3)), 16000)
    text = explain(recognizer, path).transcript.text
    same = explain(recognizer, path, text).expected
    assert same.log_probability == pytest.approx(same.recognised_log_probability)
    other = explain(recognizer, path, "d" + text[1:]).expected
    assert other.log_probability < same.log_probability
    assert any(loss.character == "d" and loss.log_probability < loss.instead_log_probability for loss in other.losses)


def test_what_cannot_be_expected_says_why_and_silence_is_named(recognizer, tmp_path):
    path = str(tmp_path / "x.wav")
    audio.write(path, np.zeros(16000, np.float32), 16000)
    found = explain(recognizer, path, "xyz")
    assert "'x' is not in the alphabet" in found.expected.why
    assert "it is silent" in found.lines()[0] and json.dumps(found.to_dict())
    with pytest.raises(UserError, match=r"gone\.wav"):
        explain(recognizer, str(tmp_path / "gone.wav"))


def test_a_picture_shows_what_was_recognised_above_what_was_expected(tones_run, tmp_path):
    audio.write(tmp_path / "x.wav", spell("abc", np.random.default_rng(3)), 16000)
    arguments = [tmp_path / "x.wav", "--model", tones_run[0], "--expected", "abd", "--picture"]
    command = [sys.executable, "-c", "from asr.cli.explain import main; main()", *map(str, arguments)]
    done = subprocess.run([*command, str(tmp_path / "x.svg")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "<!-- expected -->" in (tmp_path / "x.svg").read_text() and "expected: 'abd'" in done.stdout
    piped = [*command, str(tmp_path / "y.svg")]
    piped[piped.index(str(tmp_path / "x.wav"))] = "-"
    again = subprocess.run(piped, stdin=(tmp_path / "x.wav").open("rb"), capture_output=True, text=True, timeout=60)
    assert again.stdout == done.stdout and "<!-- expected -->" in (tmp_path / "y.svg").read_text()
    refused = subprocess.run([*command, str(tmp_path / "x.txt")], capture_output=True, text=True)
    assert refused.returncode == 2 and "a picture's name ends in" in refused.stderr
