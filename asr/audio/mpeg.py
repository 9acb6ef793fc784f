"""MP3: where the frames are, since nothing else in such a file can be trusted.

A decoder without an Info frame (Xing's, with the number of frames) guesses the length from the size of the file and
the bit rate of the first frame: at a variable rate it stops early, and behind tags and pictures it waits for frames
that do not exist. So the frames are counted, and a file that does not say their number gets an Info frame that does.
Format: ISO/IEC 11172-3, 13818-3; id3.org; the Xing header as LAME writes it.
"""

import struct
from dataclasses import dataclass

_BIT_RATES = {  # kbit/s by index, of (is MPEG 1, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_SEARCHED = 1 << 16  # bytes before the first frame that may be anything
_SLACK = 1  # frames: some encoders count the Info frame, too


class Damaged(Exception):
    """Frames are missing or overwritten; the message says which."""


@dataclass(frozen=True)
class _Header:
    version: int
    layer: int
    sample_rate: int
    is_mono: bool
    num_bytes: int

    @property
    def stream(self) -> tuple[int, int, int]:
        """What all frames of a stream share."""
        return self.version, self.layer, self.sample_rate

    @property
    def info_at(self) -> int:
        """Where an Info frame begins to say so: after the side information."""
        return (
            4
            + {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}[
                self.version == 3, self.is_mono
            ]
        )


def is_mpeg(head: bytes) -> bool:
    """Whether a file that begins so may be MP3."""
    return head[:3] == b"ID3" or _parse(head, 0) is not None


def frames(data: bytes) -> bytes | None:
    """The frames of an MP3 file and nothing else, behind an Info frame that counts them; None where there are none.

    Tags, pictures and padding may lie before, between and behind them; of several files one behind the other all
    frames are given. Raises Damaged where the file breaks off, where something else lies between frames, or where its
    streams differ.
    """
    spans, headers = _scan(data)
    if not spans:
        return None
    streams: list[list[tuple[int, int]]] = []  # each begins with its Info frame, if it has one
    claims: list[int | None] = []
    for (start, end), header in zip(spans, headers, strict=True):
        claim = _claim(data, start, header)
        if claim is not None or not streams:
            streams.append([])
            claims.append(claim)
        if claim is None:
            streams[-1].append((start, end))
    for claim, held in zip(claims, streams, strict=True):
        if claim and len(held) < claim - _SLACK:
            raise Damaged(f"damaged: breaks off after {len(held)} of {claim} MPEG frames")
    kinds = list(dict.fromkeys((header.sample_rate, header.is_mono, header.layer) for header in headers))
    if len(kinds) > 1:
        shown = " and ".join(f"{rate} Hz {'mono' if is_mono else 'stereo'}" for rate, is_mono, _ in kinds[:3])
        raise Damaged(f"holds streams that differ: {shown}")
    count = sum(map(len, streams))
    if not count:
        return None
    start, end = spans[0]
    info = b""
    if headers[0].layer == 3:  # one that counts them also says how much silence the encoder put before and behind
        is_counted = len(streams) == 1 and claims[0] == count and data[start + 36 : start + 40] != b"VBRI"
        info = data[start:end] if is_counted else _info(data[start : start + 4], count)
    return b"".join([info, *(data[start:end] for spans in streams for start, end in spans)])


def _scan(data: bytes) -> tuple[list[tuple[int, int]], list[_Header]]:
    """Where each frame begins and ends, and its header."""
    spans: list[tuple[int, int]] = []
    headers: list[_Header] = []
    at, size = 0, len(data)
    while at < size:
        header = _parse(data, at)
        if header and not headers:
            header = header if _continues(data, at, header) else None
        if header and at + header.num_bytes > size and headers:
            if header.stream == headers[-1].stream:
                raise Damaged("damaged: breaks off within a frame")
            header = None
        if header:
            spans.append((at, at + header.num_bytes))
            headers.append(header)
            at += header.num_bytes
            continue
        behind = _skipped(data, at)
        if behind > at:
            at = behind
            continue
        found = _resync(data, at, size if headers else min(size, at + _SEARCHED))
        if found is None:
            break
        if headers:
            raise Damaged(f"damaged: {found - at} bytes at {at} are no MPEG frames")
        at = found
    return spans, headers


def _parse(data: bytes, at: int) -> _Header | None:
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] < 0xE0:
        return None
    second, third = data[at + 1], data[at + 2]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    rate_index, bits_index = third >> 2 & 3, third >> 4
    if version == 1 or layer == 4 or rate_index == 3 or bits_index in (0, 15):
        return None
    sample_rate = _SAMPLE_RATES[version][rate_index]
    bit_rate = 1000 * _BIT_RATES[version == 3, layer][bits_index]
    padding = third >> 1 & 1
    if layer == 1:
        num_bytes = (12 * bit_rate // sample_rate + padding) * 4
    else:
        num_bytes = (72 if layer == 3 and version != 3 else 144) * bit_rate // sample_rate + padding
    return _Header(version, layer, sample_rate, data[at + 3] >> 6 == 3, num_bytes)


def _continues(data: bytes, at: int, header: _Header) -> bool:
    """Whether what looks like a header is one: another one follows, or nothing but what may lie behind frames."""
    behind = at + header.num_bytes
    while behind < len(data):
        following = _parse(data, behind)
        if following:
            return following.stream == header.stream
        if (further := _skipped(data, behind)) == behind:
            return False
        behind = further
    return behind == len(data)


def _resync(data: bytes, at: int, stop: int) -> int | None:
    """Where frames begin again, two of a kind one behind the other."""
    while 0 <= (at := data.find(b"\xff", at, stop)) < stop:
        header = _parse(data, at)
        if header and _parse(data, at + header.num_bytes) and _continues(data, at, header):
            return at
        at += 1
    return None


def _skipped(data: bytes, at: int) -> int:
    """Where the tags and zeros that begin at `at` end."""
    while True:
        start = at
        head = data[at : at + 32]
        if head[:3] == b"ID3" and len(head) >= 10 and not any(byte & 0x80 for byte in head[6:10]):
            length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            at += 10 + length + (10 if head[5] & 0x10 else 0)
        elif head[:3] == b"TAG":
            at += 227 if head[3:4] == b"+" else 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            length, flags = struct.unpack_from("<I4xI", head, 12)
            at += 32 + (length if flags & 1 << 29 else 0)  # a header counts what follows it, a footer is alone
        elif head[:11] == b"LYRICSBEGIN":
            ends = [end for mark in (b"LYRICS200", b"LYRICSEND") if (end := data.find(mark, at)) >= 0]
            at = min(ends) + 9 if ends else len(data)
        elif head[:1] == b"\0":
            at += len(data[at : at + 4096]) - len(data[at : at + 4096].lstrip(b"\0"))
        at = min(at, len(data))
        if at == start:
            return at


def _claim(data: bytes, at: int, header: _Header) -> int | None:
    """The number of frames that an Info frame names, 0 where it names none; None for a frame of sound."""
    if header.layer != 3:
        return None
    if data[at + 36 : at + 40] == b"VBRI":  # Fraunhofer's
        return int.from_bytes(data[at + 50 : at + 54], "big")
    mark = at + header.info_at
    if data[mark : mark + 4] not in (b"Xing", b"Info"):
        return None
    flags, count = struct.unpack_from(">II", data, mark + 4)
    return int(count) if flags & 1 else 0


def _info(first: bytes, count: int) -> bytes:
    """An Info frame before frames that begin with the header `first`: nothing but their number."""
    heads = (bytes([first[0], first[1] | 1, bits << 4 | (first[2] & 0x0C), first[3]]) for bits in range(1, 15))
    header, head = next(
        (header, head) for head in heads if (header := _parse(head, 0)) and header.num_bytes >= header.info_at + 16
    )
    frame = head.ljust(header.info_at, b"\0") + b"Xing" + struct.pack(">II", 1, count)
    return frame.ljust(header.num_bytes, b"\0")
