import dataclasses
import shutil

import numpy as np
import pytest

from asr.data import manifest
from asr.errors import UserError
from asr.features import FeatureConfig, Statistics
from asr.modelfile import onnx_file
from asr.modelfile.card import ModelCard, ModelError, Tuning
from asr.modelfile.recognition_config import RecognitionConfig
from asr.recognition.recognizer import Recognizer
from asr.text import TextConfig


@pytest.mark.parametrize("statistics", [None, Statistics(np.zeros(13, np.float32), np.ones(13, np.float32))])
def test_a_card_goes_through_metadata(statistics):
    card = ModelCard(
        FeatureConfig(high_hz=None), TextConfig(alphabet="aé "), statistics, {"train": {"epochs": 3}}, "1", "c",
        {"greedy": Tuning(slope=0.5), "beam+lm": Tuning(0.25, -1.0, 0.75, 1.5)},
        recognition=RecognitionConfig((0.9, 1.0), 50.0, 300.0),
    )  # fmt: skip
    again = ModelCard.from_metadata(card.to_metadata())
    assert (again.tuning, again.recognition) == (card.tuning, card.recognition)
    assert again.to_metadata() == card.to_metadata()
    assert again.tokenizer.tokens == ("<blank>", "a", "é", " ")


@pytest.mark.parametrize("number", [None, "1", "3"])
def test_another_format_is_one_sentence(number):
    metadata = ModelCard(FeatureConfig(), TextConfig()).to_metadata()
    del metadata["format"]
    with pytest.raises(ModelError, match=f"format {number or 1}, where this version reads 2: .*upgrade_model"):
        ModelCard.from_metadata(metadata | ({"format": number} if number else {}))


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise_pad_ms": -1.0}, "noise_pad_ms"),
        ({"min_silence_ms": -1.0}, "min_silence_ms"),
        ({"vtln_warps": []}, "0.5 to 2"),
        ({"vtln_warps": (1.0, 5.0)}, "0.5 to 2"),
    ],
)
def test_impossible_settings_of_recognition_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        RecognitionConfig(**settings)


def test_warps_need_a_variance_that_they_do_not_change():
    RecognitionConfig((0.9, 1.0)).check(FeatureConfig(variance="corpus"))
    RecognitionConfig().check(FeatureConfig(variance="utterance"))
    with pytest.raises(UserError, match="variance"):
        RecognitionConfig((0.9, 1.0)).check(FeatureConfig(variance="utterance"))
