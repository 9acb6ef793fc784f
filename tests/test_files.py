"""Files are written whole or not at all, and their names are printed in one line."""

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from asr import files
from asr.errors import UserError


class TestWhole:
    def test_what_was_there_stays_until_all_is_written(self, tmp_path):
        path = tmp_path / "x"
        files.write_text(path, "before")
        with pytest.raises(RuntimeError), files.whole(path) as part:
            part.write_text("half")
            assert path.read_text() == "before"
            raise RuntimeError
        assert path.read_text() == "before" and [one.name for one in tmp_path.iterdir()] == ["x"]

    def test_two_writers_of_one_file_do_not_meet(self, tmp_path):
        path = tmp_path / "x"
        with files.whole(path) as one, files.whole(path) as other:
            assert one != other and str(os.getpid()) in one.name
            one.write_text("one")
            other.write_text("other")
        assert path.read_text() == "one" and [file.name for file in tmp_path.iterdir()] == ["x"]

    def test_the_bytes_reach_the_disk_before_the_name_and_the_name_after(self, tmp_path, monkeypatch):
        """In the order that a power failure asks for."""
        done = []
        monkeypatch.setattr(
            os, "fsync", lambda descriptor: done.append(os.path.realpath(f"/proc/self/fd/{descriptor}"))
        )
        replace = type(tmp_path).replace
        monkeypatch.setattr(type(tmp_path), "replace", lambda *paths: (done.append("replace"), replace(*paths)))
        files.write_text(tmp_path / "x", "text")
        if Path("/proc/self/fd").is_dir():
            part, renamed, folder = done
            assert part.endswith(".part") and renamed == "replace" and folder == str(tmp_path)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
    def test_a_full_disk_names_the_file(self):
        with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
            files.write_text(Path("/dev/full"), "text")

    def test_what_cannot_be_made_names_the_file_and_not_its_unfinished_part(self, tmp_path):
        with pytest.raises(OSError, match=r"gone/x'$"):
            files.write_text(tmp_path / "gone" / "x", "text")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
    def test_a_pipe_is_written_to_as_it_is(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        read = []
        reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
        reader.start()
        files.write_text(tmp_path / "pipe", "text")
        reader.join()
        assert read == ["text"]


class TestLocked:
    code = (
        "import sys, pathlib; from asr import files\n"
        "with files.locked(pathlib.Path(sys.argv[1]), what='makes it', waits=True): print('in', flush=True); input()"
    )

    def test_the_second_waits_or_is_refused_and_a_death_frees_it(self, tmp_path, log):
        with subprocess.Popen([sys.executable, "-c", self.code, str(tmp_path)], stdin=-1, stdout=-1) as other:
            other.stdout.readline()
            with pytest.raises(UserError, match=rf"another process \({other.pid} on \S+\) makes it; wait"):
                files.locked(tmp_path, what="makes it").__enter__()
            threading.Timer(0.3, other.kill).start()
            with files.locked(tmp_path, what="makes it", waits=True):
                assert other.wait() == -9
            assert "waiting for it" in log.getvalue()

    def test_one_process_does_not_have_it_twice(self, tmp_path):
        with files.locked(tmp_path, what="makes it"):
            with pytest.raises(UserError, match="this process makes it already"):
                files.locked(tmp_path, what="makes it").__enter__()
            with files.locked(tmp_path.parent, what="makes it"):
                pass
        with files.locked(tmp_path, what="makes it"):
            pass


def test_names_are_printed_in_one_line():
    assert files.shown("a/ü b.wav") == "a/ü b.wav" and files.shown("-") == "standard input"
    assert files.shown("caf\udce9.wav") == r"caf\xe9.wav"
    assert files.printable("a\x1b\nb\u202e", keep="\n") == "a\\x1b\nb\\u202e"
    assert files.shown("a\x1b]0;x\x07\nb\u202ec\ud800") == r"a\x1b]0;x\x07\nb\u202ec\ud800"


class TestLimits:
    """Bombs are refused, at limits that the environment moves."""

    def test_a_packed_text_of_much_more_than_its_size(self, tmp_path, monkeypatch):
        (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"a b\n" * 500_000))
        assert len(files.read_text(tmp_path / "bomb.gz")) == 2_000_000
        monkeypatch.setenv("ASR_MAX_TEXT_MB", "1.048576")
        with pytest.raises(UserError, match=r"bomb\.gz: more than 1 MiB of text; split it, or set ASR_MAX_TEXT_MB"):
            files.read_text(tmp_path / "bomb.gz")
        for value in ("x", "0", "nan", "inf"):
            monkeypatch.setenv("ASR_MAX_TEXT_MB", value)
            with pytest.raises(UserError, match=r"ASR_MAX_TEXT_MB is .* where a number above 0 is wanted"):
                files.read_text(tmp_path / "bomb.gz")

    def test_hours_of_silence_in_a_small_file(self, tmp_path, monkeypatch):
        from asr import audio

        audio.write(tmp_path / "silence.flac", np.zeros(8000 * 60, np.float32), 8000)
        assert (tmp_path / "silence.flac").stat().st_size < 10_000
        assert len(audio.read(tmp_path / "silence.flac")) == 480_000
        monkeypatch.setenv("ASR_MAX_SOUND_S", "59")
        with pytest.raises(UserError, match=r"silence\.flac: longer than the 59 s .*set ASR_MAX_SOUND_S"):
            audio.read(tmp_path / "silence.flac")
        assert len(audio.read(tmp_path / "silence.flac", end_s=30.0)) == 240_000, "a part of it may be read"
        blocks = audio.blocks(tmp_path / "silence.flac", block_s=1.0)
        assert sum(map(len, blocks)) == 480_000, "what is not held needs no limit"
