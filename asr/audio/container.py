"""What lies in a sound file before libsndfile reads it: samples that its header claims and that are not there, several
files one behind the other, formats that libsndfile does not read.

libsndfile believes the size of the file rather than the header's, and the first of several streams is all that it
reads; both lose sound without a word.
"""

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

_STREAMED = ((0, 0), (0x7FFF0000, 0x8000FFFF), (0xFFFF0000, 0xFFFFFFFF), (1 << 62, 1 << 64))
"""Sizes that programs write into a header which they cannot complete: of a stream, of any length."""
_MAX_CHUNKS = 10_000  # before the samples; a header of more is an attack
_SLACK = 64  # bytes that a header may claim too many: some count themselves

READABLE_BY_FFMPEG = ".m4a .mp4 .m4b .aac .3gp .3g2 .amr .awb .wma .webm .mka .mkv .mov .ac3 .ape .wv .shn .tta".split()
"""Suffixes of sound, and of films with sound, that libsndfile does not read."""

_FOREIGN = (
    (re.compile(rb"....ftyp(M4A|M4B|mp4|isom|iso|MSNV|dash)", re.DOTALL), "MPEG-4 sound (AAC)"),
    (re.compile(rb"....ftyp(3gp|3g2)", re.DOTALL), "3GPP sound of a telephone"),
    (re.compile(rb"....(ftyp|moov|mdat|wide|free|skip)", re.DOTALL), "a QuickTime or MPEG-4 file"),
    (re.compile(rb"\x1a\x45\xdf\xa3"), "WebM or Matroska"),
    (re.compile(rb"#!AMR"), "AMR, sound of a telephone"),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]|ADIF"), "AAC"),
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "Windows Media (WMA)"),
    (re.compile(rb"ajkg"), "Shorten"),
    (re.compile(rb"MAC "), "Monkey's Audio"),
    (re.compile(rb"wvpk"), "WavPack"),
    (re.compile(rb"TTA[12]"), "True Audio"),
    (re.compile(rb"\x0b\x77"), "AC-3"),
    (re.compile(rb"\.RMF|\.ra\xfd"), "RealMedia"),
    (re.compile(rb"FLV\x01"), "Flash video"),
    (re.compile(rb"RIFF....AVI ", re.DOTALL), "an AVI film"),
    (re.compile(rb"\x00\x00\x01[\xba\xb3]|G.{187}G", re.DOTALL), "an MPEG film"),
    (re.compile(rb"OggS.{24,300}Speex   ", re.DOTALL), "Speex"),
    (re.compile(rb"OggS.{24,300}(\x80theora|BBCD)", re.DOTALL), "an Ogg film"),
    (re.compile(rb"DSD |FRM8"), "DSD"),
)


@dataclass(frozen=True)
class Extent:
    """The samples of a file in bytes, as its header has them; `size_at` is where it says so, in `size_form`."""

    start: int
    claimed: int
    size_at: int = 0
    size_form: str = "<I"


Read = Callable[[int, int], bytes]
"""(where, how many) -> bytes of a file."""


def foreign(head: bytes) -> str | None:
    """What a file is that libsndfile does not read and ffmpeg does; None where nobody knows."""
    return next((name for pattern, name in _FOREIGN if pattern.match(head)), None)


def is_streamed(claimed: int) -> bool:
    """Whether the length in a header is none, but stands for one that was not known when it was written."""
    return any(least <= claimed <= most for least, most in _STREAMED)


def missing(extent: Extent, size: int) -> int:
    """How many bytes of samples a file of `size` bytes lacks; 0 for streams."""
    lacking = extent.start + extent.claimed - size
    return lacking if lacking > _SLACK and not is_streamed(extent.claimed) else 0


def extent(read: Read) -> Extent | None:
    """What the header of WAV, RF64, W64, AIFF, 8SVX, AU, CAF, SPHERE or VOC claims; None for others or broken ones."""
    head = read(0, 64)
    for magic, parse in _PARSERS:
        if magic.match(head):
            try:
                return parse(read)
            except (struct.error, ValueError, IndexError, OverflowError):
                return None
    return None


def is_followed_by_chunks(read: Read, at: int, size: int) -> bool:
    """Whether nothing but whole RIFF chunks lie from `at` to the end of a file: its data chunk is really empty."""
    while at + 8 <= size:
        name, length = struct.unpack("<4sI", read(at, 8))
        if not re.fullmatch(rb"[ -~]{4}", name):
            return False
        at += 8 + length + length % 2
    return at in (size, size + 1)


def pieces(read: Read, size: int) -> list[tuple[int, int]]:
    """Where each of several files begins and ends that lie one behind the other: WAV behind WAV, chained Ogg.

    Raises ValueError where the last page of Ogg breaks off.
    """
    head = read(0, 12)
    if head[:4] == b"OggS":
        return _ogg_pieces(read, size)
    found: list[tuple[int, int]] = []
    at = 0
    while head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
        (length,) = struct.unpack("<I" if head[:4] == b"RIFF" else ">I", head[4:8])
        end = at + 8 + length + length % 2
        following = read(end, 12)
        if is_streamed(length) or following[:4] != head[:4] or following[8:] != b"WAVE":
            break
        found.append((at, end))
        at, head = end, following
    return [*found, (at, size)]


