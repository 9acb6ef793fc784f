"""Language models: ARPA files in and out, back-off, and what Kneser-Ney estimation must satisfy."""

import bz2
import gzip
import lzma
import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode import kneser_ney, lm
from asr.decode.hypothesis import DecodeError

TEXT = """
enter four five one
enter one
stop
go one two
erase one two three
one two three four five
rubout g m e f three nine
yes
no
stop and go
"""
SENTENCES = [line.split() for line in TEXT.strip().splitlines()]
corpora = st.lists(st.lists(st.sampled_from("a b c d e".split()), min_size=1, max_size=6), min_size=1, max_size=12)

# Back-off by hand (Katz 1987): P(a | c) is alpha(c) P(a), and there is no alpha(b).
ARPA = """a comment

\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.5\t</s>
-0.6\ta\t-0.2
-0.7\tb
-0.8\tc\t-0.4

\\2-grams:
-0.1\t<s> a
-0.2\ta b
-0.3\tb </s>

\\end\\
"""


def read(tmp_path, text, name="x.arpa"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return lm.read(path)


def sums(model):
    """Summed probability of every word but <s>, after every context there is, and after none."""
    words = model.vocabulary - {lm.BEGIN}
    contexts = {ngram[:length] for table in model.ngrams for ngram in table for length in range(len(ngram) + 1)}
    for context in contexts:
        state = ()
        for word in context:
            state = model._shortened((*state, word))
        yield sum(math.exp(model.score(state, word)[0]) for word in words)


class TestReading:
    @pytest.mark.parametrize("name", ["x.arpa", "x.arpa.gz"])
    def test_scores_back_off(self, tmp_path, name):
        model = read(tmp_path, ARPA, name)
        expected = {"a b": -0.1 - 0.2 - 0.3, "b": -0.5 - 0.7 - 0.3, "c a": -0.5 - 0.8 - 0.4 - 0.6 - 0.2 - 0.5,
                    "a zebra": -0.1 - 0.2 - 1.0 - 0.5, "": -0.5 - 0.5}  # fmt: skip
        for words, log_prob in expected.items():
            assert model.score_sentence(words.split()) == pytest.approx(log_prob * math.log(10))

    def test_without_unk_an_unknown_word_is_next_to_impossible(self, tmp_path):
        model = read(tmp_path, ARPA.replace("-1.0\t<unk>\n", "").replace("1=6", "1=5"))
        assert model.score_sentence(["zebra"]) < -200

    @pytest.mark.parametrize(("old", "new", "message"), [
        ("\\data\\", "data", "no .data"),
        ("ngram 1=6", "ngram 1=7", "line 15: 6 1-grams where .* announces 7"),
        ("ngram 1=6", "ngram 1=5", "line 13: more 1-grams than the 5 that .* announces"),
        ("ngram 1=6", "ngram 1=" + "9" * 5000, "no `ngram 1="),
        ("-0.2\ta b", "-0.2\ta", "line 17: .* is not a log-probability and 2 words"),
        ("-0.2\ta b", "-0.2\ta b\t-0.1", "line 17: .* a back-off of -0.1 on an n-gram that none is longer"),
        ("-0.2\ta b", "x\ta b", "line 17: .* numbers"),
        ("-0.2\ta b", "0.2\ta b", "line 17: .* logarithm"),
        ("-0.2\ta b", "nan\ta b", "line 17: .* logarithm"),
        ("-0.2\ta b", "-0.1\t<s> a", "line 17: .* twice"),
        ("-0.2\ta b", "-0.2\ta z", "line 17: .* not among the 1-grams"),
        ("\\end\\", "", "the end of the file where .*end"),
        ("\\2-grams:", "\\3-grams:", "3-grams.* where .*2-grams"),
        ("ngram 2=3", "ngram 3=3", "ngram 2 was expected"),
    ])  # fmt: skip
    def test_a_damaged_file_is_named_with_its_line(self, tmp_path, old, new, message):
        with pytest.raises(DecodeError, match=message) as caught:
            read(tmp_path, ARPA.replace(old, new, 1))
        assert str(caught.value).startswith(str(tmp_path / "x.arpa"))

    def test_other_files_are_named(self, tmp_path):
        with pytest.raises(DecodeError, match=r"gone\.arpa: no such language model"):
            lm.read(tmp_path / "gone.arpa")
        cut = tmp_path / "cut.arpa.gz"
        cut.write_bytes(gzip.compress(ARPA.encode())[:-30])
        with pytest.raises(DecodeError, match=r"cut\.arpa\.gz.*damaged"):
            lm.read(cut)
        (tmp_path / "latin.arpa").write_bytes(ARPA.replace("c\t", "é\t").encode("latin-1"))
        with pytest.raises(DecodeError, match=r"latin\.arpa, line 13: not UTF-8"):
            lm.read(tmp_path / "latin.arpa")

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace("<s> a", "<s> a\t0").replace("a b", "a b\t-0.0").replace("b </s>", "b </s>\t0.0"),
            lambda text: "\ufeff" + text.removeprefix("a comment\n\n"),
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.replace("\t", "   ").replace("\n", " \n"),
            lambda text: text.replace("<unk>", "<UNK>"),
        ],
        ids=["back-off of 0 on the longest", "byte-order mark", "CR LF", "spaces", "capitals"],
    )
    @pytest.mark.parametrize("name", ["x.arpa", "x.arpa.gz"])
    def test_what_other_toolkits_write_is_read(self, tmp_path, change, name):
        assert change(ARPA) != ARPA
        assert read(tmp_path, change(ARPA), name).ngrams == read(tmp_path, ARPA, name).ngrams

    @pytest.mark.parametrize(("data", "message"), [
        (bz2.compress(ARPA.encode()), "compressed with bzip2"), (lzma.compress(ARPA.encode()), "compressed with xz"),
        (b"mmap lm http://kheafield.com/code format version 5\n\0\0\xff", "KenLM binary.*give the ARPA file"),
        (ARPA.encode("utf-16"), "UTF-16"), (gzip.compress(ARPA.encode(), mtime=0)[:20] + b"\0" * 40, "damaged gzip"),
        (b"", "no .data"), (b"\x1f\x8b\x08\x00\x83\xab;tM6M6M6\x1f", "damaged gzip"),
    ])  # fmt: skip
    def test_what_is_no_text_is_named(self, tmp_path, data, message):
        (tmp_path / "x.arpa").write_bytes(data)
        with pytest.raises(DecodeError, match=message) as caught:
            lm.read(tmp_path / "x.arpa")
        assert str(caught.value).startswith(str(tmp_path / "x.arpa"))

    @pytest.mark.parametrize("head", [b"a\n", b"\n", ARPA[:-7].encode() + b"\n", b"\\data\\\n\n"])
    def test_a_bomb_of_lines_is_refused_early(self, tmp_path, head):
        (tmp_path / "x.arpa.gz").write_bytes(gzip.compress(head + head[-1:] * (1 << 25)))
        began = time.monotonic()
        with pytest.raises(DecodeError):
            lm.read(tmp_path / "x.arpa.gz")
        assert time.monotonic() - began < 2

    def test_a_line_without_end_is_refused(self, tmp_path):
        (tmp_path / "x.arpa.gz").write_bytes(gzip.compress(b"\\data\\\n" + b"a" * (1 << 25)))
        with pytest.raises(DecodeError, match="line 2: longer than 16 MiB"):
            lm.read(tmp_path / "x.arpa.gz")


