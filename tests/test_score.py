import json
import tracemalloc
import unicodedata

import editdistance
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import score
from asr.score import Counting, ErrorCount, Normaliser, ScoreError, alignment, counts, transcripts
from asr.score.counts import total

TOKENS = st.lists(st.sampled_from("abc"), max_size=9)
CHANGES = st.lists(st.tuples(st.integers(0, 29), st.text("abc", max_size=2)), max_size=6)
PAIRS = st.lists(st.tuples(TOKENS, TOKENS), max_size=30)


class TestCounts:
    @settings(max_examples=300)
    @given(reference=TOKENS, hypothesis=TOKENS)
    def test_equal_the_recursive_oracle(self, reference, hypothesis):
        count = score.errors(reference, hypothesis)
        edits, substitutions = oracles.edits(tuple(reference), tuple(hypothesis))
        assert (count.errors, count.substitutions) == (edits, substitutions)
        assert count.reference_length == len(reference)
        assert count.correct + count.substitutions + count.insertions == len(hypothesis)
        assert min(vars(count).values()) >= 0

    @settings(max_examples=300)
    @given(reference=TOKENS, hypothesis=TOKENS)
    def test_with_sclites_weights_equal_its_table(self, reference, hypothesis):
        count = score.errors(reference, hypothesis, "sclite")
        letters = oracles.sclite_alignment(reference, hypothesis)
        assert [count.correct, count.substitutions, count.deletions, count.insertions] == _numbers(letters)

    @pytest.mark.parametrize("weights", ["levenshtein", "sclite"])
    @settings(max_examples=50)
    @given(pairs=PAIRS)
    def test_many_pairs_at_once_equal_one_at_a_time(self, pairs, weights):
        made = score.count([reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs], weights)
        one_by_one = [score.errors(*pair, weights) for pair in pairs]
        assert [total(made[index : index + 1]) for index in range(len(pairs))] == one_by_one
        assert total(made) == sum(one_by_one, ErrorCount())

    @settings(max_examples=100)
    @given(st.text(max_size=60), st.text(max_size=60))
    def test_errors_equal_editdistance(self, reference, hypothesis):
        assert score.errors(reference, hypothesis).errors == editdistance.eval(reference, hypothesis)

    def test_tokens_are_compared_not_their_hashes(self):
        assert score.errors([-1, 2], [-2, 2]).errors == 1  # hash(-1) == hash(-2)

    def test_add_so_that_rates_are_never_averaged(self):
        one, two = score.errors(["a", "b", "c", "d"], ["a"]), score.errors(["x"], ["x"])
        assert sum([one, two], ErrorCount()) == one + two == ErrorCount(2, 0, 3, 0, 2, 1)
        assert (one + two).rate == 3 / 5

    def test_rates_are_not_clipped_and_have_no_zero_division(self):
        assert score.errors(["a"], ["a", "b", "c"]).rate == 2.0
        assert score.errors([], []).rate == 0.0
        assert score.errors([], ["a"]).rate == float("inf")
        assert score.errors([], ["a"]).to_dict()["rate"] is None

    @pytest.mark.parametrize("weights", ["levenshtein", "sclite"])
    @settings(max_examples=200)
    @given(reference=st.text("ab", max_size=30), changes=CHANGES)
    def test_a_band_of_the_table_is_enough(self, reference, changes, weights):
        hypothesis = list(reference)
        for index, text in changes:
            hypothesis[index : index + 1] = text
        hypothesis = "".join(hypothesis)
        whole = score.errors(reference, hypothesis, weights)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (("_LONG", 1), ("_WORTH", 0)):
                patch.setattr(counts, name, value)
            for rows in (1, 4):
                patch.setattr(alignment, "_BAND", rows)
                assert score.errors(reference, hypothesis, weights) == whole

    @pytest.mark.parametrize("weights", ["levenshtein", "sclite"])
    def test_a_pair_of_3000_words_needs_little_memory(self, weights):
        reference = [str(number % 97) for number in range(3000)]
        hypothesis = [str(number % 89) for number in range(3000)]
        tracemalloc.start()
        count = score.errors(reference, hypothesis, weights)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert weights == "sclite" or count.errors == editdistance.eval(reference, hypothesis)
        assert peak < 6 * alignment._CELLS, "a table of 3000 x 3000 numbers would not fit"


