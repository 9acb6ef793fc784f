import gzip
import io
import json
import os
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import score
from asr.score import ScoreError, transcripts

TEXTS = {"spk-1": "a b", "spk-2": "", "spk-3": "x (y) z"}
FILES = {
    "trn": "a b (spk-1)\n(spk-2)\nx (y) z (spk-3)\n\n",
    "kaldi": "spk-1 a b\nspk-2\nspk-3 x (y) z\n",
    "jsonl": '{"id": "spk-1", "text": "a b"}\n{"id": "spk-2", "text": ""}\n{"id": "spk-3", "text": "x (y) z"}\n',
    "csv": "file,sentence\nspk-1,a b\nspk-2,\nspk-3,x (y) z\n",
    "tsv": "id\ttext\nspk-1\ta b\nspk-2\t\nspk-3\tx (y) z\n",
    "json": '[{"id": "spk-1", "text": "a b"},\n {"id": "spk-2", "text": ""},\n {"id": "spk-3", "text": "x (y) z"}]\n',
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
def test_every_format_is_read_and_recognised_and_what_is_odd_is_noted(tmp_path, form, change, note):
    path = tmp_path / "file.txt"
    path.write_bytes(change(FILES[form]))
    assert pair(path, path) == (TEXTS, TEXTS, (form, form))
    made = score.read(path, form)
    assert made.texts == TEXTS
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
    assert pair("-", path) == (TEXTS, TEXTS, ("trn", "trn"))


def test_tabs_and_no_break_spaces_are_noted(tmp_path):
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
    assert pair(tmp_path / "ref", tmp_path / "hyp") == (TEXTS, {}, ("trn", "trn"))


@pytest.mark.parametrize(("one", "other"), [("trn", "jsonl"), ("jsonl", "kaldi"), ("kaldi", "trn"), ("csv", "kaldi")])
def test_formats_with_ids_may_be_mixed(tmp_path, one, other):
    (tmp_path / "ref").write_text(FILES[one])
    lines = FILES[other].splitlines(keepends=True)
    (tmp_path / "hyp").write_text("".join(reversed(lines)))
    assert pair(tmp_path / "ref", tmp_path / "hyp") == (TEXTS, TEXTS, (one, other))


def test_names_in_another_order_are_ids(tmp_path):
    (tmp_path / "ref").write_text("anna a b\nbob c\n")
    (tmp_path / "hyp").write_text("bob c\nanna a b\n")
    references, hypotheses, forms = pair(tmp_path / "ref", tmp_path / "hyp")
    assert forms == ("kaldi", "kaldi") and references == hypotheses


def test_ids_on_one_side_alone_are_refused(tmp_path):
    (tmp_path / "ref").write_text(FILES["trn"])
    (tmp_path / "hyp").write_text("a b\nc\nd\n")
    with pytest.raises(ScoreError, match=r"has ids \(spk-1, spk-2, spk-3\), and few .* of .*hyp: utterances are"):
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
        assert "excludes 1 segment from scoring" in " ".join(first.notes)
        assert "1 word outside all segments" in " ".join(other.notes)
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
    ("data", "form", "message"),
    [
        (b"a (u1)\nb\n", "trn", "line 2: does not end in an"),
        (b"a (u1)\nb (u1)\n", "trn", "line 2: the id u1 was on line 1 before, with another text"),
        (b"u1 a\nu2 \xff\n", "kaldi", "line 2: not UTF-8: invalid start byte at byte 4"),
        (b"\xff\xfea\x00", "lines", "UTF-16; save it as UTF-8"),
        (b"\x1f\x8bnothing", "lines", "damaged gzip"),
        (b'{"id": "a"}\n', "jsonl", "line 1: not a record with an id"),
        (b"{\n", "jsonl", "line 1: not JSON"),
        (b"[" * 100000, "jsonl", "line 1"),
        (b"a,b\n1,2\n", "csv", "line 1: no header with an id"),
        (b"id,text\nu1\n", "csv", "line 2: 1 columns; the header has 2"),
        (b'id,text\nu1,"a\n', "csv", "line 2: not CSV"),
        (b"id\ttext\n\tb\n", "tsv", "line 2: no id"),
        (b"talk 1 x 0.5 word\n", "ctm", "line 1: not a line of ctm: recording channel start duration word"),
        (b"talk 1 bob 2.0 1.0 word\n", "stm", "line 1: from 2 s to 1 s is no span of time"),
        (b"talk 1 bob 1.0 2.0 word\n" * 2, "stm", "the segment talk_1_1.00_2.00 stands there twice"),
    ],
)
def test_bad_lines_are_named(tmp_path, data, form, message):
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(ScoreError, match=message) as caught:
        score.read(path, form)
    assert str(path) in str(caught.value)


