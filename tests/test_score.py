import json

import editdistance
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import score
from asr.score import ErrorCount, ScoreError

TOKENS = st.lists(st.sampled_from("abc"), max_size=7)


@settings(max_examples=300, deadline=None)
@given(reference=TOKENS, hypothesis=TOKENS)
def test_counts_equal_the_recursive_oracle(reference, hypothesis):
    count = score.errors(reference, hypothesis)
    edits, substitutions = oracles.edits(tuple(reference), tuple(hypothesis))
    assert (count.errors, count.substitutions) == (edits, substitutions)
    assert count.reference_length == len(reference)
    assert count.correct + count.substitutions + count.insertions == len(hypothesis)
    assert min(vars(count).values()) >= 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(TOKENS, TOKENS), max_size=30))
def test_many_pairs_at_once_equal_one_at_a_time(pairs):
    counts = score.count([reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs])
    assert counts == [score.errors(*pair) for pair in pairs]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_errors_equal_editdistance(reference, hypothesis):
    assert score.errors(reference, hypothesis).errors == editdistance.eval(reference, hypothesis)


@given(st.dictionaries(st.text("xyz", min_size=1), st.text("ab ", max_size=20), min_size=1))
def test_references_against_themselves_score_0(references):
    result = score.score(references, references)
    assert result.word.errors == result.character.errors == 0
    assert result.word.utterances == len(references)


def test_counts_add_so_that_rates_are_never_averaged():
    one, two = score.errors(["a", "b", "c", "d"], ["a"]), score.errors(["x"], ["x"])
    assert sum([one, two], ErrorCount()) == one + two == ErrorCount(2, 0, 3, 0, 2, 1)
    assert (one + two).rate == 3 / 5


def test_rates_are_not_clipped_and_have_no_zero_division():
    assert score.errors(["a"], ["a", "b", "c"]).rate == 2.0
    assert score.errors([], []).rate == 0.0
    assert score.errors([], ["a"]).rate == float("inf")
    assert score.errors([], ["a"]).to_dict()["rate"] is None


def test_a_blank_between_words_is_a_character():
    result = score.score({"u": "a b"}, {"u": "ab"})
    assert result.character == ErrorCount(2, 0, 1, 0, 1, 1)


def test_ids_on_one_side_are_named_and_missing_ones_are_deletions():
    result = score.score({"one": "a b", "two": "c"}, {"two": "c", "three": "x y"})
    assert (result.missing, result.extra) == (("one",), ("three",))
    assert result.word == ErrorCount(correct=1, deletions=2, utterances=2, utterance_errors=1)


FILES = {
    "trn": "a b (spk-1)\n(spk-2)\nx (y) z (spk-3)\n\n",
    "kaldi": "spk-1 a b\nspk-2\nspk-3 x (y) z\n",
    "jsonl": '{"id": "spk-1", "text": "a b"}\n{"id": "spk-2", "text": ""}\n{"id": "spk-3", "text": "x (y) z"}\n',
}


CHANGES = {
    "as it is": lambda text: text,
    "no last line feed": str.rstrip,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "byte-order mark": lambda text: "\ufeff" + text,
}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_format_is_read_and_told_apart(tmp_path, form, change):
    path = tmp_path / "file.txt"
    path.write_bytes(change(FILES[form]).encode())
    assert score.read_pair(path, path)[2] == (form, form)
    assert score.read(path, form) == {"spk-1": "a b", "spk-2": "", "spk-3": "x (y) z"}


def test_empty_and_one_letter_lines_count(tmp_path):
    path = tmp_path / "plain"
    path.write_text("a\n\nI\nyes\n")
    references, _, forms = score.read_pair(path, path)
    assert forms == ("lines", "lines")
    assert references == {"1": "a", "2": "", "3": "I", "4": "yes"}


def test_one_word_lines_are_not_taken_for_ids(tmp_path):
    for text in ("yes\nno\n", "1 2 3\n4 5 6\n"):
        (tmp_path / "ref").write_text(text)
        (tmp_path / "hyp").write_text(text.replace("4", "7"))
        assert score.read_pair(tmp_path / "ref", tmp_path / "hyp")[2] == ("lines", "lines")


def test_a_file_of_one_empty_line_is_one_utterance(tmp_path):
    (tmp_path / "ref").write_text("hello\n")
    (tmp_path / "hyp").write_text("\n")
    references, hypotheses, _ = score.read_pair(tmp_path / "ref", tmp_path / "hyp")
    assert score.score(references, hypotheses).word == ErrorCount(deletions=1, utterances=1, utterance_errors=1)