class TestAlignments:
    @settings(max_examples=100)
    @given(pairs=PAIRS)
    def test_equal_sclites_table(self, pairs):
        made = score.align([one for one, _ in pairs], [other for _, other in pairs], "sclite")
        assert made == [oracles.sclite_alignment(*pair) for pair in pairs]

    @pytest.mark.parametrize("weights", ["levenshtein", "sclite"])
    @settings(max_examples=100)
    @given(pairs=PAIRS)
    def test_show_what_was_counted(self, pairs, weights):
        for (reference, hypothesis), letters in zip(pairs, score.align(*_sides(pairs), weights), strict=True):
            steps = list(score.scoring.columns(reference, hypothesis, letters))
            assert [spoken for letter, spoken, _ in steps if letter != "I"] == reference
            assert [output for letter, _, output in steps if letter != "D"] == hypothesis
            assert all((letter == "C") == (spoken == output) for letter, spoken, output in steps)
            count = score.errors(reference, hypothesis, weights)
            assert _numbers(letters) == [count.correct, count.substitutions, count.deletions, count.insertions]

    def test_a_table_in_pieces_changes_nothing(self, monkeypatch):
        reference, hypothesis = ([str(number * step % 7) for number in range(120)] for step in (3, 5))
        whole = score.align([reference, hypothesis], [hypothesis, reference])
        for cells in (1, 500, 3000):
            monkeypatch.setattr(alignment, "_CELLS", cells)
            assert score.align([reference, hypothesis], [hypothesis, reference]) == whole


class TestScore:
    @given(st.dictionaries(st.text("xyz", min_size=1), st.text("ab ", max_size=20), min_size=1))
    def test_references_against_themselves_score_0(self, references):
        result = score.score(references, references)
        assert result.word.errors == result.character.errors == 0
        assert result.word.utterances == len(references)
        assert result.worst() == []

    def test_a_space_between_words_is_a_character_unless_ignored(self):
        pair = {"u": "a b"}, {"u": "ab"}
        assert score.score(*pair).character == ErrorCount(2, 0, 1, 0, 1, 1)
        for counting in (Counting("sclite"), Counting(spaces="ignored")):
            assert score.score(*pair, counting=counting).character == ErrorCount(2, 0, 0, 0, 1, 0)
        assert score.score(*pair, counting=Counting("sclite", "counted")).character.deletions == 1

    def test_a_grapheme_cluster_is_one_character(self):
        pair = {"u": "g\u0308x"}, {"u": "gx"}  # no composed form, so NFC does not help
        assert score.score(*pair).character == ErrorCount(2, 0, 1, 0, 1, 1)
        assert score.score(*pair, counting=Counting(characters="graphemes")).character == ErrorCount(1, 1, 0, 0, 1, 1)

    def test_ids_on_one_side_are_named_and_missing_ones_are_deletions(self):
        result = score.score({"one": "a b", "two": "c"}, {"two": "c", "three": "x y"})
        assert (result.missing, result.extra) == (("one",), ("three",))
        assert result.word == ErrorCount(correct=1, deletions=2, utterances=2, utterance_errors=1)

    @settings(max_examples=30)
    @given(PAIRS)
    def test_speakers_and_utterances_add_up_to_the_totals(self, pairs):
        sides = [{f"u{index}": " ".join(pair[side]) for index, pair in enumerate(pairs)} for side in (0, 1)]
        result = score.score(*sides, speakers={f"u{index}": f"s{index % 3}" for index in range(len(pairs))})
        for index, unit in enumerate(("word", "character")):
            whole = getattr(result, unit)
            assert sum((counts[index] for counts in result.speakers.values()), ErrorCount()) == whole
            assert sum((getattr(one, unit) for one in result.utterances()), ErrorCount()) == whole
        found = result.confusions
        times = [sum(number for _, number in part) for part in (found.substitutions, found.deletions, found.insertions)]
        assert times == [result.word.substitutions, result.word.deletions, result.word.insertions]

    def test_confusions_and_the_worst_first(self):
        result = score.score({"u1": "a b c d", "u2": "a b", "u3": "d"}, {"u1": "a x c", "u2": "a x", "u3": "d e e"})
        assert result.confusions.substitutions == [(("b", "x"), 2)]
        assert result.confusions.deletions == [("d", 1)]
        assert result.confusions.insertions == [("e", 2)]
        assert [result.ids[index] for index in result.worst()] == ["u3", "u1", "u2"]

    def test_a_result_names_how_it_was_counted(self):
        result = score.score({"u": "A"}, {"u": "a"}, counting=Counting("sclite"), normaliser=Normaliser(("case",)))
        values = result.to_dict()
        assert values["counting"] == {"weights": "sclite", "spaces": "ignored", "characters": "codepoints"}
        assert values["normalisation"] == ["case"]
        assert score.score({"u": "a"}, {"u": "a"}).normalisation == ("nfc", "whitespace")


