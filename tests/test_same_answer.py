"""An utterance has one answer: alone or in any batch, order, number of threads and jobs, in any of our runtimes."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import speak_digits, write_tones
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import audio
from asr.modelfile import convert, session
from asr.modelfile.locate import SHIPPED
from asr.network import onnx_graph
from asr.network.encoder import AcousticModel, ModelConfig
from asr.recognition.recognizer import Recognizer

LIMIT = 1e-5


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Files of many lengths, some of them of speech."""
    folder = tmp_path_factory.mktemp("sounds")
    for number, pause_s in enumerate((0.4, 0.7)):
        audio.write(folder / f"spoken{number}.wav", speak_digits(pause_s), 16000)
    write_tones(folder / "tones", 8, 0)
    return sorted(str(path) for path in folder.rglob("*.wav"))


@pytest.fixture(scope="module")
def frames(sounds):
    """Features (T, F) of each file."""
    recognizer = Recognizer.load()
    return [recognizer.card.extractor(audio.read(path, 8000)).astype(np.float32) for path in sounds]


def log_probs(network, frames):
    """(T, V) of each of some features that go through a network as one batch."""
    lengths = np.array([len(one) for one in frames], np.int64)
    batch = np.zeros((len(frames), lengths.max(), frames[0].shape[1]), np.float32)
    for row, one in zip(batch, frames, strict=True):
        row[: len(one)] = one
    outputs, _ = network.run(None, {"frames": batch, "frame_lengths": lengths})
    return [output[:length] for output, length in zip(outputs, lengths, strict=True)]


class Torch:
    """The network of the shipped model in PyTorch, as a session."""

    def __init__(self):
        weights, card = onnx_graph.read(SHIPPED)
        self.model = AcousticModel(ModelConfig(**card.recipe["model"]), card.features.num_features, len(card.outputs))
        self.model.inherit(weights, {row: row for row in range(len(card.outputs))})
        self.model.eval()

    def run(self, _, inputs):
        import torch

        with torch.no_grad():
            outputs, lengths = self.model(*(torch.from_numpy(inputs[name]) for name in ("frames", "frame_lengths")))
        return outputs.numpy(), lengths.numpy()


RUNTIMES = {
    "torch": Torch,
    "onnxruntime": lambda: session.load(SHIPPED)[0],
    "onnxruntime, 2 threads": lambda: session.load(SHIPPED, threads=2)[0],
    "numpy": lambda: session.load(SHIPPED, runtime="numpy")[0],
}


@pytest.fixture(scope="module")
def alone(frames):
    network = session.load(SHIPPED)[0]
    return [log_probs(network, [one])[0] for one in frames]


@pytest.fixture(scope="module", params=RUNTIMES)
def network(request):
    return RUNTIMES[request.param]()


def test_alone_and_in_any_batch_and_order_in_every_runtime(network, frames, alone):
    @settings(max_examples=12, derandomize=True, database=None)
    @given(st.permutations(range(len(frames))), st.integers(1, len(frames)))
    def same(order, size):
        for start in range(0, len(order), size):
            part = order[start : start + size]
            for number, found in zip(part, log_probs(network, [frames[index] for index in part]), strict=True):
                most = max(1, np.abs(alone[number]).max())  # of 30 nats, float32 holds no more
                assert np.abs(found - alone[number]).max() <= LIMIT * most
                assert np.abs(np.exp(found) - np.exp(alone[number])).max() <= LIMIT

    same()


def test_weights_of_8_bits_stay_within_what_their_export_measures(tmp_path, sounds):
    """Their export says how far probabilities may move; texts of clear speech stay."""
    small = tmp_path / "small.onnx"
    convert.quantise(SHIPPED, small)
    whole, eighth = Recognizer.load(), Recognizer.load(small)
    assert eighth.card.precision == "int8"
    for path in sounds:
        if "spoken" in path:
            assert whole.transcribe(path).text == eighth.transcribe(path).text
    one, other = session.load(SHIPPED)[0], session.load(small)[0]
    for path in sounds:
        frames = [whole.card.extractor(audio.read(path, 8000)).astype(np.float32)]
        moved = np.abs(np.exp(log_probs(one, frames)[0]) - np.exp(log_probs(other, frames)[0]))
        assert moved.mean() < 0.01


@pytest.mark.parametrize("name", ["digits", "english_small", "english"])
def test_weights_of_8_bits_cost_what_the_card_says(tmp_path, name):
    rows = [row.split("|") for row in (SHIPPED.parent / "README.md").read_text("utf-8").splitlines()]
    (limit,) = (float(row[3]) for row in rows if row[1:2] == [f" `{name}` "])
    small = tmp_path / "small.onnx"
    assert convert.quantise(SHIPPED.with_name(f"{name}.onnx"), small) <= limit
    assert f"{small.stat().st_size / 1000:.0f} KB" in next(row[2] for row in rows if row[1:2] == [f" `{name}` "])


@pytest.mark.parametrize("options", [["--jobs", "2"], ["--jobs", "1"]])
def test_jobs_and_order_change_no_byte(sounds, options):
    def run(*arguments):
        code = "from asr.cli.transcribe import main; main()"
        command = [sys.executable, "-c", code, "--format", "json", *arguments]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return {json.loads(line)["path"]: line for line in lines}

    assert run(*options, *reversed(sounds)) == run(*sounds)
