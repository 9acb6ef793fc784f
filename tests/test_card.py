import dataclasses
import shutil

import numpy as np
import pytest

from asr.data import manifest
from asr.features import FeatureConfig, Statistics
from asr.modelfile import onnx_file
from asr.modelfile.card import ModelCard, ModelError, Tuning
from asr.recognition.recognizer import Recognizer
from asr.text import TextConfig


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
    with pytest.raises(ModelError, match="not a model of this package"):
        ModelCard.from_metadata({**metadata, "tuning": tuning})


def test_a_model_file_gets_another_card_and_keeps_its_weights(tones_run, tones, tmp_path):
    shutil.copy(tones_run[0] / "model.onnx", tmp_path / "model.onnx")
    before = Recognizer.load(tmp_path / "model.onnx")
    card = dataclasses.replace(before.card, tuning={"greedy": Tuning(slope=2.0)})
    onnx_file.write_card(tmp_path / "model.onnx", card)
    after = Recognizer.load(tmp_path / "model.onnx")
    assert after.card.to_metadata() == card.to_metadata() and after.tuning.slope == 2.0
    utterance = manifest.read(tones / "test.jsonl")[0]
    ((_, ((_, ours),)),), ((_, ((_, theirs),)),) = (list(model.recognise([utterance])) for model in (after, before))
    assert (ours == theirs).all()
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"bad\.onnx: not an ONNX model"):
        onnx_file.write_card(tmp_path / "bad.onnx", card)


def test_a_strangers_metadata_is_refused():
    with pytest.raises(ModelError, match="not a model of this package"):
        ModelCard.from_metadata({"author": "someone"})