def _numbers(letters):
    return [letters.count(letter) for letter in "CSDI"]


def _sides(pairs):
    return [reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs]


def _cases(root):
    """(name, expected, references, hypotheses) of every plain case, folded as sclite was told to."""
    for path in sorted((root / "scoring").glob("*/*/expected.json")):
        expected = json.loads(path.read_text("utf-8"))
        if not expected.get("plain") or "levenshtein" not in expected.get("word", {}):
            continue
        sides = [score.read(path.parent / name, "trn").texts for name in ("ref.trn", "hyp.trn")]
        rules = ()
        if not expected["case_sensitive"]:
            # sclite folds A to Z alone, unless it is told of a language.
            rules = ("ascii-case",) if expected.get("fold", "ascii-lower") == "ascii-lower" else ("case",)
        yield f"{path.parent.parent.name}/{path.parent.name}", expected, *sides, Normaliser(rules)


def test_real_cases_have_a_minimum_edit_count(real_speech):
    """Every plain case of NIST's and of the generated pairs, words and characters (spaces not counted)."""
    plain = 0
    for name, expected, references, hypotheses, normaliser in _cases(real_speech):
        plain += 1
        result = score.score(references, hypotheses, counting=Counting(spaces="ignored"), normaliser=normaliser)
        for unit, count in (("word", result.word), ("char", result.character)):
            truth = expected[unit]["levenshtein"]["total"]
            assert (count.errors, count.substitutions) == (truth["err"], truth["sub_min"]), f"{name} {unit}"
    assert plain > 100


def test_real_cases_equal_sclite_with_its_weights(real_speech):
    """Totals, speakers and utterances of every plain case, words and characters."""
    plain = 0
    for name, expected, references, hypotheses, normaliser in _cases(real_speech):
        plain += 1
        # Without -s sclite prints ids in lower case.
        known = {key.lower(): speaker for key, speaker, *_ in expected["word"]["utterances"]}
        speakers = {key: known[key.lower()] for key in references}
        result = score.score(
            references, hypotheses, speakers=speakers, counting=Counting("sclite"), normaliser=normaliser
        )
        for index, unit in enumerate(("word", "char")):
            truth = expected[unit]
            assert _sclite(result.word if unit == "word" else result.character) == truth["total"], f"{name} {unit}"
            ours = {speaker: _sclite(counts[index]) for speaker, counts in result.speakers.items()}
            assert ours == truth["speakers"], f"{name} {unit}"
            counts = result.word_counts if unit == "word" else result.character_counts
            by_id = {key.lower(): numbers for key, numbers in zip(result.ids, counts.tolist(), strict=True)}
            assert by_id == {key.lower(): numbers for key, _, *numbers in truth["utterances"]}, f"{name} {unit}"
    assert plain > 100


