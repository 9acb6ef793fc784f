import gzip
import io
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import score
from asr.score import ScoreError, transcripts

SAID = {"spk-1": "a b", "spk-2": "", "spk-3": "x (y) z"}
FILES = {
    "trn": "a b (spk-1)\n(spk-2)\nx (y) z (spk-3)\n\n",
    "kaldi": "spk-1 a b\nspk-2\nspk-3 x (y) z\n",
    "jsonl": '{"id": "spk-1", "text": "a b"}\n{"id": "spk-2", "text": ""}\n{"id": "spk-3", "text": "x (y) z"}\n',
    "csv": "file,sentence\nspk-1,a b\nspk-2,\nspk-3,x (y) z\n",
    "tsv": "id\ttext\nspk-1\ta b\nspk-2\t\nspk-3\tx (y) z\n",
}
CHANGES = {
    "as it is": (lambda text: text.encode(), ""),
    "no last line feed": (lambda text: text.rstrip().encode(), "no line feed at its end"),
    "CRLF": (lambda text: text.replace("\n", "\r\n").encode(), "CR LF"),
    "byte-order mark": (lambda text: ("\ufeff" + text).encode(), "byte-order mark"),
    "gzip": (lambda text: gzip.compress(text.encode()), ""),
}


def pair(reference, *hypotheses, form=None):
    first, others = score.read_all(reference, hypotheses, form)
    return first.texts, others[0].texts, (first.form, others[0].form)


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize(("change", "note"), CHANGES.values(), ids=CHANGES)
def test_every_format_is_read_and_told_apart_and_what_is_odd_is_said(tmp_path, form, change, note):
    path = tmp_path / "file.txt"
    path.write_bytes(change(FILES[form]))
    assert pair(path, path) == (SAID, SAID, (form, form))
    made = score.read(path, form)
    assert made.texts == SAID
    odd = [one for one in made.notes if "without text" not in one]
    assert len(odd) == bool(note) and all(note in one and str(path) in one for one in odd)
    assert any("1 id without text, counted as empty" in one for one in made.notes)


def test_names_tell_the_format(tmp_path):
    for form in ("csv", "jsonl", "trn", "tsv"):
        path = tmp_path / f"x.{form}.gz"
        path.write_bytes(gzip.compress(FILES[form].encode()))
        assert score.read(path).form == form


def test_standard_input_is_read(tmp_path, monkeypatch):
    path = tmp_path / "hyp"
    path.write_text(FILES["trn"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FILES["trn"].encode())))
    assert pair("-", path) == (SAID, SAID, ("trn", "trn"))


def test_blanks_that_are_not_spaces_are_told(tmp_path):
    path = tmp_path / "x"
    path.write_text("a\tb (u1)\nc\u00a0d (u2)\n", encoding="utf-8")
    notes = score.read(path, "trn").notes
    assert len(notes) == 2 and "tabs" in notes[0] and "no-break" in notes[1]
    path.write_text("a { b / c } d (u1)\n")
    assert "alternatives" in score.read(path, "trn").notes[0]


def test_an_id_twice_counts_once_if_it_says_the_same(tmp_path):
    path = tmp_path / "x"
    path.write_text("a b (u1)\na b (u1)\nc (u2)\n")
    made = score.read(path, "trn")
    assert made.texts == {"u1": "a b", "u2": "c"} and "1 id twice with the same text, counted once: u1" in made.notes[0]


def test_empty_and_one_letter_lines_count(tmp_path):
    path = tmp_path / "plain"
    path.write_text("a\n\nI\nyes\n")
    references, _, forms = pair(path, path)
    assert forms == ("lines", "lines")
    assert references == {"1": "a", "2": "", "3": "I", "4": "yes"}


def test_one_word_lines_are_not_taken_for_ids(tmp_path):
    for text in ("yes\nno\n", "1 2 3\n4 5 6\n", "1 2 3 4 5\n"):
        (tmp_path / "ref").write_text(text)
        (tmp_path / "hyp").write_text(text.replace("4", "7"))
        assert pair(tmp_path / "ref", tmp_path / "hyp")[2] == ("lines", "lines")