class TestMissingWords:
    MODEL = kneser_ney.estimate(SENTENCES, 2)
    CLOSED = lm.LanguageModel([{key: value for key, value in MODEL.ngrams[0].items() if key != (lm.UNKNOWN,)}])

    def check(self, model, words, kind="the lexicon"):
        lm.check_vocabulary(model, words, kind, "x.arpa", has_space=True)

    def test_words_that_it_has_give_no_warning(self, caplog):
        self.check(self.MODEL, ["one", "stop and go"])
        self.check(self.MODEL, [])
        assert not caplog.records

    def test_they_are_named(self, caplog):
        self.check(self.MODEL, ["one", "zebra", "stop gnu"])
        assert caplog.messages == ["x.arpa: lacks 2 of 4 words of the lexicon, scored as <unk>: zebra, gnu"]
        self.check(self.CLOSED, ["one", *(f"w{number}" for number in range(20))], "the hot words")
        assert "lacks 20 of 21 words of the hot words, which is never recognised" in caplog.messages[1]
        assert caplog.messages[1].endswith("w8, w9, ...")

    def test_none_at_all_is_an_error(self):
        with pytest.raises(DecodeError, match=r"x\.arpa: holds none of the lexicon, such as 'ONE'"):
            self.check(self.MODEL, ["ONE", "TWO"])

    def test_characters_are_units_too(self, caplog):
        model = kneser_ney.estimate([lm.units("a ab", is_character=True)], 2)
        self.check(model, ["ab", "b a"])
        assert not caplog.records
        self.check(model, ["abc"])
        assert "lacks 1 of 3 characters of the lexicon" in caplog.text

    def test_with_unk_they_can_be_recognised_and_without_it_hardly(self):
        assert self.MODEL.score((), "zebra")[0] > -10 and self.CLOSED.score((), "zebra")[0] < -200


