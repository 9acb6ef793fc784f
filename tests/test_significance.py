import json
import math

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import score
from asr.score import Counting, ScoreError, significance


def scored(references, hypotheses, **settings):
    ids = [f"u{index}" for index in range(len(references))]
    return score.score(dict(zip(ids, references, strict=True)), dict(zip(ids, hypotheses, strict=True)), **settings)


@pytest.mark.parametrize("case", ["better", "identical", "nested"])
def test_equal_sc_stats(real_speech, case):
    folder = real_speech / "scoring" / "signif" / case
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    reference, hypotheses = score.read_all(folder / "ref.trn", [folder / "hypA.trn", folder / "hypB.trn"])
    systems = [score.score(reference.texts, one.texts, counting=Counting("sclite")) for one in hypotheses]
    (found,) = significance.compare(systems, ["A", "B"])
    truth = expected["mapsswe"]
    assert found.mapsswe.num_segments == int(truth["segments"])
    assert f"{found.mapsswe.mean:.3f}" == truth["mean"]
    assert f"{found.mapsswe.standard_deviation:.3f}" == truth["std_dev"]
    assert f"{found.mapsswe.z:.3f}" == truth["z"]
    assert (found.mapsswe.p < 0.05) == (truth["different"] == "Yes")
    truth = expected["mcnemar"]
    assert found.mcnemar.both_right == truth["both_correct"]
    assert found.mcnemar.only_a_right == truth["A_correct_B_wrong"]
    assert found.mcnemar.only_b_right == truth["A_wrong_B_correct"]
    assert found.mcnemar.both_wrong == truth["both_wrong"]
    assert found.mcnemar.p == pytest.approx(truth["exact_two_sided_binomial_p"], rel=1e-9)


@settings(max_examples=100)
@given(st.lists(st.integers(-4, 4), max_size=10))
def test_the_sign_test_equals_every_pattern_of_signs(differences):
    assert significance.sign_test(differences) == pytest.approx(oracles.sign_test(differences))


@pytest.mark.parametrize(("one", "other"), [(0, 0), (3, 3), (0, 5), (5, 0), (30, 7), (2000, 1900)])
def test_mcnemars_p_is_the_binomial(one, other):
    from scipy.stats import binomtest

    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert significance.binomial_test(one, other) == pytest.approx(expected, rel=1e-9)


def test_two_right_words_end_a_segment():
    #           one segment: one right word between; then two segments
    reference = ["a b c d e f g"]
    a, b = scored(reference, ["x b y d e f z"]), scored(reference, ["a b c d e f g"])
    found = significance.mapsswe(a, b)
    assert (found.num_segments, found.mean) == (2, 1.5)
    # An insertion belongs to the segment around it, and to one of its own where both were right.
    a = scored(reference, ["a b c q d e f g"])
    assert significance.mapsswe(a, b).num_segments == 1


def test_swapping_the_systems_turns_signs_alone():
    rng = np.random.default_rng(1)
    references = [" ".join(rng.choice(list("abcdef"), 8)) for _ in range(30)]
    systems = [
        scored(references, [" ".join(rng.choice(list("abcdefxx"), 1)[0] if rng.random() < 0.2 else word
                                     for word in text.split()) for text in references])
        for _ in range(2)
    ]  # fmt: skip
    (one,), (other,) = significance.compare(systems, "AB"), significance.compare(systems[::-1], "BA")
    assert one.mapsswe.z == -other.mapsswe.z and one.mapsswe.p == other.mapsswe.p
    assert one.mcnemar.only_a_right == other.mcnemar.only_b_right and one.mcnemar.p == other.mcnemar.p
    assert one.bootstrap.difference == -other.bootstrap.difference
    assert one.bootstrap.p == pytest.approx(other.bootstrap.p, abs=0.05)


