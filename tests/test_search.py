"""What lies below a folder: sound, and by name what cannot be used."""

import os
from pathlib import Path

import pytest

from asr.audio import search


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(folder, found):
    return [Path(path).relative_to(folder).as_posix() for path in found]


def test_sound_is_found_in_the_order_of_names_whatever_the_case_of_its_suffix(tmp_path):
    touch(*(tmp_path / name for name in ("b.wav", "a/c.FLAC", "a-b/x.mp3", "a/d/e.Voc", "notes.txt", "a/list.csv")))
    found = search.below(tmp_path)
    assert names(tmp_path, found.paths) == ["a/c.FLAC", "a/d/e.Voc", "a-b/x.mp3", "b.wav"] and not found.skipped


@pytest.mark.parametrize("hidden", [".Trash", ".ipynb_checkpoints", ".git", "__MACOSX", "$RECYCLE.BIN", "@eaDir"])
def test_what_is_hidden_is_passed_over(tmp_path, hidden):
    touch(tmp_path / "one" / "a.wav", tmp_path / "one" / "._a.wav", tmp_path / hidden / "b.wav",
          tmp_path / "one" / hidden / "b.wav", tmp_path / "one" / hidden / "deep" / "b.m4a")  # fmt: skip
    found = search.below(tmp_path)
    assert names(tmp_path, found.paths) == ["one/a.wav"] and not found.skipped


def test_a_hidden_folder_that_is_named_is_searched(tmp_path):
    touch(tmp_path / ".mine" / "a.wav")
    assert len(search.below(tmp_path / ".mine").paths) == 1


@pytest.mark.parametrize("suffix", ["m4a", "MP4", "aac", "3gp", "amr", "wma", "webm", "mka", "shn"])
def test_formats_that_are_not_read_are_named_with_what_to_do(tmp_path, suffix):
    touch(tmp_path / "a b" / f"x.{suffix}")
    ((path, why),) = search.below(tmp_path).skipped
    assert path.endswith(f"x.{suffix}") and f"ffmpeg -i '{path}' '{path[: -len(suffix)]}wav'" in why
    assert not search.below(tmp_path, (".npy",)).skipped, "where no sound is searched"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
class TestLinks:
    def test_linked_folders_and_files_are_followed(self, tmp_path):
        touch(
            tmp_path / "elsewhere" / "three" / "a.wav",
            tmp_path / "elsewhere" / "x.wav",
            tmp_path / "src" / "one" / "b.wav",
        )
        (tmp_path / "src" / "three").symlink_to(Path("..") / "elsewhere" / "three")
        (tmp_path / "src" / "one" / "c.wav").symlink_to(tmp_path / "elsewhere" / "x.wav")
        found = search.below(tmp_path / "src")
        assert names(tmp_path / "src", found.paths) == ["one/b.wav", "one/c.wav", "three/a.wav"] and not found.skipped

    def test_links_that_lead_round_in_a_circle_end(self, tmp_path):
        touch(tmp_path / "src" / "one" / "a.wav")
        (tmp_path / "src" / "one" / "up").symlink_to(tmp_path / "src")
        (tmp_path / "src" / "x.wav").symlink_to(tmp_path / "src" / "x.wav")
        found = search.below(tmp_path / "src")
        assert names(tmp_path / "src", found.paths) == ["one/a.wav"]
        assert [Path(path).name for path, _ in found.skipped] == ["up", "x.wav"]

    def test_links_to_nothing_are_named(self, tmp_path):
        touch(tmp_path / "one" / "a.wav")
        for name in ("annexed.wav", "phone.m4a", "folder", "notes.txt"):
            (tmp_path / "one" / name).symlink_to("/annex/not/fetched")
        skipped = search.below(tmp_path).skipped
        assert [(Path(path).name, why) for path, why in skipped] == [
            (name, "a link to what is not there") for name in ("annexed.wav", "folder", "phone.m4a")
        ]

    def test_pipes_are_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "x.wav")
        assert [why for _, why in search.below(tmp_path).skipped] == ["a pipe or device"]


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path / "one" / "a.wav", tmp_path / "two" / "b.wav")
    scandir = os.scandir

    def refused(folder):
        if Path(folder).name == "two":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refused)
    found = search.below(tmp_path)
    assert names(tmp_path, found.paths) == ["one/a.wav"]
    assert found.skipped == [(str(tmp_path / "two"), "Permission denied")]
