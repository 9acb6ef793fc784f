"""Files, those below folders, and an id for each."""

import itertools
import os

import pytest

from asr.cli import inputs
from asr.errors import UserError


def test_find(tmp_path):
    for name in ("b.wav", "a/c.FLAC", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".hidden.wav").touch()
    (tmp_path / "folder.wav").mkdir()
    assert inputs.find([str(tmp_path), "some/x (1).wav"]) == (
        [
            (str(tmp_path / "a" / "c.FLAC"), "a/c"),
            (str(tmp_path / "b.wav"), "b"),
            ("some/x (1).wav", "x__1_"),
        ],
        [],
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no sound files"):
        inputs.find([str(tmp_path / "empty")])


def identified(*paths):
    """The ids of files, which need not be there."""
    return [key for _, key in inputs.distinct(inputs.find([str(path) for path in paths])[0])]


def test_no_two_files_have_one_id(tmp_path):
    """Every choice of three of these, in any order: as many ids as files, none that leads elsewhere."""
    names = ("A/rec.wav", "A/rec.flac", "B/rec.wav", "B/rec.flac", "rec.wav", "A/b/rec.wav", "B/b/rec.wav", "A/rec",
             "B/../A/rec.wav", "stdin.wav", "-")  # fmt: skip
    for chosen in itertools.permutations([tmp_path / name if name != "-" else name for name in names], 3):
        files = {os.path.normpath(path) for path in chosen}
        ids = identified(*chosen)
        assert len(set(ids)) == len(files), chosen
        assert not any(key.startswith("/") or ".." in key for key in ids)
        found = [key for _, key in inputs.find([str(path) for path in chosen])[0]]
        assert all(ids[index] == key for index, key in enumerate(found) if found.count(key) == 1), "others stay"


def test_ids_that_repeat_keep_what_tells_them_apart(tmp_path):
    a, b = tmp_path / "A", tmp_path / "B"
    assert identified(a / "rec.wav", b / "rec.wav", b / "x.wav") == ["A/rec", "B/rec", "x"]
    assert identified(a / "rec.wav", a / "rec.flac", a / "rec.wav") == ["rec.wav", "rec.flac", "rec.wav"]
    assert identified(a / "rec.wav", b / "rec.wav", b / "rec.flac") == ["A/rec", "rec.wav", "rec.flac"]
    assert identified(a / "c d" / "rec.wav", b / "c d" / "rec.wav") == ["A/c_d/rec", "B/c_d/rec"]
    for folder in (a, b):
        (folder / "c").mkdir(parents=True)
        (folder / "c" / "rec.wav").touch()
    assert identified(a, b) == ["A/c/rec", "B/c/rec"]
    assert identified("-") == ["stdin"]
    with pytest.raises(UserError, match=r"x y\.wav and .*x_y\.wav: both have the id .*/A/x_y; rename one"):
        identified(a / "x y.wav", a / "x_y.wav")
