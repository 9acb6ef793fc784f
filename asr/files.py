"""Files written whole or not at all, folders locked, and text read line by line, bounded, with the line's number.

What was there before stays until all of a file is written.
"""

import errno
import io
import itertools
import logging
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from asr import limits
from asr.errors import UserError

MAX_LINE_BYTES = 1 << 24  # of a line of text, unpacked: far more than anybody's transcripts

_NO_TEXT = {
    **{b"BZh%d1AY&SY" % level: "compressed with bzip2; unpack it, or compress it with gzip" for level in range(1, 10)},
    b"\xfd7zXZ\x00": "compressed with xz; unpack it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or compress it with gzip",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"PK\x03\x04": "a zip archive, as Excel's workbooks are; save it as text",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"mmap lm http:/": "a KenLM binary; give the ARPA file that it was made from",
}
"""What files begin with that hold no UTF-8 text, and what to do about it."""


_SERIAL = itertools.count()
_POLL_S = 0.2  # between two looks at a lock

logger = logging.getLogger("asr.files")
# Control characters, line separators, marks that turn the direction of text, and surrogates.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@contextmanager
def whole(path: Path, *, is_synced: bool = True) -> Iterator[Path]:
    """A file to write to that takes the place of `path` once it is whole; where that fails nothing is left of it.

    The previous file stays until then, also where the power fails, unless `is_synced` is False: waiting for the disk
    takes some milliseconds. Any number of processes may write one file at once.
    A pipe or a device is written to as it is. An OSError names `path`.
    """
    with naming(path):
        if _is_special(path):
            yield path
            return
        part = path.with_name(f"{path.name}.{os.getpid()}-{next(_SERIAL)}.part")
        try:
            yield part
            if is_synced:
                _sync(part)
            part.replace(path)
        finally:
            with suppress(OSError):  # not there: it has taken its place, or could not be made
                part.unlink()
        with suppress(OSError):  # not every file system can do it for folders
            if is_synced:
                _sync(path.parent)


def write_bytes(path: Path, data: bytes, *, is_synced: bool = True) -> None:
    """Write a small file; see `whole`."""
    with whole(path, is_synced=is_synced) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str, *, is_synced: bool = True) -> None:
    """Write a small text file, in UTF-8; see `whole`."""
    write_bytes(path, text.encode(), is_synced=is_synced)


def printable(text: str, keep: str = "") -> str:
    r"""A text whose control characters and bytes that are not UTF-8 are spelled: no file can steer the terminal.

    The characters of `keep` stay as they are.
    """
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else _escaped(found), text)


def shown(path: str | Path) -> str:
    r"""The name of a file as messages print it, in one line: a Latin-1 name reads caf\xe9.wav, "-" standard input."""
    return "standard input" if str(path) == "-" else printable(str(path))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    # A byte that is not UTF-8, as Python has it in the names of files.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else found[0].encode("unicode_escape").decode()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError in here that names no file, or an unfinished one, names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or (error.filename and not str(error.filename).endswith(".part")):
            raise
        raise OSError(error.errno, error.strerror, shown(path)) from None


LOCK = ".lock"
_held: set[Path] = set()  # a process has its own locks twice: it would not see itself


@contextmanager
def locked(folder: Path, *, what: str, waits: bool = False) -> Iterator[None]:
    """In here no other process is in a `locked` of the same folder, which must be there.

    One that is makes this one raise UserError, `what` naming what both want to do, or wait where it `waits`. The lock
    ends with its process, however that ends. Where the file system has no locks, or nothing can be written, nothing is
    locked.
    """
    path = (folder / LOCK).resolve()
    if not os.access(folder, os.W_OK):
        yield
        return
    if path in _held:
        raise UserError(f"{shown(folder)}: this process {what} already; do one after the other")
    with naming(path), path.open("a+b") as file:
        if not _try_lock(file):
            file.seek(0)
            owner = file.read(100).decode("ascii", "replace")
            who = f"{shown(folder)}: another process{f' ({shown(owner)})' if owner else ''} {what}"
            if not waits:
                raise UserError(f"{who}; wait until it has ended, or choose another folder")
            logger.info("%s; waiting for it", who)
            while not _try_lock(file):
                time.sleep(_POLL_S)
        import platform

        _held.add(path)
        try:
            with suppress(OSError):  # a full disk: nobody will know who
                file.truncate(0)
                file.write(f"{os.getpid()} on {platform.node()}".encode("ascii", "replace"))
                file.flush()
            yield
        finally:
            _held.discard(path)


