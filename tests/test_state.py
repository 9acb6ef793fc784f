import zipfile
from pathlib import Path

import pytest
import torch

from asr import files
from asr.decode import kneser_ney, lm
from asr.errors import UserError
from asr.training.state import load_state, save_state


def test_saving_then_loading_is_identity(tmp_path):
    state = {"weights": {"a": torch.arange(3.0)}, "epoch": 3, "history": [{"x": 1.5}]}
    save_state(tmp_path / "x.pt", state)
    loaded = load_state(tmp_path / "x.pt")
    assert torch.equal(loaded["weights"]["a"], state["weights"]["a"])
    assert (loaded["epoch"], loaded["history"]) == (3, [{"x": 1.5}])


def test_a_save_that_fails_leaves_the_old_file(tmp_path):
    save_state(tmp_path / "x.pt", {"epoch": 1})
    with pytest.raises(Exception, match=r"pickle|lambda"):
        save_state(tmp_path / "x.pt", {"epoch": lambda: 2})
    assert load_state(tmp_path / "x.pt") == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.parametrize("write", [
    lambda path: save_state(path, {"epoch": 1}), lambda path: files.write_text(path, "x"),
    lambda path: files.write_bytes(path, b"x"), lambda path: lm.write(path, kneser_ney.estimate([["a"]], 1)),
])  # fmt: skip
def test_a_write_that_fails_leaves_nothing(tmp_path, write):
    (tmp_path / "folder").mkdir()
    for folder in ("folder", "gone/x"):
        with pytest.raises((OSError, RuntimeError)):  # PyTorch has an error of its own for a missing folder
            write(tmp_path / folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


class Trap:
    def __reduce__(self):
        return (open, ("trap", "w"))


def test_loading_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Trap()}, tmp_path / "x.pt")
    with pytest.raises(UserError, match=r"x\.pt"):
        load_state(tmp_path / "x.pt")
    assert not (tmp_path / "trap").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_sentence_that_names_the_file():
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        save_state(Path("/dev/full"), {"weights": torch.zeros(100_000)})


@pytest.mark.parametrize("size", [0, 10, 1000, 5000])
def test_a_checkpoint_that_breaks_off_is_named_with_what_to_do(tmp_path, size):
    save_state(tmp_path / "x.pt", {"weights": {"a": torch.zeros(5000)}})
    (tmp_path / "x.pt").write_bytes((tmp_path / "x.pt").read_bytes()[:size])
    with pytest.raises(UserError, match=r"x\.pt: not a checkpoint, or a damaged one.*begin again") as caught:
        load_state(tmp_path / "x.pt")
    assert "weights_only" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, b"", b"nonsense", bytes(200_000), b"[1]", b"PK\x03\x04" + bytes(99)])
def test_bad_files_are_named(tmp_path, data):
    if data is not None:
        (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(UserError, match=r"x\.pt"):
        load_state(tmp_path / "x.pt")


def test_a_packed_checkpoint_is_a_bomb(tmp_path):
    save_state(tmp_path / "x.pt", {"weights": {"a": torch.zeros(100_000)}})
    with zipfile.ZipFile(tmp_path / "x.pt") as source, zipfile.ZipFile(tmp_path / "bomb.pt", "w", 8) as bomb:
        for name in source.namelist():
            bomb.writestr(name, source.read(name))
    with pytest.raises(UserError, match=r"bomb\.pt: not a checkpoint"):
        load_state(tmp_path / "bomb.pt")
