"""The fault is planted, and the doctor names it; a training that learns needs none."""

from dataclasses import replace

import numpy as np
import pytest

from asr.data import examples, manifest
from asr.data.batches import Batches
from asr.features import FeatureConfig, FeatureExtractor
from asr.network.encoder import AcousticModel, ModelConfig
from asr.tasks.ctc import Ctc
from asr.text import TextConfig
from asr.training import doctor, loop
from asr.training.config import TrainConfig
from asr.training.overfit import overfit


@pytest.fixture
def trained(tones, tmp_path):
    """What is said of a training with a planted fault, after some epochs."""

    def train(epochs=3, change=lambda train, dev: (train, dev), spoil=lambda found: found, features=None, **settings):
        task, features = Ctc(TextConfig(alphabet="abcd")), FeatureConfig(**(features or {}))
        extractor = FeatureExtractor(features)
        splits = change(*(manifest.read(tones / f"{name}.jsonl") for name in ("train", "dev")))
        loaded = [examples.load(split, extractor, task) for split in splits]
        found = [spoil(part) for part, _ in loaded]
        statistics = extractor.measure(example.signal.cepstra(extractor) for example in found[0])
        extractor = FeatureExtractor(features, statistics)
        train, dev = (Batches(part, task, extractor, 4) for part in found)
        config = TrainConfig(epochs=epochs, **{"learning_rate": 0.03, **settings})
        model = AcousticModel(ModelConfig(hidden_size=16, dropout=0.0), features.num_features, 5)
        known, said = doctor.facts(train, dev, len(loaded[0][1])), []
        loop.fit(
            model, task, train, dev, config, tmp_path,
            advise=lambda history: said.append(doctor.advise(history, known, config, "cer")),
        )  # fmt: skip
        return said

    return train


def test_of_a_training_that_learns_nothing_is_said(trained):
    said = trained(20)
    assert said[-1] is None, said
    assert not any(one and "blanks" not in one for one in said), said


def test_the_blank_phase_is_normal(trained):
    said = trained(4, learning_rate=0.003)
    assert any(one and "nothing but blanks yet" in one and "normal" in one for one in said), said


def test_a_learning_rate_too_high(trained):
    assert "the learning rate is too high" in str(trained(5, learning_rate=30.0, clip_norm=100.0)[-1])


def test_a_learning_rate_too_low(trained):
    assert "the learning rate is too low" in str(trained(3, learning_rate=1e-6)[-1])


def test_targets_that_do_not_fit(trained):
    assert "need most of their frames" in str(trained(1, features={"stack": 24})[-1])


def test_labels_shuffled_against_audio(trained):
    def shuffle(train, dev):
        order = np.random.default_rng(0).permutation(len(train))
        return [replace(one, text=train[place].text) for one, place in zip(train, order, strict=True)], dev

    assert "labels seem shuffled against audio" in str(trained(1, shuffle)[-1])


def test_constant_features(trained):
    def flatten(found):
        return [replace(one, signal=replace(one.signal, values=0 * one.signal.values)) for one in found]

    assert "do not change over time" in str(trained(1, spoil=flatten)[-1])


def test_a_wrong_sample_rate(trained, tmp_path):
    """The dev split is marked as of half its rate."""

    def mark(train, dev):
        for utterance in dev:
            data = bytearray(open(utterance.audio, "rb").read())  # noqa: PTH123, SIM115
            data[24:28] = (8000).to_bytes(4, "little")
            (tmp_path / f"{utterance.id}.wav").write_bytes(data)
        return train, [replace(one, audio=str(tmp_path / f"{one.id}.wav")) for one in dev]

    assert "one of them has a wrong sample rate" in str(trained(1, mark)[-1])


@pytest.mark.slow
def test_eight_utterances_are_learned_by_heart_or_it_says_why(tones_recipe, tmp_path):
    found = overfit(tones_recipe, [], 8)
    assert found.num_utterances == 8 and bool(found.error_rate) == bool(found.advice)
    assert not (tmp_path / "runs").exists()