def test_a_file_of_one_empty_line_is_one_utterance(tmp_path):
    (tmp_path / "ref").write_text("hello\n")
    (tmp_path / "hyp").write_text("\n")
    references, hypotheses, _ = pair(tmp_path / "ref", tmp_path / "hyp")
    assert (references, hypotheses) == ({"1": "hello"}, {"1": ""})


def test_an_empty_hypothesis_file_has_the_format_of_the_reference(tmp_path):
    (tmp_path / "ref").write_text(FILES["trn"])
    (tmp_path / "hyp").touch()
    assert pair(tmp_path / "ref", tmp_path / "hyp") == (SAID, {}, ("trn", "trn"))


@pytest.mark.parametrize(("one", "other"), [("trn", "jsonl"), ("jsonl", "kaldi"), ("kaldi", "trn"), ("csv", "kaldi")])
def test_formats_with_ids_may_be_mixed(tmp_path, one, other):
    (tmp_path / "ref").write_text(FILES[one])
    lines = FILES[other].splitlines(keepends=True)
    (tmp_path / "hyp").write_text("".join(reversed(lines)))
    assert pair(tmp_path / "ref", tmp_path / "hyp") == (SAID, SAID, (one, other))


def test_names_in_another_order_are_ids(tmp_path):
    (tmp_path / "ref").write_text("anna a b\nbob c\n")
    (tmp_path / "hyp").write_text("bob c\nanna a b\n")
    references, hypotheses, forms = pair(tmp_path / "ref", tmp_path / "hyp")
    assert forms == ("kaldi", "kaldi") and references == hypotheses


def test_ids_on_one_side_alone_are_refused(tmp_path):
    (tmp_path / "ref").write_text(FILES["trn"])
    (tmp_path / "hyp").write_text("a b\nc\nd\n")
    with pytest.raises(ScoreError, match="by id, not by luck"):
        pair(tmp_path / "ref", tmp_path / "hyp")


def test_one_odd_line_in_a_trn_is_named(tmp_path):
    (tmp_path / "ref").write_text("a (u1)\nb (u2)\nc (my file (1))\n")
    with pytest.raises(ScoreError, match="line 3: does not end in an"):
        pair(tmp_path / "ref", tmp_path / "ref")


def test_trn_that_was_written_is_read(tmp_path):
    path = tmp_path / "x.trn"
    path.write_text(score.format_trn({"u1": "a b", "u2": ""}))
    assert score.read(path).texts == {"u1": "a b", "u2": ""}


class TestTimes:
    STM = (
        ";; a comment\n"
        "talk 1 anna 0.00 2.00 <o,f0,female> hello there\n"
        "talk 1 bob 2.00 4.50 general kenobi\n"
        "talk 1 bob 4.50 6.00 IGNORE_TIME_SEGMENT_IN_SCORING\n"
        "talk 1 anna 7.00 8.00\n"
    )
    CTM = (
        "talk 1 0.10 0.50 hello 0.99\n"
        "talk 1 2.10 0.50 general\n"
        "talk 1 1.80 0.30 there\n"  # its middle is before 2 s
        "talk 1 5.00 0.20 noise\n"
        "talk 1 4.20 0.20 kenobi\n"
        "talk 1 9.00 0.20 bye\n"
        "other 1 0.00 0.20 nothing\n"
    )

    def test_words_go_into_segments_by_the_middle_of_their_time(self, tmp_path):
        (tmp_path / "ref").write_text(self.STM)
        (tmp_path / "hyp").write_text(self.CTM)
        first, (other,) = score.read_all(tmp_path / "ref", [tmp_path / "hyp"])
        assert (first.form, other.form) == ("stm", "ctm")
        assert list(first.texts.values()) == ["hello there", "general kenobi", ""]
        assert list(other.texts.values()) == ["hello there", "general kenobi", "bye"]
        assert list(first.texts) == list(other.texts)
        assert list(first.speakers.values()) == ["anna", "bob", "anna"]
        assert "1 segments out of scoring" in " ".join(first.notes)
        assert "1 words outside all segments" in " ".join(other.notes)
        assert "recordings that the references lack, not counted: other 1" in " ".join(other.notes)

    def test_words_alone_are_in_order_of_time(self, tmp_path):
        (tmp_path / "ref").write_text("talk hello there general kenobi noise bye\nother nothing\n")
        (tmp_path / "hyp.ctm").write_text(self.CTM)
        first, other, forms = pair(tmp_path / "ref", tmp_path / "hyp.ctm")
        assert forms == ("kaldi", "ctm") and first == other

    def test_channels_are_utterances(self, tmp_path):
        (tmp_path / "x").write_text("call A 0.0 0.5 a\ncall B 0.0 0.5 b\n")
        assert score.read(tmp_path / "x").texts == {"call_A": "a", "call_B": "b"}