@pytest.mark.parametrize(("one", "other"), [("trn", "jsonl"), ("jsonl", "kaldi"), ("kaldi", "trn")])
def test_formats_with_ids_may_be_mixed(tmp_path, one, other):
    (tmp_path / "ref").write_text(FILES[one])
    (tmp_path / "hyp").write_text("".join(reversed(FILES[other].splitlines(keepends=True))))
    references, hypotheses, forms = score.read_pair(tmp_path / "ref", tmp_path / "hyp")
    assert forms == (one, other)
    assert references == hypotheses


def test_names_in_another_order_are_ids(tmp_path):
    (tmp_path / "ref").write_text("anna a b\nbob c\n")
    (tmp_path / "hyp").write_text("bob c\nanna a b\n")
    references, hypotheses, forms = score.read_pair(tmp_path / "ref", tmp_path / "hyp")
    assert forms == ("kaldi", "kaldi") and references == hypotheses


def test_ids_on_one_side_alone_are_refused(tmp_path):
    (tmp_path / "ref").write_text(FILES["trn"])
    (tmp_path / "hyp").write_text("a b\nc\nd\n")
    with pytest.raises(ScoreError, match="by id, not by luck"):
        score.read_pair(tmp_path / "ref", tmp_path / "hyp")


def test_one_odd_line_in_a_trn_is_named(tmp_path):
    (tmp_path / "ref").write_text("a (u1)\nb (u2)\nc (my file (1))\n")
    with pytest.raises(ScoreError, match="line 3: does not end in an"):
        score.read_pair(tmp_path / "ref", tmp_path / "ref")


def test_trn_that_was_written_is_read(tmp_path):
    path = tmp_path / "x.trn"
    path.write_text(score.format_trn({"u1": "a b", "u2": ""}))
    assert score.read(path, "trn") == {"u1": "a b", "u2": ""}


@pytest.mark.parametrize(
    ("data", "form", "said"),
    [
        (b"a (u1)\nb\n", "trn", "line 2: does not end in an"),
        (b"a (u1)\nb (u1)\n", "trn", "line 2: the id u1 was on line 1"),
        (b"u1 a\nu2 \xff\n", "kaldi", "line 2: not UTF-8"),
        (b'{"id": "a"}\n', "jsonl", "line 1: not a JSON object with"),
        (b"{\n", "jsonl", "line 1"),
        (b"[" * 100000, "jsonl", "line 1"),
    ],
)
def test_bad_lines_are_named(tmp_path, data, form, said):
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(ScoreError, match=said) as caught:
        score.read(path, form)
    assert str(path) in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=80), form=st.sampled_from(score.FORMATS))
def test_no_bytes_make_a_reader_fail_otherwise(tmp_path_factory, data, form):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(data)
    try:
        transcripts = score.read(path, form)
    except ScoreError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(text, str) for text in transcripts.values())


def test_a_pair_of_3000_words_needs_little_memory():
    import tracemalloc

    reference = [str(number % 97) for number in range(3000)]
    hypothesis = [str(number % 89) for number in range(3000)]
    tracemalloc.start()
    count = score.errors(reference, hypothesis)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count.errors == editdistance.eval(reference, hypothesis)
    assert peak < 3_000_000, "a table of 3000 x 3000 would not fit"


def test_real_cases_have_a_minimum_edit_count(real_speech):
    """Every plain case of NIST's and of the generated pairs, words and characters (blanks not counted)."""
    checked, plain = 0, 0
    for path in sorted((real_speech / "scoring").glob("*/*/expected.json")):
        expected = json.loads(path.read_text("utf-8"))
        if not expected.get("plain") or "levenshtein" not in expected.get("word", {}):
            continue
        plain += 1
        references, hypotheses = (score.read(path.parent / name, "trn") for name in ("ref.trn", "hyp.trn"))
        if not expected["case_sensitive"]:
            # sclite folds A to Z alone, unless it is told of a language.
            fold = str.lower if expected.get("fold", "ascii-lower") != "ascii-lower" else _fold_ascii
            references, hypotheses = (
                {key: fold(text) for key, text in side.items()} for side in (references, hypotheses)
            )
        for unit, split in (("word", str.split), ("char", lambda text: "".join(text.split()))):
            total = sum(
                (score.errors(split(references[key]), split(hypotheses[key])) for key in references), ErrorCount()
            )
            truth = expected[unit]["levenshtein"]["total"]
            assert total.errors == truth["err"], f"{path.parent.name} {unit}"
            assert total.substitutions == truth["sub_min"], f"{path.parent.name} {unit}"
            checked += 1
    assert plain > 100 and checked == 2 * plain


def _fold_ascii(text):
    return "".join(chr(ord(letter) + 32) if "A" <= letter <= "Z" else letter for letter in text)
