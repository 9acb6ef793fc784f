"""A sound file as libsndfile is given it: opened, joined, mended or refused, with what to do about it."""

import errno
import io
import os
import re
import shlex
import stat
import struct
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from asr import limits
from asr.audio import container, mpeg
from asr.errors import UserError
from asr.files import shown

_MIN_RATE = 1000


Source = str | bytes | BinaryIO | container.Part
"""What libsndfile reads: the name of a file, or a file."""


class AudioError(UserError):
    """A sound file that cannot be used; the message is one sentence that names the file."""


def named(sound: str | Path | bytes) -> str | Path:
    """What messages call a file; its bytes have no name."""
    return "sound" if isinstance(sound, bytes) else sound


@contextmanager
def opened(given: str | Path | bytes) -> Iterator[Any]:
    """A soundfile.SoundFile, or a _Chain of them; raises AudioError."""
    path = named(given)
    name = shown(path)
    with ExitStack() as stack:
        try:
            file = io.BytesIO(given) if isinstance(given, bytes) else _file(path, stack)
            size = file.seek(0, io.SEEK_END)
            sounds = [stack.enter_context(_sound(source)) for source in _sources(path, file, size, name)]
        except OSError as error:
            raise AudioError(f"{name}: {error.strerror or error}") from None
        except (mpeg.Damaged, _Unreadable) as error:
            raise AudioError(f"{name}: {error}") from None
        except (RuntimeError, TypeError, ValueError) as error:
            raise AudioError(f"{name}: {_unreadable(path, file, reason(error))}") from None
        kinds = {(sound.samplerate, sound.channels): None for sound in sounds}
        if len(kinds) > 1:
            what = " and ".join(f"{rate} Hz with {channels} channels" for rate, channels in kinds)
            raise AudioError(f"{name}: holds streams of {what}; convert it: {conversion(path)}")
        if sounds[0].samplerate < _MIN_RATE:
            raise AudioError(f"{name}: of {sounds[0].samplerate} samples a second, which hold no speech")
        yield sounds[0] if len(sounds) == 1 else _Chain(sounds)


class _Chain:
    """Sounds one behind the other, read as one; what `_parts` uses of a soundfile.SoundFile."""

    def __init__(self, sounds: Sequence[Any]) -> None:
        self._sounds = deque(sounds)
        self.samplerate, self.channels, self.subtype = sounds[0].samplerate, sounds[0].channels, sounds[0].subtype
        self.frames = sum(sound.frames for sound in sounds)

    def seekable(self) -> bool:
        return False

    def read(self, num_frames: int, dtype: str, always_2d: bool) -> npt.NDArray[Any]:
        while self._sounds:
            block: npt.NDArray[Any] = self._sounds[0].read(num_frames, dtype=dtype, always_2d=always_2d)
            if len(block):
                return block
            self._sounds.popleft()
        return np.empty((0, self.channels), dtype)


class _Unreadable(Exception):
    """Why a file cannot be read, in words that follow its name."""


def _file(path: str | Path, stack: ExitStack) -> BinaryIO:
    """An open file, or what came through a pipe."""
    if str(path) != "-":
        try:
            state = os.stat(path)  # noqa: PTH116 -- for every file of a batch, and Path is four times slower
        except ValueError:  # a NUL in its name
            raise _Unreadable("no such file") from None
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                is_link = os.path.islink(path)  # noqa: PTH114
                raise _Unreadable("a link to a file that is not there" if is_link else "no such file") from None
            raise
        if stat.S_ISDIR(state.st_mode):
            raise _Unreadable("is a folder, not a file")
        file: BinaryIO = stack.enter_context(Path(path).open("rb"))  # noqa: SIM115
        if stat.S_ISREG(state.st_mode):
            return file
    else:
        file = sys.stdin.buffer
    most = limits.max_pipe_bytes()
    data = file.read(most + 1)
    if not data:
        raise _Unreadable("empty; pipe a sound file into it")
    if len(data) > most:
        raise _Unreadable(f"more than {most / 1e6:.0f} MB; a pipe is held in memory, so write a file first")
    return io.BytesIO(data)


def _sources(path: str | Path, file: BinaryIO, size: int, name: str) -> Sequence[Source]:
    """What libsndfile is given: the file itself, or parts of it, or what it should have been."""

    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    whole: Source = file
    if not isinstance(file, io.BytesIO):
        whole = coded(path)
    head = read(0, 4096)
    if mpeg.is_mpeg(head) or name[-4:].lower() in (".mp3", ".mp2"):
        frames = mpeg.frames(read(0, size))
        return [whole if frames is None else io.BytesIO(frames)]
    try:
        pieces = container.pieces(read, size)
    except ValueError as error:
        raise _Unreadable(f"damaged: {error}") from None
    if len(pieces) > 1:
        return [container.Part(file, start, end) for start, end in pieces]
    extent = container.extent(read)
    if extent is None:
        return [whole]
    if lacking := container.missing(extent, size):
        held = max(0, size - extent.start)
        raise _Unreadable(f"damaged: breaks off after {held} of {held + lacking} bytes of samples")
    start = extent.start
    is_unfinished = head[:4] in (b"RIFF", b"RIFX") and not extent.claimed and start < size
    if is_unfinished and not container.is_followed_by_chunks(read, start, size):
        patch = struct.pack(extent.size_form, min(size - start, 0xFFFFFFFE))
        return [container.Part(file, 0, size, extent.size_at, patch)]
    return [whole]


def _sound(source: Source) -> Any:
    import soundfile

    if not isinstance(source, str | bytes):
        source.seek(0)
    return soundfile.SoundFile(source)


def _unreadable(path: str | Path, file: BinaryIO, reason: str) -> str:
    """Why libsndfile cannot read a file, and what can."""
    file.seek(0)
    head = file.read(4096)
    if head.startswith(b"NIST_1A\n"):
        coding = re.search(rb"sample_coding -\w+ (\S+)", head)
        what = f"NIST SPHERE, packed ({coding[1].decode('latin-1')})" if coding else "NIST SPHERE"
        target = _quoted(Path(path).with_suffix(".wav"))
        return f"{what}, which libsndfile does not read; convert it: sph2pipe -f wav {_quoted(path)} {target}"
    known = container.foreign(head)
    if not known and Path(path).suffix.lower() in container.READABLE_BY_FFMPEG:
        known = f"perhaps {Path(path).suffix.lower()[1:]}, but damaged or of another kind"
    if known:
        return f"{known}, which libsndfile does not read; convert it: {conversion(path)}"
    advice = f"; convert it: {conversion(path)}" if "unimplemented" in reason or "unsupported" in reason else ""
    return f"not a sound file that libsndfile reads: {reason}{advice}"


def coded(path: str | Path) -> str | bytes:
    """A path as soundfile takes it, which does not know Python's way to spell bytes that are not UTF-8."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def conversion(path: str | Path) -> str:
    """The command that makes a file readable."""
    target = Path(path).with_suffix(".wav")
    if target == Path(path):
        target = target.with_stem(f"{target.stem}-converted")
    return "ffmpeg -i - x.wav" if str(path) == "-" else f"ffmpeg -i {_quoted(path)} {_quoted(target)}"


def _quoted(path: str | Path) -> str:
    return shlex.quote(shown(path))


def reason(error: Exception) -> str:
    """What libsndfile says of a file, without its frills."""
    text = getattr(error, "error_string", None) or str(error)
    return str(text).removeprefix("Error : ").strip().rstrip(".") or type(error).__name__
