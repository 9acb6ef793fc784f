import dataclasses
import shutil

import numpy as np
import pytest
import torch

from asr import checkpoint, files
from asr.checkpoint import CheckpointError, ModelCard, Tuning
from asr.data import manifest
from asr.decode import kneser_ney, lm
from asr.features import FeatureConfig, Statistics
from asr.text import TextConfig
from asr.transcribe import Recognizer


def test_saving_then_loading_is_identity(tmp_path):
    state = {"weights": {"a": torch.arange(3.0)}, "epoch": 3, "history": [{"x": 1.5}]}
    checkpoint.save(tmp_path / "x.pt", state)
    loaded = checkpoint.load(tmp_path / "x.pt")
    assert torch.equal(loaded["weights"]["a"], state["weights"]["a"])
    assert (loaded["epoch"], loaded["history"]) == (3, [{"x": 1.5}])


def test_a_save_that_fails_leaves_the_old_file(tmp_path):
    checkpoint.save(tmp_path / "x.pt", {"epoch": 1})
    with pytest.raises(Exception, match=r"pickle|lambda"):
        checkpoint.save(tmp_path / "x.pt", {"epoch": lambda: 2})
    assert checkpoint.load(tmp_path / "x.pt") == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.parametrize("write", [
    lambda path: checkpoint.save(path, {"epoch": 1}), lambda path: files.write_text(path, "x"),
    lambda path: files.write_bytes(path, b"x"), lambda path: lm.write(path, kneser_ney.estimate([["a"]], 1)),
])  # fmt: skip
def test_a_write_that_fails_leaves_nothing(tmp_path, write):
    (tmp_path / "folder").mkdir()
    for place in ("folder", "gone/x"):
        with pytest.raises((OSError, RuntimeError)):  # PyTorch has an error of its own for a missing folder
            write(tmp_path / place)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


class Trap:
    def __reduce__(self):
        return (open, ("trap", "w"))


def test_loading_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Trap()}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"x\.pt"):
        checkpoint.load(tmp_path / "x.pt")
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("data", [None, b"", b"nonsense"])
def test_bad_files_are_named(tmp_path, data):
    if data is not None:
        (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"x\.pt"):
        checkpoint.load(tmp_path / "x.pt")


@pytest.mark.parametrize("statistics", [None, Statistics(np.zeros(13, np.float32), np.ones(13, np.float32))])
def test_a_card_goes_through_metadata(statistics):
    card = ModelCard(
        FeatureConfig(high_hz=None), TextConfig(alphabet="aé "), statistics, {"train": {"epochs": 3}}, "1", "c",
        {"greedy": Tuning(slope=0.5), "beam+lm": Tuning(0.25, -1.0, 0.75, 1.5)},
    )  # fmt: skip
    again = ModelCard.from_metadata(card.to_metadata())
    assert again.tuning == card.tuning
    assert again.to_metadata() == card.to_metadata()
    assert again.tokenizer.tokens == ("<blank>", "a", "é", " ")


def test_models_from_before_there_was_tuning_can_be_read():
    metadata = ModelCard(FeatureConfig(), TextConfig()).to_metadata()
    del metadata["tuning"]
    assert ModelCard.from_metadata(metadata).tuning == {}


@pytest.mark.parametrize("tuning", ["[]", "3", '{"greedy": {"weight": 1}}', "{"])
def test_damaged_tuning_is_refused(tuning):
    metadata = ModelCard(FeatureConfig(), TextConfig()).to_metadata()
    with pytest.raises(CheckpointError, match="not a model of this package"):
        ModelCard.from_metadata({**metadata, "tuning": tuning})


def test_a_model_file_gets_another_card_and_keeps_its_weights(tones_run, tones, tmp_path):
    shutil.copy(tones_run[0] / "model.onnx", tmp_path / "model.onnx")
    before = Recognizer.load(tmp_path / "model.onnx")
    card = dataclasses.replace(before.card, tuning={"greedy": Tuning(slope=2.0)})
    checkpoint.write_card(tmp_path / "model.onnx", card)
    after = Recognizer.load(tmp_path / "model.onnx")
    assert after.card.to_metadata() == card.to_metadata() and after.calibration.slope == 2.0
    utterance = manifest.read(tones / "test.jsonl")[0]
    frames = [before.frames(utterance)]
    assert (after.log_probs(frames)[0] == before.log_probs(frames)[0]).all()
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"bad\.onnx: not an ONNX model"):
        checkpoint.write_card(tmp_path / "bad.onnx", card)


def test_a_strangers_metadata_is_refused():
    with pytest.raises(CheckpointError, match="not a model of this package"):
        ModelCard.from_metadata({"author": "someone"})
