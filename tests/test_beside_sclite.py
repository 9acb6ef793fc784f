"""Odd input, one row each of the table in asr/score/README.md: what comes out, or the error."""

import pytest

from asr import score
from asr.score import Counting, ErrorCount, Normaliser, ScoreError

SCLITE = {"counting": Counting("sclite")}
CASE, ASCII_CASE = ({"normaliser": Normaliser((rule,))} for rule in ("case", "ascii-case"))
LONG = "x" * 10_001


@pytest.mark.parametrize(
    ("reference", "hypothesis", "settings", "counts"),
    [
        ("a b c (s_1)\nd e f (s_2)\n", "a b c (s_1)\n", {}, (3, 0, 3, 0)),
        ("a b c (s_1)\nd e f (s_2)\n", "a b c (s_1)\nd x f (s_2)", {}, (5, 1, 0, 0)),
        ("a b (s_1)\n", "", {}, (0, 0, 2, 0)),
        ("a b c (s_1)\r\nd e (s_2)\r\n", "a b c (s_1)\nd e (s_2)\n", {}, (5, 0, 0, 0)),
        ("\ufeffa b (s_1)\n", "a b (s_1)\n", {}, (2, 0, 0, 0)),
        ("a b c (s_1)\na b c (s_1)\n", "a b c (s_1)\n", {}, (3, 0, 0, 0)),
        ("a b c (S_1)\nd (s_2)\n", "a b c (s_1)\nd (s_2)\n", {}, (1, 0, 3, 0)),
        ("(s_1)\na b (s_2)\n", "x y (s_1)\n(s_2)\n", {}, (0, 0, 2, 2)),
        ("a\tb  c\vd\fe (s_1)\n", "a b c d e (s_1)\n", SCLITE, (5, 0, 0, 0)),
        ("a\u00a0b c (s_1)\n", "a b c (s_1)\n", {}, (3, 0, 0, 0)),
        ("a\u00a0b c (s_1)\n", "a b c (s_1)\n", SCLITE, (1, 1, 0, 1)),
        ("a\u3000b c (s_1)\n", "a b c (s_1)\n", {}, (3, 0, 0, 0)),
        ("a\u3000b c (s_1)\n", "a b c (s_1)\n", SCLITE, (1, 1, 0, 1)),
        ("caf\u00e9 (s_1)\n", "cafe\u0301 (s_1)\n", {}, (1, 0, 0, 0)),
        ("caf\u00e9 (s_1)\n", "cafe\u0301 (s_1)\n", SCLITE, (0, 1, 0, 0)),
        ("\u00c9t\u00e9 ABC (s_1)\n", "\u00e9t\u00e9 abc (s_1)\n", ASCII_CASE, (1, 1, 0, 0)),
        ("\u00c9t\u00e9 ABC (s_1)\n", "\u00e9t\u00e9 abc (s_1)\n", CASE, (2, 0, 0, 0)),
        (f"a {LONG}z b (s_1)\n", f"a {LONG} b (s_1)\n", {}, (2, 1, 0, 0)),
        ("a b;c d (s_1)\n", "a b;x d (s_1)\n", {}, (2, 1, 0, 0)),
        ("a b* c (s_1)\n", "a b c (s_1)\n", {}, (2, 1, 0, 0)),
        ("a b\\c d (s_1)\n", "a bc d (s_1)\n", {}, (2, 1, 0, 0)),
        ("a { b / c } e (s_1)\n", "a b e (s_1)\n", {}, (3, 0, 4, 0)),
        ("a x{b / c}y d (s_1)\n", "a b d (s_1)\n", {}, (2, 1, 2, 0)),
        ("a (b) c (s_1)\n", "a c (s_1)\n", {}, (2, 0, 1, 0)),
        ("uh- huh (s_1)\n", "uhm huh (s_1)\n", {}, (1, 1, 0, 0)),
        ("a x y (s_1)\n", "p q a (s_1)\n", SCLITE, (0, 3, 0, 0)),
    ],
)  # fmt: skip
def test_words(tmp_path, reference, hypothesis, settings, counts):
    (tmp_path / "ref.trn").write_bytes(reference.encode())
    (tmp_path / "hyp.trn").write_bytes(hypothesis.encode())
    first, (other,) = score.read_all(tmp_path / "ref.trn", [tmp_path / "hyp.trn"])
    found = score.score(first.texts, other.texts, **settings).word
    assert (found.correct, found.substitutions, found.deletions, found.insertions) == counts


@pytest.mark.parametrize(
    ("reference", "hypothesis", "settings", "count"),
    [
        ("ab cd", "abcd", {}, ErrorCount(4, 0, 1, 0, 1, 1)),
        ("ab cd", "abcd", SCLITE, ErrorCount(4, 0, 0, 0, 1, 0)),
        ("ab-cd", "abcd", SCLITE, ErrorCount(4, 0, 1, 0, 1, 1)),
        ("caf\u00e9", "cafe\u0301", {}, ErrorCount(4, 0, 0, 0, 1, 0)),
        ("caf\u00e9", "cafe\u0301", SCLITE, ErrorCount(3, 1, 0, 1, 1, 1)),
    ],
)
def test_characters(reference, hypothesis, settings, count):
    assert score.score({"u": reference}, {"u": hypothesis}, **settings).character == count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a b c (s_1)\na b d (s_1)\n", "line 2: the id s_1 was on line 1 before, with another text"),
        (b"a b (s_1)\nc d\n", "line 2: does not end in an"),
        (b"a b (s_1)\nc d (s_2\n", "line 2: does not end in an"),
        (b"bad\xff x (s_1)\n", "line 1: not UTF-8"),
    ],
)
def test_errors(tmp_path, text, message):
    (tmp_path / "ref.trn").write_bytes(text)
    with pytest.raises(ScoreError, match=message):
        score.read(tmp_path / "ref.trn")
