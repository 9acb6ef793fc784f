"""The recogniser in JavaScript gives what the package gives, of the model file alone."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from conftest import REPOSITORY

from asr.modelfile.card import ModelError
from asr.recognition.recognizer import Recognizer
from asr.twins import page

MODEL = REPOSITORY / "asr" / "models" / "english_small.onnx"
RUN = """
const { makeRecognizer } = require(process.argv[1]);
const given = JSON.parse(require("fs").readFileSync(0));
const recognizer = makeRecognizer(given.model);
const rows = recognizer.logProbs(Float32Array.from(given.waveform));
console.log(JSON.stringify({ rows: rows.map((row) => [...row]), text: recognizer.text(rows) }));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
@pytest.mark.parametrize("num_samples", [100, 8000, 24011])
def test_javascript_gives_what_python_gives(num_samples):
    rng, times = np.random.default_rng(0), np.arange(num_samples) / 16000
    waveform = np.sin(700 * times * np.sin(3 * times)) * np.sin(7 * times) ** 2 + 0.01 * rng.standard_normal(
        num_samples
    )
    waveform = waveform.astype(np.float32)
    given = json.dumps({"model": page.settings(MODEL), "waveform": waveform.tolist()})
    command = ["node", "-e", RUN, str(REPOSITORY / "asr" / "twins" / "recognizer.js")]
    found = json.loads(subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout)
    recognizer = Recognizer.load(MODEL, runtime="numpy")
    ((_, ((_, emission),)),) = recognizer.recognise([waveform], 16000)
    assert np.abs(np.array(found["rows"]) - emission).max() < 1e-3
    assert found["text"] == recognizer.transcribe(waveform, 16000).text


def test_a_page_is_one_file_without_addresses(tmp_path):
    page.write(MODEL, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert len(text) < 1_000_000 and "http" not in text and "/*MODEL*/" not in text and "/*RECOGNIZER*/" not in text


def test_a_model_that_a_page_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"digits\.onnx: a page does not cut sound in pauses"):
        page.write(MODEL.with_name("digits.onnx"), tmp_path / "page.html")
