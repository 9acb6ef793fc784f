"""Damage to an input: bytes flipped, cut, doubled and replaced, and in text words and numbers that nobody expects."""

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

PIECES: tuple[bytes, ...] = (
    *(b"0", b"-1", b"1", b"255", b"65536", b"4294967295", b"9223372036854775808", b"1e12", b"1e400", b"-1e-400"),
    *(b"nan", b".nan", b"NaN", b"Infinity", b"-.inf", b"9" * 400, b"0.1", b"0x10", b"null", b"~", b"true"),
    *(b"[]", b"{}", b'""', b'"x"', b'"\\ud800"', b'{"a": 1}', b"[1, 2]", b"[[[[", b"[" * 3000, b'{"a":' * 3000),
    *(b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\x1b[31m", b"\x07"),
    *(b"\n", b"\r\n", b"\r", b"\t", b" ", b"\x0b", b"\x85", b"\xc2\xa0", b"\n\n", b",", b";", b":", b"=", b"|", b"#"),
    *(b"(", b")", b"<", b">", b"{", b"}", b"[", b"]", b"<a>", b"{a}", b"(a)", b"[a]", b"$a", b"*", b"+", b"\\", b'"'),
    *(b"'", b"&a [*a]", b"*a", b"<<: *a", b"!!python/object/apply:os.system", b"!!binary", b"? ", b"- ", b"%YAML 9"),
    *(b"../../x", b"/dev/zero", b"~", b"a" * 2000, b"-", b"<s>", b"</s>", b"<unk>", b"\\data\\", b"\\end\\"),
    *(b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x01\x00\x00\x00"),
)
"""What is put into an input."""
_WORD = re.compile(rb'"[^"\n]*"|-?\d[\d.eE+-]*|[^\W\d]+', re.ASCII)
_MAX_BYTES = 1 << 16  # of what comes out: repeats of repeats say nothing new
KINDS = ("flip", "set", "delete", "insert", "word", "repeat", "splice", "cut")


class Edit(NamedTuple):
    """One kind of damage; `at` and `size` are shares of the input, from 0 to 1, `piece` an index of PIECES."""

    kind: str
    at: float
    size: float
    piece: int


def draw(rng: random.Random) -> list[Edit]:
    """One to eight edits; mostly few, as one that is refused at once hides the others."""
    count = min(8, 1 + int(rng.expovariate(0.7)))
    return [Edit(rng.choice(KINDS), rng.random(), rng.random() ** 4, rng.randrange(len(PIECES))) for _ in range(count)]


def apply(seed: bytes, edits: Sequence[Edit], other: bytes = b"") -> bytes:
    """The damaged input; `other` is what is spliced in."""
    data = seed
    for edit in edits:
        data = _applied(data, edit, other)[:_MAX_BYTES]
    return data


def _applied(data: bytes, edit: Edit, other: bytes) -> bytes:
    kind, piece = edit.kind, PIECES[edit.piece]
    at = int(edit.at * len(data))
    end = min(len(data), at + 1 + int(edit.size * len(data)))
    if kind == "word" and (words := list(_WORD.finditer(data))):
        at, end = words[int(edit.at * (len(words) - 1e-9))].span()
        return data[:at] + piece + data[end:]
    if kind == "flip" and data:
        bit = 1 << edit.piece % 8
        return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
    if kind == "set":
        return data[:at] + piece[: end - at] + data[at + len(piece[: end - at]) :]
    if kind == "delete":
        return data[:at] + data[end:]
    if kind == "repeat":
        return data[:end] + data[at:end] * (1 + edit.piece % 4) + data[end:]
    if kind == "splice":
        return data[:at] + other[int(edit.size * len(other)) :]
    if kind == "cut":
        return data[:at]
    return data[:at] + piece + data[at:]
