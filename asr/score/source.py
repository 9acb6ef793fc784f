"""The lines of a file of transcripts, whatever its format, and what is odd about the file."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asr import files
from asr.errors import UserError


class ScoreError(UserError):
    """Transcripts that cannot be scored; the message names the file and line."""


@dataclass(frozen=True)
class Source:
    """A file's decoded lines, read once: standard input cannot be read a second time."""

    name: str
    suffix: str
    """The ending of the file's name in lower case, that of gzip apart; may be empty."""
    lines: list[str]
    notes: list[str]
    """What is odd about the file, as the ends of sentences that begin with its name."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Python's collector of circles walks all lists again and again while 100,000 more are made, none in a circle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def load(path: str | Path) -> Source:
    """Read a file, gzipped or not, a pipe, or `-` for standard input; raises ScoreError as `files.Lines` does."""
    text = files.read_text(path, error=ScoreError)
    name = "standard input" if str(path) == "-" else str(path)
    notes = []
    if text.startswith("\ufeff"):
        text = text[1:]
        notes.append("begins with a byte-order mark, which is skipped")
    if text and not text.endswith("\n"):
        notes.append("has no line feed at its end; the last line counts")
    # Split at line feeds alone: form feeds and Unicode's line separators are spaces within a transcript.
    lines = text.removesuffix("\n").split("\n") if text else []
    if "\r\n" in text or text.endswith("\r"):
        lines = [line.removesuffix("\r") for line in lines]
        notes.append("has lines that end in CR LF; the CR is skipped")
    suffixes = [suffix.lower() for suffix in Path(name).suffixes if suffix.lower() != ".gz"]
    return Source(name, suffixes[-1] if suffixes else "", lines, notes)


def number_of(things: list[str] | tuple[str, ...], name: str) -> str:
    """How many there are, with the noun in the right number."""
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def some(names: list[str] | tuple[str, ...]) -> str:
    """The first ten of several names."""
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
