"""Text read line by line: whatever a file holds, a line with its number or one sentence, in bounded memory."""

import bz2
import gzip
import io
import lzma
import os
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import UserError
from asr.files import Lines, read_text

TEXT = "a b\n\nc\u2028d\x0ce\n  f"


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=9), max_size=6))
def test_lines_come_back_as_they_were_joined(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    assert list(Lines(path)) == [line.removeprefix("\ufeff") if not at else line for at, line in enumerate(lines)]


@pytest.mark.parametrize("change", [str.encode, lambda text: ("\ufeff" + text).encode(),
                                    lambda text: text.replace("\n", "\r\n").encode(),
                                    lambda text: gzip.compress(text.encode())])  # fmt: skip
def test_marks_ends_and_gzip_change_nothing(tmp_path, change, monkeypatch):
    (tmp_path / "x").write_bytes(change(TEXT))
    assert list(Lines(tmp_path / "x")) == TEXT.split("\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(change(TEXT))))
    assert list(Lines("-")) == TEXT.split("\n")


def test_a_pipe_is_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    child = os.fork()
    if not child:
        (tmp_path / "pipe").write_bytes(gzip.compress(TEXT.encode()))
        os._exit(0)
    assert list(Lines(tmp_path / "pipe")) == TEXT.split("\n")
    os.waitpid(child, 0)


@pytest.mark.parametrize(("data", "message"), [
    (b"a\nb\xff\n", "line 2: not UTF-8: invalid start byte at byte 2; save it as UTF-8"),
    ("zw\u00f6lf\n".encode("latin-1"), "line 1: not UTF-8"),
    ("a".encode("utf-16"), "UTF-16; save it as UTF-8"),
    (bz2.compress(b"a"), "compressed with bzip2"),
    (bz2.compress(b"a" * 10**6, 1), "bzip2"), (lzma.compress(b"a"), "xz"),
    (b"PK\x03\x04...", "zip archive"), (b"mmap lm http://kheafield.com/code format version 5\n", "KenLM binary"),
    (gzip.compress(b"a\n" * 9, mtime=0)[:-9], "damaged gzip"),
    (gzip.compress(b"a\n" * 9, mtime=0)[:12], "damaged gzip"),
    (b"\x1f\x8bnothing", "damaged gzip"), (b"\x1f\x8b\x08\x00\x83\xab;tM6M6M6\x1f", "damaged gzip"),
    (gzip.compress(b"a\n", mtime=0) + b"rest", "damaged gzip"),
])  # fmt: skip
def test_what_is_no_text_is_named(tmp_path, data, message):
    path = tmp_path / "x"
    path.write_bytes(data)
    for read in (lambda: list(Lines(path)), lambda: read_text(path)):
        with pytest.raises(UserError, match=message) as caught:
            read()
        assert str(caught.value).startswith(str(path))


def test_what_is_no_file_is_named(tmp_path):
    for path, message in (
        ("gone", "gone: no such lexicon"),
        (".", "is a folder; name a lexicon"),
        ("x\0", "not the name"),
    ):
        with pytest.raises(UserError, match=message):
            list(Lines(tmp_path / path, kind="lexicon"))


class Refused(UserError):
    pass


def test_the_error_is_the_callers(tmp_path):
    with pytest.raises(Refused):
        list(Lines(tmp_path / "gone", error=Refused))
    with pytest.raises(Refused):
        read_text(tmp_path / "gone", error=Refused)


def memory(work):
    tracemalloc.start()
    with pytest.raises(UserError) as caught:
        work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return str(caught.value), peak


def test_bombs_are_refused_before_they_are_held(tmp_path):
    limits = {"max_bytes": 1 << 22, "max_line_bytes": 1 << 20}
    line, lines = tmp_path / "line.gz", tmp_path / "lines.gz"
    line.write_bytes(gzip.compress(b"a" * (1 << 26)))
    lines.write_bytes(gzip.compress(b"a\n" * (1 << 25)))
    for path, message in ((line, "line 1: longer than 1 MiB"), (lines, "more than 4 MiB of text"),
                          ("/dev/zero", "line 1: longer than 1 MiB")):  # fmt: skip
        error, peak = memory(lambda path=path: sum(len(text) for text in Lines(path, **limits)))
        assert message in error and peak < 1 << 23
    for path in (line, lines, "/dev/zero"):
        error, peak = memory(lambda path=path: read_text(path, max_bytes=1 << 22))
        assert "more than 4 MiB of text" in error and peak < 1 << 24