class TestEstimation:
    @settings(max_examples=50)
    @given(corpus=corpora, order=st.integers(1, 4), is_character=st.booleans())
    def test_probabilities_of_every_context_sum_to_one(self, corpus, order, is_character):
        units = [lm.units(" ".join(words), is_character=is_character) for words in corpus]
        model = kneser_ney.estimate(units, order, vocabulary=["unseen"])
        assert list(sums(model)) == pytest.approx([1.0] * len(list(sums(model))))

    @settings(max_examples=30)
    @given(corpus=corpora, order=st.integers(1, 4), name=st.sampled_from(["x.arpa", "x.arpa.gz"]))
    def test_written_then_read_gives_the_same_scores(self, tmp_path_factory, corpus, order, name):
        path = tmp_path_factory.mktemp("lm") / name
        model = kneser_ney.estimate(corpus, order)
        lm.write(path, model)
        again = lm.read(path)
        for words in [*corpus, ["a", "zebra", "b"], []]:
            assert again.score_sentence(words) == pytest.approx(model.score_sentence(words), rel=1e-6)

    def test_perplexity_on_its_own_text_falls_as_the_order_grows(self):
        rng = random.Random(1)
        chain = {"": "ab", "a": "bbbc", "b": "ccca", "c": "aab"}  # each letter mostly follows one other
        corpus = []
        for _ in range(200):
            words = [rng.choice(chain[""])]
            while rng.random() > 0.2:
                words.append(rng.choice(chain[words[-1]]))
            corpus.append(words)
        for sentences in (SENTENCES, corpus):
            perplexities = [kneser_ney.estimate(sentences, order).perplexity(sentences) for order in (1, 2, 3, 4)]
            assert perplexities == sorted(perplexities, reverse=True)

    def test_discounts_are_those_of_chen_and_goodman(self):
        """20 words once, 10 twice, 5 three times, 2 four times: Y = 20 / (20 + 20) = 1 / 2."""
        counts = [1] * 20 + [2] * 10 + [3] * 5 + [4] * 2
        assert kneser_ney._discounts(counts) == pytest.approx(
            (1 - 2 / 2 * 10 / 20, 2 - 3 / 2 * 5 / 10, 3 - 4 / 2 * 2 / 5)
        )
        assert kneser_ney._discounts([1, 1, 1]) == kneser_ney._DEFAULT, "too small a corpus to estimate them"

    def test_lower_orders_count_the_words_that_they_follow(self):
        """Kneser and Ney's "San Francisco": frequent, but after one word alone."""
        corpus = [["san", "francisco"]] * 6 + [[word, "glasses"] for word in ("my", "your", "new", "old")]
        model = kneser_ney.estimate(corpus, 2)
        assert model.score((), "glasses")[0] > model.score((), "francisco")[0]

    def test_unseen_words_of_the_vocabulary_are_as_likely_as_unknown_ones(self):
        model = kneser_ney.estimate(SENTENCES, 2, vocabulary=["zebra"])
        assert model.score((), "zebra")[0] == pytest.approx(model.score((), lm.UNKNOWN)[0])

    def test_mistakes(self):
        with pytest.raises(DecodeError, match="no words"):
            kneser_ney.estimate([], 2)
        with pytest.raises(DecodeError, match="no words"):
            kneser_ney.estimate([[]], 1, vocabulary=["zebra"])
        with pytest.raises(DecodeError, match="reserved"):
            kneser_ney.estimate([["a", "</s>"]], 2)
        with pytest.raises(DecodeError, match="order"):
            kneser_ney.estimate(SENTENCES, 0)


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(1, 3))
def test_no_context_gains_more_than_the_most(sentences, order):
    model = kneser_ney.estimate(sentences, order)
    for sentence in sentences:
        state = model.begin
        for word in sentence:
            assert model.score(state, word)[0] - model.score((), word)[0] <= model.max_gain() + 1e-9
            state = model.score(state, word)[1]
    assert model.max_gain() == 0 or order > 1


def test_a_back_off_above_1_gains_too_and_makes_no_word_surer_than_sure():
    unigrams = {("a",): (-3.0, 2.0), ("b",): (-5.0, 1.0)}
    model = lm.LanguageModel([unigrams, {("a", "a"): (-2.5, 3.5)}, {("b", "a", "a"): (-2.0, 0.0)}])
    assert model.score(("a", "a"), "b")[0] == 0.0 and model.score(("a",), "b")[0] == -3.0
    for state in ((), ("a",), ("b",), ("a", "a"), ("b", "a")):
        for word in "ab":
            assert model.score(state, word)[0] - model.score((), word)[0] <= model.max_gain()


def test_characters_are_told_from_words():
    words = kneser_ney.estimate([["a", "b"]], 2)
    characters = kneser_ney.estimate([lm.units("a b", is_character=True)], 2)
    assert not words.is_character(has_space=True) and words.is_character(has_space=False)
    assert characters.is_character(has_space=True)
    assert not kneser_ney.estimate(SENTENCES, 2).is_character(has_space=False)


def test_kenlm_gives_the_same_scores(tmp_path):
    kenlm = pytest.importorskip("kenlm")
    path = tmp_path / "x.arpa"
    model = kneser_ney.estimate(SENTENCES, 3)
    lm.write(path, model)
    judge = kenlm.Model(str(path))
    for words in [*SENTENCES, ["one", "zebra", "go"], ["five"] * 4, []]:
        assert judge.score(" ".join(words)) * math.log(10) == pytest.approx(model.score_sentence(words), abs=1e-4)
