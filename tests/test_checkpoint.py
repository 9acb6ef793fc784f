import numpy as np
import pytest
import torch

from asr import checkpoint
from asr.checkpoint import CheckpointError, ModelCard
from asr.features import FeatureConfig, Statistics
from asr.text import TextConfig


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
        FeatureConfig(high_hz=None), TextConfig(alphabet="aé "), statistics, {"train": {"epochs": 3}}, "1", "c"
    )
    again = ModelCard.from_metadata(card.to_metadata())
    assert again.to_metadata() == card.to_metadata()
    assert again.tokenizer.tokens == ("<blank>", "a", "é", " ")


def test_a_strangers_metadata_is_refused():
    with pytest.raises(CheckpointError, match="not a model of this package"):
        ModelCard.from_metadata({"author": "someone"})
