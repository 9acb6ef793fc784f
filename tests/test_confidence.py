import itertools
import math

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decode.align import align
from asr.recognition import confidence
from asr.recognition.confidence import Calibration
from asr.text import Tokenizer

TOKENIZER = Tokenizer("ab ")
SPACE = 3


@settings(max_examples=40)
@given(text=st.sampled_from(["a", "ab", "ba a", "a b a", "aa b"]), extra=st.integers(0, 3), seed=st.integers(0, 999))
def test_a_word_is_as_sure_as_all_the_paths_that_spell_it_between_its_neighbours(text, extra, seed):
    tokens = TOKENIZER.encode(text)
    emission = oracles.random_log_probs(len(tokens) + 1 + extra, 4, seed)
    spans = align(emission, tokens)
    got = confidence.log_odds(emission, spans, SPACE)
    spaces = [span for span in spans if span.token == SPACE]
    starts, ends = [0, *(span.end_frame for span in spaces)], [*(span.start_frame for span in spaces), len(emission)]
    for word, start, end, value in zip(text.split(), starts, ends, got, strict=True):
        total = 0.0
        for path in itertools.product(range(4), repeat=end - start):
            if "".join(" ab "[token] for token in oracles.collapse(path)).strip() == word:
                total += math.exp(sum(emission[start + frame, token] for frame, token in enumerate(path)))
        assert value == pytest.approx(np.clip(math.log(total / (1 - total)), -16, 16), abs=1e-9)


@settings(max_examples=30)
@given(text=st.sampled_from(["a", "ab", "ba a", "aa b"]), extra=st.integers(0, 3), seed=st.integers(0, 999))
def test_a_sentence_is_as_sure_as_all_the_paths_that_spell_it(text, extra, seed):
    tokens = TOKENIZER.encode(text)
    emission = oracles.random_log_probs(len(tokens) + 1 + extra, 4, seed)
    total = 0.0
    for path in itertools.product(range(4), repeat=len(emission)):
        if "".join(" ab "[token] for token in oracles.collapse(path)).strip() == text:
            total += math.exp(sum(emission[frame, token] for frame, token in enumerate(path)))
    got = confidence.of_sentence(emission, align(emission, tokens), (), SPACE, 10)
    assert got == pytest.approx(total ** (1 / len(tokens)))


def spelled(*pieces):
    """An emission that says each text, a frame a token with a blank after each, and after it so many blanks."""
    rows = []
    for text, num_blanks in pieces:
        for token in [one for letter in TOKENIZER.encode(text) for one in (letter, 0)] + [0] * num_blanks:
            rows.append([0.997 if one == token else 0.001 for one in range(4)])
    return np.log(rows)


def test_other_speech_beside_a_sentence_without_a_pause_leaves_it_little():
    def sure(others, *pieces, pause=8):
        emission, text = spelled(*pieces), "".join(text for text, _ in pieces)
        return confidence.of_sentence(emission, align(emission, TOKENIZER.encode(text)), others, SPACE, pause)

    alone = sure((), ("ab ba", 20))
    assert alone > 0.9
    assert sure((0, 1), ("bb bbb ", 0), ("ab ba", 0)) < 0.2 > sure((2,), ("ab ba", 0), (" bbb", 0))
    assert sure((0, 1), ("bb bbb", 20), (" ab ba", 20)) == pytest.approx(alone, abs=0.1)
    assert sure((0,), ("bbbb", 20), (" ab ba", 0), pause=30) < 0.3
    assert sure((0,), ("bb", 20)) == 0.0


def test_few_words_at_a_time_are_as_sure(monkeypatch):
    emission = oracles.random_log_probs(60, 4, 1)
    spans = align(emission, TOKENIZER.encode("ab a bbb a ab ba"))
    together = confidence.log_odds(emission, spans, SPACE)
    monkeypatch.setattr(confidence, "_CELLS", 0)
    np.testing.assert_array_equal(confidence.log_odds(emission, spans, SPACE), together)


def test_no_words_no_odds():
    assert confidence.log_odds(np.zeros((3, 4)), [], SPACE).shape == (0,)


class TestCalibration:
    def judged(self, slope, intercept, count=4000):
        rng = np.random.default_rng(0)
        odds = rng.uniform(-10, 10, count)
        return odds, rng.random(count) < Calibration(slope, intercept)(odds)

    @pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, 2.0), (2.0, -1.0)])
    def test_the_sigmoid_that_made_the_data_is_found(self, slope, intercept):
        found = confidence.fit(*self.judged(slope, intercept))
        assert found.slope == pytest.approx(slope, rel=0.15) and found.intercept == pytest.approx(intercept, abs=0.25)

    def test_it_lowers_the_calibration_error(self):
        odds, is_right = self.judged(0.4, 1.0)
        before = confidence.calibration_error(Calibration()(odds), is_right)
        after = confidence.calibration_error(confidence.fit(odds, is_right)(odds), is_right)
        assert after < 0.03 < before

    def test_where_everything_is_right_low_odds_stay_low(self):
        odds = np.random.default_rng(0).uniform(3, 6, 200)
        calibration = confidence.fit(odds, np.ones(200, bool))
        assert calibration(np.array([-10.0]))[0] < 0.1

    def test_without_words_nothing_changes(self):
        assert confidence.fit(np.zeros(0), np.zeros(0, bool)) == Calibration()
        assert math.isnan(confidence.calibration_error(np.zeros(0), np.zeros(0, bool)))

    def test_the_calibration_error_by_hand(self):
        """Four words at 0.8 of which two are right: 0.3 too sure; one at 0.1 that is right: 0.9 too modest."""
        sure, is_right = np.array([0.8] * 4 + [0.1]), np.array([True, True, False, False, True])
        assert confidence.calibration_error(sure, is_right) == pytest.approx((4 * 0.3 + 0.9) / 5)
        assert confidence.calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0