@pytest.mark.parametrize(
    ("data", "form", "said"),
    [
        (b"a (u1)\nb\n", "trn", "line 2: does not end in an"),
        (b"a (u1)\nb (u1)\n", "trn", "line 2: the id u1 was on line 1 before, with another text"),
        (b"u1 a\nu2 \xff\n", "kaldi", "line 2: not UTF-8: invalid start byte at byte 4"),
        (b"\xff\xfea\x00", "lines", "UTF-16; save it as UTF-8"),
        (b"\x1f\x8bnothing", "lines", "damaged gzip"),
        (b'{"id": "a"}\n', "jsonl", "line 1: not a JSON object with"),
        (b"{\n", "jsonl", "line 1: not JSON"),
        (b"[" * 100000, "jsonl", "line 1"),
        (b"a,b\n1,2\n", "csv", "line 1: no header with an id"),
        (b"id,text\nu1\n", "csv", "line 2: 1 columns; the header has 2"),
        (b'id,text\nu1,"a\n', "csv", "line 2: not CSV"),
        (b"id\ttext\n\tb\n", "tsv", "line 2: no id"),
        (b"talk 1 x 0.5 word\n", "ctm", "line 1: not a line of ctm: recording channel start duration word"),
        (b"talk 1 bob 2.0 1.0 word\n", "stm", "line 1: from 2 s to 1 s is no stretch"),
        (b"talk 1 bob 1.0 2.0 word\n" * 2, "stm", "the segment talk_1_1.00_2.00 stands there twice"),
    ],
)
def test_bad_lines_are_named(tmp_path, data, form, said):
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(ScoreError, match=said) as caught:
        score.read(path, form)
    assert str(path) in str(caught.value)


LINES = st.lists(
    st.one_of(st.binary(max_size=30), st.sampled_from([text.encode() for text in "".join(FILES.values()).split("\n")])),
    max_size=6,
)


@settings(max_examples=400, deadline=None)
@given(lines=LINES, form=st.sampled_from([*score.FORMATS, None]), is_zipped=st.booleans())
def test_no_bytes_make_a_reader_fail_otherwise(tmp_path_factory, lines, form, is_zipped):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    data = b"\n".join(lines)
    path.write_bytes(gzip.compress(data)[: random.Random(len(data)).choice((None, -1))] if is_zipped else data)
    for read in (lambda: score.read(path, form), lambda: score.read_all(path, [path], form)[0]):
        try:
            texts = read().texts
        except ScoreError as error:
            assert str(path) in str(error)
        else:
            assert score.score(texts, texts).word.errors == 0


def test_speakers_come_from_the_file_the_ids_or_a_map(tmp_path):
    (tmp_path / "ref.jsonl").write_text('{"id": "a-1", "text": "x", "speaker": "anna"}\n{"id": "b-1", "text": "y"}\n')
    made = score.read(tmp_path / "ref.jsonl")
    assert transcripts.read_speakers(None, made) == {"a-1": "anna"}
    assert transcripts.read_speakers("none", made) == {}
    assert transcripts.read_speakers("prefix", made) == {"a-1": "a", "b-1": "b"}
    (tmp_path / "utt2spk").write_text("a-1 x\nb-1 y\nc-1 z\n")
    assert transcripts.read_speakers(str(tmp_path / "utt2spk"), made)["b-1"] == "y"
    (tmp_path / "utt2spk").write_text("a-1 x\n")
    with pytest.raises(ScoreError, match="no speaker for 1 id: b-1"):
        transcripts.read_speakers(str(tmp_path / "utt2spk"), made)