LINES = st.lists(
    st.one_of(st.binary(max_size=30), st.sampled_from([text.encode() for text in "".join(FILES.values()).split("\n")])),
    max_size=6,
)


@settings(max_examples=400)
@given(lines=LINES, form=st.sampled_from([*score.FORMATS, None]), is_zipped=st.booleans())
def test_no_bytes_make_a_reader_fail_otherwise(tmp_path_factory, lines, form, is_zipped):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    data = b"\n".join(lines)
    path.write_bytes(gzip.compress(data)[: random.Random(len(data)).choice((None, -1))] if is_zipped else data)
    for read in (lambda: score.read(path, form).texts, lambda: score.read_all(path, [path], form)[0].texts,
                 lambda: dict(transcripts.read_sentences(path, form)[1])):  # fmt: skip
        try:
            texts = read()
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


TRUTH = {"u1": "one two", "u2": "three"}
WRONG = {"u1": "one too", "u2": ""}


def wer(reference, hypothesis, form=None):
    first, (other,) = score.read_all(reference, [hypothesis], form)
    return score.score(first.texts, other.texts).word.rate


@pytest.mark.parametrize(
    "key", ["pred_text", "pred", "prediction", "hyp", "hypothesis", "hyp_text", "predicted_transcript", "rec_text",
            "text_pred", "recognized", "asr_text"],
)  # fmt: skip
def test_a_hypothesis_beside_its_reference_is_what_counts(tmp_path, key):
    """As NeMo's transcribe_speech.py writes them: the manifest, with the hypothesis under another name."""
    records = [{"id": name, "text": TRUTH[name], key: WRONG[name]} for name in TRUTH]
    for name, text in {
        "out.jsonl": "".join(json.dumps(record) + "\n" for record in records),
        "out.json": json.dumps(records, indent=2),
        "out.csv": f"id,text,{key}\n" + "".join(",".join(record.values()) + "\n" for record in records),
    }.items():
        (tmp_path / name).write_text(text)
        assert wer(tmp_path / name, tmp_path / name) == 2 / 3
        _, (other,) = score.read_all(tmp_path / name, [tmp_path / name])
        assert any(f"references in 'text'; hypotheses are those in '{key}'" in note for note in other.notes)
        assert score.read(tmp_path / name).texts == TRUTH
        assert score.read(tmp_path / name, role="hypothesis").texts == WRONG


