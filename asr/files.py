"""A file is written whole or not at all: what was there before stays until all of it is written."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write to that takes the place of `path` once it is whole; where that fails nothing is left of it."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):  # not there: it has taken its place, or could not be made
            part.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file."""
    with whole(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a small text file, in UTF-8."""
    write_bytes(path, text.encode())