def _sclite(count):
    return {
        "sentences": count.utterances, "words": count.reference_length, "correct": count.correct,
        "sub": count.substitutions, "del": count.deletions, "ins": count.insertions, "err": count.errors,
        "sentence_errors": count.utterance_errors,
    }  # fmt: skip


class TestNormaliser:
    @pytest.mark.parametrize(
        ("rules", "text", "words"),
        [
            ((), "A\u00a0b c", ["A\u00a0b", "c"]),
            (("whitespace",), "A\u00a0b\u3000c\u200b", ["A", "b", "c"]),
            (("nfc",), "cafe\u0301", ["caf\u00e9"]),
            (("case",), "\u00c9t\u00e9 ABC", ["\u00e9t\u00e9", "abc"]),
            (("ascii-case",), "\u00c9t\u00e9 ABC", ["\u00c9t\u00e9", "abc"]),
            (("punctuation",), "Don\u2019t, \u201cstop\u201d -- it's 3.14!", ["Don't", "stop", "it's", "3.14"]),
            (("punctuation",), "rock'n'roll dogs' 'tis well-known", ["rock'n'roll", "dogs", "tis", "well", "known"]),
            (("digits",), "1,984 and 3.14 on the 21st, 007", ["one", "thousand", "nine", "hundred", "eighty", "four",
             "and", "three", "point", "one", "four", "on", "the", "twenty", "first,", "seven"]),
            (("digits=de",), "21", ["einundzwanzig"]),
            (("digits",), "b2b 4x4", ["b2b", "4x4"]),
        ],
    )  # fmt: skip
    def test_rules(self, rules, text, words):
        assert Normaliser(rules).words(text) == words

    @settings(max_examples=200)
    @given(st.text(max_size=40))
    def test_doing_it_twice_changes_nothing(self, text):
        normaliser = Normaliser(("nfc", "whitespace", "case", "punctuation"))
        words = normaliser.words(text)
        assert normaliser.words(" ".join(words)) == words
        assert all(unicodedata.is_normalized("NFC", word) for word in words)

    def test_the_order_they_are_named_in_does_not_matter(self):
        assert Normaliser(("digits", "case")) == Normaliser(("case", "digits"))

    def test_a_mapping_takes_the_longest_match_on_both_sides(self, tmp_path):
        path = tmp_path / "map"
        path.write_text("# British\nColour -> color\ngoing to -> gonna\ngoing -> go\nuh ->\n")
        normaliser = Normaliser(("case",), score.normalise.read_mapping(path))
        result = score.score({"u": "COLOUR going to uh fly going"}, {"u": "color gonna fly go"}, normaliser=normaliser)
        assert result.word.errors == 0 and result.word.correct == 4
        assert result.normalisation == ("case", "mapping of 4")

    def test_mistakes_are_named(self, tmp_path):
        for rules in (("cases",), ("case=de",), ("digits", "digits=de")):
            with pytest.raises(ScoreError):
                Normaliser(rules)
        for text, message in (("a b\n", "line 1: not of the form"), ("a -> b\na -> c\n", "line 2: a was mapped to b")):
            (tmp_path / "map").write_text(text)
            with pytest.raises(ScoreError, match=message):
                score.normalise.read_mapping(tmp_path / "map")
        with pytest.raises(ScoreError, match="knows no numbers in xx"):
            Normaliser(("digits=xx",)).words("1")
        assert score.normalise.parse_rules("none") == ()
        with pytest.raises(ScoreError, match="stands alone"):
            score.normalise.parse_rules("none,case")
        assert score.normalise.parse_rules("case") == ("nfc", "whitespace", "case")


def test_a_speaker_is_what_stands_before_the_first_hyphen_or_else_underscore():
    names = [transcripts.speaker_prefix(key) for key in ("spk_b-002", "spk-a_001", "zed_003", "one")]
    assert names == ["spk_b", "spk", "zed", "one"]