def test_a_file_has_its_hypotheses_in_one_field(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text('{"id": "a", "text": "x", "pred_text": "y"}\n{"id": "b", "text": "x"}\n')
    with pytest.raises(ScoreError, match="line 2: has no 'pred_text', which those before have"):
        score.read(path, role="hypothesis")
    path.write_text('{"id": "a", "text": "x"}\n{"id": "b", "text": "x", "pred_text": "y"}\n')
    with pytest.raises(ScoreError, match="line 2: has 'pred_text', which those before lack"):
        score.read(path, role="hypothesis")
    path.write_text('{"id": "a", "text": "x", "pred_text": "y", "hyp": "z"}\n')
    with pytest.raises(ScoreError, match="'pred_text' and 'hyp' hold hypotheses; keep one of them"):
        score.read(path, role="hypothesis")
    path.write_text('{"id": "a", "hyp": "x"}\n')
    with pytest.raises(ScoreError, match="'hyp' holds a hypothesis, and nothing holds a reference"):
        score.read(path)
    path.write_text('{"id": "a", "reference": "x"}\n')
    with pytest.raises(ScoreError, match="'reference' holds a reference, and nothing holds a hypothesis"):
        score.read(path, role="hypothesis")


RECORDS = [{"id": name, "text": text} for name, text in TRUTH.items()]


@pytest.mark.parametrize("document", [
    json.dumps(RECORDS), json.dumps(RECORDS, indent=1), "\n".join(json.dumps(one, indent=2) for one in RECORDS),
    json.dumps(TRUTH), json.dumps(TRUTH, indent=2), json.dumps({"utts": {"u1": RECORDS[0], "u2": RECORDS[1]}}),
    json.dumps({name: {"wav": "/d/x.wav", "length": 1.0, "words": text} for name, text in TRUTH.items()}, indent=1),
    json.dumps({"version": 1, "data": RECORDS}, indent=1), json.dumps([{**one, "ID": one["id"]} for one in RECORDS]),
])  # fmt: skip
@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.txt"])
def test_a_json_document_over_any_lines_is_read(tmp_path, name, document):
    (tmp_path / "ref.trn").write_text("one two (u1)\nfour (u2)\n")
    (tmp_path / name).write_text(document)
    _, (other,) = score.read_all(tmp_path / "ref.trn", [tmp_path / name])
    assert other.texts == TRUTH and other.form in ("json", "jsonl")
    assert wer(tmp_path / "ref.trn", tmp_path / name) == 1 / 3


@pytest.mark.parametrize(("document", "message"), [
    (json.dumps(RECORDS, indent=2)[:-20], "line 8: not JSON"),
    ('["one two", "three"]', "utterance 1: not a JSON object"),
    ('[{"id": "a", "text": "x"},\n {"id": "b"}]', "utterance 2: not a record with an id"),
    ('{"a": "x",\n "b": "y",\n "a": "z"}', "an object has 'a' twice"),
    ('[{"id": "a", "text": "x"},\n {"id": "a", "text": "y"}]', "utterance 2: the id a was on utterance 1 before"),
    ("[[[", "line 1: not JSON"), ("[" * 100_000, "line 1"),
])  # fmt: skip
def test_json_that_cannot_be_used_is_no_plain_text(tmp_path, document, message):
    (tmp_path / "x.json").write_text(document)
    with pytest.raises(ScoreError, match=message):
        score.read_all(tmp_path / "x.json", [tmp_path / "x.json"])


def test_brackets_and_braces_alone_are_no_json(tmp_path):
    for text in ("[noise] yes (u1)\n", "{ a / b } c (u1)\n"):
        (tmp_path / "x").write_text(text)
        assert score.read(tmp_path / "x").form == "trn"


@pytest.mark.parametrize("value", [7, "7"])
def test_numbers_are_ids(tmp_path, value):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": value, "text": "x"}) + "\n")
    (tmp_path / "b.csv").write_text("id,text\n7,x\n")
    assert wer(tmp_path / "a.jsonl", tmp_path / "b.csv") == 0


@pytest.mark.parametrize(("record", "message"), [
    ({"id": 1.5, "text": "x"}, "the id in 'id' is a number"), ({"id": True, "text": "x"}, "the id in 'id' is true or"),
    ({"id": "a", "text": 5}, "the text in 'text' is a number"),
    ({"id": "a", "text": None}, "the text in 'text' is null"),
    ({"id": "a", "text": {}}, "the text in 'text' is an object"), ({"id": "", "text": "x"}, "not a record with an id"),
    ({"text": "x"}, "not a record with an id"), ({"id": "a", "words": [1]}, "the text in 'words' is a list"),
])  # fmt: skip
def test_values_of_another_kind_are_named(tmp_path, record, message):
    (tmp_path / "x.jsonl").write_text(json.dumps(record) + "\n")
    with pytest.raises(ScoreError, match=f"x.jsonl, line 1: {message}"):
        score.read(tmp_path / "x.jsonl", "jsonl")


def test_words_in_a_list_are_a_text(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "a", "words": ["x", "y"]}\n{"id": "b", "words": [{"word": "x"}, {"text": "z"}]}\n')
    assert score.read(path).texts == {"a": "x y", "b": "x z"}


TABLES = {
    "SpeechBrain": "ID,duration,wav,spk_id,wrd\nu1,1.0,/d/a.wav,s1,one two\nu2,1.0,/d/b.wav,s1,three\n",
    "DeepSpeech": "wav_filename,wav_filesize,transcript\nu1,1,one two\nu2,1,three\n",
    "Common Voice": "client_id\tpath\tsentence\tup_votes\nx\tu1\tone two\t2\ny\tu2\tthree\t0\n",
    "European Excel": "id;text;dauer\r\nu1;one two;1,5\r\nu2;three;0,5\r\n",
    "Excel with a hint": "sep=;\r\nid;text\r\nu1;one two\r\nu2;three\r\n",
    "vertical bars": "file|text\nu1|one two\nu2|three\n",
    "tabs": "id\ttext\nu1\tone two\nu2\tthree\n",
    "quotes": 'id;text\n"u1";"one two"\nu2;three\n',
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_tables_of_other_toolkits_are_read(tmp_path, table, name):
    (tmp_path / name).write_text(table, newline="")
    assert score.read(tmp_path / name).texts == TRUTH


def test_a_table_says_what_stands_between_its_columns(tmp_path):
    (tmp_path / "x.csv").write_text("id;text\nu1;one, two\n")
    made = score.read(tmp_path / "x.csv")
    assert made.texts == {"u1": "one, two"} and "columns between semicolons" in made.notes[0]
    (tmp_path / "x.csv").write_text("name;words;x\n1;2;3\n")
    with pytest.raises(ScoreError, match=r"line 1: no header with an id .*; its columns are name;words;x"):
        score.read(tmp_path / "x.csv")


def test_segments_of_a_recording_are_utterances(tmp_path):
    records = [
        {"audio_filepath": "/d/a.wav", "offset": start, "duration": 1, "text": "yes"} for start in (0.0, 1.0, 2.5)
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert list(score.read(tmp_path / "x.jsonl").texts) == ["/d/a.wav", "/d/a.wav@1.0", "/d/a.wav@2.5"]
    (tmp_path / "x.csv").write_text("path,start,text\n/d/a.wav,0.0,yes\n/d/a.wav,1.0,yes\n/d/a.wav,2.50,no\n")
    assert wer(tmp_path / "x.jsonl", tmp_path / "x.csv") == 1 / 3
    records = [{"id": name, "start_s": 1.0, "text": "yes"} for name in "ab"]
    (tmp_path / "y.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert list(score.read(tmp_path / "y.jsonl").texts) == ["a", "b"], "ids of their own"


@pytest.mark.parametrize(("reference", "hypothesis", "message"), [
    ({"u1.trn": "a (x1)\n"}, {"h.trn": "a (y1)\n"}, "u1.trn has x1; .*h.trn has y1; give both files the same ids"),
    ({"r": "utt1 a\nutt2 b\n"}, {"h": "spk1 a\nspk2 b\n"}, "share no id"),
    ({"r": "utt-1 a\n"}, {"h": "spk-1 a\n"}, "share no id"),
    ({"r.jsonl": '{"path": "/d/a.wav", "text": "x"}\n'}, {"h.trn": "x (a)\n"}, "/d/a.wav and a have the same name"),
    ({"r.trn": "x (A1)\n"}, {"h.trn": "x (a1)\n"}, "differ in case alone"),
    ({"r.csv": "id,text\n1,a\n2,b\n"}, {"h": "utt1 a\nutt2 b\n"}, "share no id"),
    ({"r.trn": "".join(f"a (x{one})\n" for one in range(9))}, {"h.trn": "a (y)\n"}, "x0, x1, x2 and 6 more"),
    ({"r.stm": "talk 1 anna 0.0 1.0 a\n"}, {"h.ctm": "call 1 0.1 0.5 a\n"}, "has words of call 1, and .* of talk 1"),
    ({"r.trn": "a (x1)\n"}, {"h.ctm": "call 1 0.1 0.5 a\n"}, "share no id"),
])  # fmt: skip
def test_ids_that_share_nothing_are_an_error_with_examples(tmp_path, reference, hypothesis, message):
    for name, text in {**reference, **hypothesis}.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ScoreError, match=message):
        score.read_all(tmp_path / next(iter(reference)), [tmp_path / next(iter(hypothesis))])


def test_first_words_that_only_look_a_little_like_ids_are_words(tmp_path):
    for reference, hypothesis in (
        ("x-ray machine\n", "x-rays machine\n"),
        ("4th of july\n21st\n", "5th of july\n1st\n"),
    ):
        (tmp_path / "r").write_text(reference)
        (tmp_path / "h").write_text(hypothesis)
        assert pair(tmp_path / "r", tmp_path / "h")[2] == ("lines", "lines")


def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    child = os.fork()
    if not child:
        path.write_text("a b (u1)\n")
        os._exit(0)
    assert score.read(path).texts == {"u1": "a b"}
    os.waitpid(child, 0)


SENTENCES = {
    "x.trn": "a b (u-1)\nc (u-2)\n", "text": "u-1 a b\nu-2 c\n", "x.csv": "id,text\nu-1,a b\nu-2,c\n",
    "x.jsonl": '{"id": "u-1", "audio": "a.wav", "text": "a b", "pred_text": "x"}\n'
               '{"id": "u-2", "audio": "b.wav", "text": "c", "pred_text": "y"}\n',
    "x.json": '{"u-1": "a b",\n "u-2": "c"}\n', "x.stm": "u 1 s 0.0 1.0 a b\nu 1 s 1.0 2.0 c\n",
    "plain": "a b\nc\n",
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_sentences_are_the_texts_without_ids_and_braces(tmp_path, name):
    (tmp_path / name).write_text(SENTENCES[name])
    form, sentences = transcripts.read_sentences(tmp_path / name)
    assert [text for _, text in sentences] == ["a b", "c"]
    assert all(where.startswith("line" if form == "lines" else "utterance") for where, _ in sentences)


def test_sentences_may_share_an_id(tmp_path):
    (tmp_path / "x.trn").write_text("a (u)\nb (u)\n")
    assert transcripts.read_sentences(tmp_path / "x.trn") == ("trn", [("utterance u", "a"), ("utterance u", "b")])


def test_a_damaged_first_line_of_json_lines_is_named(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"id": "a", "text": "x"\n{"id": "b", "text": "y"}\n')
    with pytest.raises(ScoreError, match="line 1: not JSON"):
        score.read(tmp_path / "x.jsonl")