def _try_lock(file: IO[bytes]) -> bool:
    """Whether the lock is ours now; a process that is forked off does not have it."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 30)  # what is locked cannot be read: not where the owner stands
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, would outlast a power failure."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_text(
    path: str | Path, *, kind: str = "file", max_bytes: int | None = None, error: type[UserError] = UserError
) -> str:
    """The whole of a text file as `Lines` reads it, with lines of any length, line ends and byte-order mark kept.

    Raises `error` as `Lines` does, its sentence naming the line of what is not UTF-8.
    """
    lines = Lines(path, kind=kind, max_bytes=max_bytes, error=error)
    pieces: list[bytes] = []
    with lines.opened() as stream, lines.damage_named():
        while piece := stream.read(1 << 20):
            lines.count(len(piece))
            pieces.append(piece)
    data = b"".join(pieces)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as caught:
        before = data[: caught.start]
        number, column = before.count(b"\n") + 1, caught.start - before.rfind(b"\n")
        raise error(f"{lines.name}, line {number}: {_not_utf8(caught, column)}") from None


class Lines:
    """The lines of a UTF-8 text, one at a time and without their ends; `number` is that of the last one.

    It is a file, a named pipe, or `-` for standard input, gzipped or not. However large a file is, or becomes when it
    is unpacked, no more than a line of it is held. A byte-order mark is skipped.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        kind: str = "file",
        max_bytes: int | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
        error: type[UserError] = UserError,
    ) -> None:
        """`kind` is what messages call it. No file is opened before the first line is asked for.

        Iteration raises `error`, in one sentence that names file and line: no such file, a folder, another
        compression than gzip, damaged gzip, UTF-16, not UTF-8, more than `max_bytes` or a line of more than
        `max_line_bytes`, after unpacking.
        """
        self.name = shown(path)
        self.number = 0
        self._path, self._kind, self._error = path, kind, error
        self._max_bytes = limits.max_text_bytes() if max_bytes is None else max_bytes
        self._max_line_bytes, self._num_bytes = max_line_bytes, 0

    def __iter__(self) -> Iterator[str]:
        with self.opened() as stream, self.damage_named():
            while line := stream.readline(self._max_line_bytes + 1):
                self.number += 1
                if len(line) > self._max_line_bytes:
                    raise self._error(f"{self.name}, line {self.number}: longer than {_size(self._max_line_bytes)}")
                self.count(len(line))
                try:
                    text = line.decode("utf-8-sig" if self.number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise self._error(f"{self.name}, line {self.number}: {_not_utf8(error, error.start + 1)}") from None
                yield text.rstrip("\r\n")

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file's bytes, unpacked."""
        with ExitStack() as stack:
            stream = self._raw(stack)
            head = stream.peek(16)
            for start, advice in _NO_TEXT.items():
                if head.startswith(start):
                    raise self._error(f"{self.name}: {advice}")
            if head.startswith(b"\x1f\x8b"):
                import gzip

                yield cast(IO[bytes], gzip.GzipFile(fileobj=stream))
            else:
                yield stream

    @contextmanager
    def damage_named(self) -> Iterator[None]:
        """Around reading from what `opened` gives: gzip that cannot be unpacked is the file's fault."""
        import gzip
        import zlib

        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            after = f", after line {self.number}" if self.number else ""
            raise self._error(f"{self.name}{after}: damaged gzip: {error}") from None

    def count(self, num_bytes: int) -> None:
        """Raises the error where these are more than may be read."""
        self._num_bytes += num_bytes
        if self._num_bytes > self._max_bytes:
            hint = ", or set ASR_MAX_TEXT_MB" if self._max_bytes == limits.max_text_bytes() else ""
            raise self._error(f"{self.name}: more than {_size(self._max_bytes)} of text; split it{hint}")

    def _raw(self, stack: ExitStack) -> io.BufferedReader:
        if str(self._path) == "-":
            stdin = sys.stdin.buffer
            return stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stdin))
        try:
            return stack.enter_context(Path(self._path).open("rb"))
        except (FileNotFoundError, NotADirectoryError):
            raise self._error(f"{self.name}: no such {self._kind}") from None
        except IsADirectoryError:
            raise self._error(f"{self.name}: is a folder; name a {self._kind}") from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise self._error(f"{self.name[:60]}...: a name too long for a {self._kind}") from None
        except ValueError:  # a NUL in the name
            raise self._error(f"{self.name!r}: not the name of a file") from None


def _not_utf8(error: UnicodeDecodeError, column: int) -> str:
    return f"not UTF-8: {error.reason} at byte {column}; save it as UTF-8"


def _size(num_bytes: int) -> str:
    return f"{num_bytes >> 20} MiB" if num_bytes >> 20 else f"{num_bytes} bytes"