def test_few_segments_have_an_exact_p():
    a, b = scored(["a", "b", "c"], ["x", "y", "z"]), scored(["a", "b", "c"], ["a", "b", "c"])
    found = significance.mapsswe(a, b)
    assert found.num_segments == 3 and found.standard_deviation == 0
    assert found.p == found.p_exact == 2 / 2**3


def test_holm():
    assert significance.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert significance.holm([0.5, 0.9]) == [1.0, 1.0]
    assert significance.holm([]) == []


class TestBootstrap:
    def test_covers_the_true_rate_as_often_as_it_says(self):
        """Utterances of 10 words, each wrong with 10 %: the interval should hold 10 % about 95 times in 100."""
        held = 0
        for seed in range(200):
            wrong = np.random.default_rng(seed).binomial(10, 0.1, size=100)
            one = scored(["a " * 10] * 100, ["x " * number + "a " * (10 - number) for number in wrong])
            found = significance.interval(one, seed=seed)
            held += found.low <= 0.1 <= found.high
            assert found.low <= one.word.rate <= found.high
        assert 180 <= held <= 199  # 5 standard deviations around 190, to the side that would be too wide

    def test_drawing_kinds_equals_drawing_utterances(self):
        """The multinomial over kinds of utterances against the obvious loop over drawn utterances."""
        rng = np.random.default_rng(0)
        units = np.stack([rng.integers(0, 3, 40), rng.integers(1, 5, 40)], axis=1)
        (errors,), lengths = significance._resampled([units], 20_000, 0)
        picks = rng.integers(0, 40, (20_000, 40))
        slow = units[picks].sum(axis=1)
        for fast, obvious in ((errors, slow[:, 0]), (lengths, slow[:, 1])):
            assert fast.mean() == pytest.approx(obvious.mean(), rel=0.01)
            assert fast.std() == pytest.approx(obvious.std(), rel=0.03)

    def test_the_seed_decides(self):
        one = scored(["a b", "c", "d e f", "g"] * 9, ["a", "c", "d x f", "h"] * 9)
        assert significance.interval(one, seed=3) == significance.interval(one, seed=3)
        assert significance.interval(one, seed=3, resamples=50) != significance.interval(one, seed=4, resamples=50)

    def test_speakers_are_drawn_whole(self):
        """Two speakers, one always wrong: over utterances the interval is narrow, over speakers it knows nothing."""
        references, hypotheses = ["a"] * 200, ["a"] * 100 + ["b"] * 100
        speakers = {f"u{index}": str(index // 100) for index in range(200)}
        whole = significance.interval(scored(references, hypotheses, speakers=speakers))
        assert (whole.resampled, whole.num_units, whole.low, whole.high) == ("speakers", 2, 0.0, 1.0)
        single = significance.interval(scored(references, hypotheses))
        assert single.resampled == "utterances" and 0.4 < single.low < single.high < 0.6

    def test_an_unknown_speaker_is_no_speaker(self):
        one = scored(["a", "b", "c"], ["a", "x", "c"], speakers={"u0": "s", "u1": "t"})
        assert significance.interval(one).resampled == "utterances"

    def test_equal_systems_do_not_differ(self):
        one = scored(["a b", "c"] * 20, ["a x", "c"] * 20)
        found = significance.paired_bootstrap(one, one)
        assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)

    def test_no_reference_words_at_all(self):
        one = scored(["", ""], ["a", ""])
        found = significance.interval(one)
        assert math.isinf(found.high) and found.to_dict()["high"] is None


def test_only_like_is_compared_with_like():
    one, other = scored(["a"], ["a"]), scored(["b"], ["a"])
    with pytest.raises(ScoreError, match="A and B were scored on different references"):
        significance.compare([one, other], ["A", "B"])
    with pytest.raises(ScoreError, match="different ways"):
        significance.compare([one, scored(["a"], ["a"], counting=Counting("sclite"))], ["A", "B"])
    with pytest.raises(ScoreError, match="resamples above 0"):
        significance.compare([one, one], ["A", "B"], resamples=0)
