"""What asr-info prints is what the model file holds."""

import json
import subprocess
import sys
from pathlib import Path

from asr.modelfile import convert, describe, session
from asr.modelfile.locate import SHIPPED


def info(*arguments):
    command = Path(sys.executable).with_name("asr-info")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)


def test_it_says_what_the_metadata_say():
    described, card = describe.describe(SHIPPED), session.load(SHIPPED)[1]
    assert described["file"]["bytes"] == SHIPPED.stat().st_size and described["file"]["weights"] > 60_000
    assert described["network"]["layers"] == ["2 x 40 units"] * 2
    assert described["alphabet"] == card.text.alphabet and described["origin"]["commit"] == card.commit
    assert described["training data"] == card.recipe["data"]


def test_a_model_of_8_bits_says_so(tmp_path):
    convert.quantise(SHIPPED, tmp_path / "small.onnx")
    assert describe.describe(tmp_path / "small.onnx")["file"]["precision"] == "int8"


def test_the_command_prints_text_json_and_markdown(tmp_path):
    text, page, values = (info(SHIPPED, "--format", form) for form in ("text", "markdown", "json"))
    assert "recipe: digits" in text.stdout and "sample_rate: 8000" in text.stdout
    assert page.stdout.startswith(f"# {SHIPPED.name}\n") and "| sample_rate | 8000 |" in page.stdout
    assert json.loads(values.stdout)["origin"]["recipe"] == "digits"
    wrong = info(tmp_path / "gone.onnx")
    assert wrong.returncode == 2 and "gone.onnx: no such model" in wrong.stderr