def _ogg_pieces(read: Read, size: int) -> list[tuple[int, int]]:
    starts, at = [0], 0
    was_first = True
    while at < size:
        head = read(at, 27)
        if head[:4] != b"OggS":
            break  # a tag behind the last page, or damage that the decoder finds
        is_first = bool(len(head) == 27 and head[5] & 2)
        if is_first and not was_first:
            starts.append(at)
        was_first = is_first
        lengths = read(at + 27, head[26]) if len(head) == 27 else b""
        at += 27 + len(lengths) + sum(lengths)
        if len(head) < 27 or len(lengths) < head[26] or at > size:
            raise ValueError("breaks off within its last page")
    return list(zip(starts, [*starts[1:], size], strict=True))


def _riff(read: Read) -> Extent | None:
    form = ">I" if read(0, 4) == b"RIFX" else "<I"
    at, long_size = 12, 0
    for _ in range(_MAX_CHUNKS):
        name, (length,) = read(at, 4), struct.unpack(form, read(at + 4, 4))
        if name == b"ds64":
            (long_size,) = struct.unpack("<Q", read(at + 16, 8))
        if name == b"data":
            if long_size and length == 0xFFFFFFFF:
                return Extent(at + 8, long_size)
            return Extent(at + 8, length, at + 4, form)
        at += 8 + length + length % 2
    return None


def _w64(read: Read) -> Extent | None:
    at = 40
    for _ in range(_MAX_CHUNKS):
        name, (length,) = read(at, 4), struct.unpack("<Q", read(at + 16, 8))
        if name == b"data":
            return Extent(at + 24, length if is_streamed(length) else length - 24)
        if length < 24:
            return None
        at += (length + 7) // 8 * 8
    return None


def _form(read: Read) -> Extent | None:
    at = 12
    for _ in range(_MAX_CHUNKS):
        name, (length,) = read(at, 4), struct.unpack(">I", read(at + 4, 4))
        if name in (b"SSND", b"BODY"):
            return Extent(at + 8, length)
        at += 8 + length + length % 2
    return None


def _au(read: Read) -> Extent | None:
    order = ">" if read(0, 4) == b".snd" else "<"
    return Extent(*struct.unpack(f"{order}II", read(4, 8)))


def _caf(read: Read) -> Extent | None:
    at = 8
    for _ in range(_MAX_CHUNKS):
        name, (length,) = read(at, 4), struct.unpack(">Q", read(at + 4, 8))
        if name == b"data":
            return Extent(at + 12, length)
        at += 12 + length
    return None


def sphere_fields(read: Read) -> dict[str, str]:
    """What the header of a NIST SPHERE file says, by name."""
    length = int(read(8, 8))
    found = re.findall(r"^(\w+) -\w+ (.*?)\s*$", read(0, length).decode("latin-1"), re.MULTILINE)
    return {"header": str(length), **dict(found)}


def _sphere(read: Read) -> Extent | None:
    fields = sphere_fields(read)
    if "," in fields.get("sample_coding", ""):  # pcm,embedded-shorten-v2.00: packed
        return None
    per_sample = int(fields.get("sample_n_bytes", 2)) * int(fields.get("channel_count", 1))
    return Extent(int(fields["header"]), per_sample * int(fields.get("sample_count", 0)))


def _voc(read: Read) -> Extent | None:
    (start,) = struct.unpack("<H", read(20, 2))
    at = start
    for _ in range(_MAX_CHUNKS):
        head = read(at, 4)
        if len(head) < 4 or not head[0]:
            return Extent(start, at - start)
        if head[0] > 9:
            return None
        at += 4 + int.from_bytes(head[1:], "little")
    return None


_PARSERS: tuple[tuple[re.Pattern[bytes], Callable[[Read], Extent | None]], ...] = (
    (re.compile(rb"(RIFF|RIFX|RF64|BW64)....WAVE", re.DOTALL), _riff),
    (re.compile(rb"riff\x2e\x91\xcf\x11"), _w64),
    (re.compile(rb"FORM....(AIFF|AIFC|8SVX|16SV)", re.DOTALL), _form),
    (re.compile(rb"\.snd|dns\."), _au),
    (re.compile(rb"caff"), _caf),
    (re.compile(rb"NIST_1A\n"), _sphere),
    (re.compile(rb"Creative Voice File\x1a"), _voc),
)


class Part(io.RawIOBase):
    """The bytes `start` to `end` of a file as a file of their own, some of them replaced."""

    def __init__(self, file: BinaryIO, start: int, end: int, patch_at: int = 0, patch: bytes = b"") -> None:
        super().__init__()
        self._file, self._start, self._end, self._at = file, start, end, start
        self._patch_at, self._patch = patch_at, patch

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do."""
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(self._start, base + offset)
        return self.tell()

    def tell(self) -> int:
        """As files do."""
        return self._at - self._start

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def] # any writable buffer
        """As files do."""
        view = memoryview(buffer).cast("B")
        self._file.seek(self._at)
        data = bytearray(self._file.read(max(0, min(len(view), self._end - self._at))))
        shift = self._patch_at - self._at
        for offset, byte in enumerate(self._patch, start=shift):
            if 0 <= offset < len(data):
                data[offset] = byte
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
