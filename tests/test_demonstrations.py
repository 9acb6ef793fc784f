"""The classic demonstrations, through features that are no sound: encoder, tasks and loop know nothing of speech."""

import numpy as np
import pytest

from asr.data import manifest
from asr.data.manifest import Label, Skipped, Utterance
from asr.tasks import TASKS
from asr.training import run

SCRIPT = """
from asr.data import manifest
from asr.data.corpus import Splits


def prepare(folder, source: str) -> Splits:
    return Splits(**{name: manifest.read(f"{source}/{name}.jsonl") for name in ("train", "dev", "test")})
"""


def learn(tmp_path, splits, width, **settings):
    """Train on splits of (matrix (T, width), what is known of it); returns the rates of the test split."""
    for name, items in splits.items():
        utterances = []
        for number, (matrix, known) in enumerate(items):
            path = tmp_path / f"{name}-{number}.npy"
            np.save(path, np.asarray(matrix, np.float32))
            utterances.append(Utterance(f"{name}-{number}", **{"text": "", "features": str(path), **known}))
        manifest.write(tmp_path / f"{name}.jsonl", utterances)
    (tmp_path / "prepare.py").write_text(SCRIPT)
    (tmp_path / "recipe.yaml").write_text(
        f"data: {{prepare: prepare.py, folder: {tmp_path}/made, source: {tmp_path}}}\n"
        f"features: {{source: precomputed, num_cepstra: {width}, mean: none, variance: none}}\n"
        "model: {num_layers: 1, bidirectional: false, dropout: 0}\ntrain: {weight_decay: 0, shards: 1}\n"
    )
    overrides = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
    name = "-".join(str(value) for value in settings.values())
    return run.start(tmp_path / "recipe.yaml", [*overrides, f"run_dir={tmp_path / name}"]).score.rates


@pytest.mark.slow
def test_images_of_digits_row_by_row(tmp_path):
    """8 rows of 8 pixels, at a high rate: the cells with gates are level, the simple one is behind.

    Seen with seeds 1 and 2: 23.0 and 23.0 % of the simple network wrong, 10.8 and 11.3 % of the LSTM, 13.8 and 12.0 %
    of the GRU. At half the rate with seeds 2 and 3 the GRU is no better than the simple one.
    """
    digits = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed").load_digits()
    items = [(image / 16, {"label": str(label)}) for image, label in zip(digits.images, digits.target, strict=True)]
    splits = {"train": items[:1000], "dev": items[1000:1100], "test": items[1100:1700]}
    settings = {"task": "classify", "model__hidden_size": 32, "train__epochs": 20}
    settings |= {"train__learning_rate": 0.1, "train__batch_size": 64}
    errors = {
        cell: learn(tmp_path, splits, 8, model__cell=cell, **settings)["error"] for cell in ("rnn", "lstm", "gru")
    }
    gated = errors["lstm"], errors["gru"]
    assert max(gated) < 0.17 and max(gated) + 0.03 < errors["rnn"] and abs(gated[0] - gated[1]) < 0.06


def test_words_are_tagged(tmp_path):
    """The dog ate the apple; everybody read that book: DET NN V DET NN, NN V DET NN, of one-hot words."""
    sentences = [("the dog ate the apple", "DET NN V DET NN"), ("everybody read that book", "NN V DET NN")]
    words = sorted({word for text, _ in sentences for word in text.split()})
    items = [
        ([[float(word == other) for other in words] for word in text.split()],
         {"labels": tuple(Label(tag) for tag in tags.split())})
        for text, tags in sentences
    ]  # fmt: skip
    splits = {"train": items, "dev": items, "test": items}
    rates = learn(
        tmp_path, splits, len(words), task="tag", model__hidden_size=6, train__epochs=60, train__learning_rate=0.05
    )
    assert rates == {"error": 0.0}


class Forecast:
    """The next value of a series: mean squared error. The log-odds of two outputs are linear in the hidden state."""

    command, choose_by, spells, outputs = "asr-classify", "error", False, ("up", "down")
    check, labels_of = staticmethod(lambda text, join: None), staticmethod(lambda utterances: ("up", "down"))

    def __init__(self, text, labels):
        pass

    def target(self, utterance):
        return np.array([float(utterance.label)], np.float32) if utterance.label else Skipped(utterance.id, "no value")

    text, min_frames = staticmethod(lambda target: f"{target[0]:.5f}"), staticmethod(lambda target: 1)
    join, observe = staticmethod(lambda targets: targets[0]), staticmethod(lambda outputs, lengths: {})

    def loss(self, outputs, lengths, targets, target_lengths):
        last = outputs[range(len(lengths)), lengths - 1]
        return (last[:, 0] - last[:, 1] - targets[:, 0]) ** 2

    def decode(self, outputs, lengths):
        return [f"{row[end - 1, 0] - row[end - 1, 1]:.5f}" for row, end in zip(outputs, lengths, strict=True)]

    def report(self, references, hypotheses):
        return Furthest(max(abs(float(references[key]) - float(hypotheses[key])) for key in references))


class Furthest:
    """How far the worst forecast is."""

    def __init__(self, error):
        self.rates, self.summary = {"error": error}, f"within {error:.3f}"


def test_the_next_value_of_a_sine_is_a_task_that_nothing_else_knows(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "forecast", Forecast)
    series = np.sin(np.arange(260) * 0.2)
    items = [(series[start : start + 20, None], {"label": f"{series[start + 20]:.6f}"}) for start in range(240)]
    splits = {"train": items[:160], "dev": items[160:200], "test": items[200:]}
    rates = learn(
        tmp_path, splits, 1, task="forecast", model__hidden_size=50, train__epochs=40, train__learning_rate=0.01
    )
    assert rates["error"] < 0.02
