import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.data.manifest import ManifestError
from asr.errors import UserError
from asr.recognition import evaluate
from asr.recognition.evaluate import THRESHOLDS, Rejection
from asr.recognition.transcript import Transcript, Word

shares = st.lists(
    st.one_of(st.just(-1.0), st.integers(0, 10000).map(lambda value: value / 10000)), min_size=1, max_size=20
).map(np.array)


@given(shares, shares)
def test_a_higher_threshold_misses_more_and_alarms_less(said, others):
    rejection = Rejection(said, others)
    rows = rejection.to_dict()["thresholds"]
    assert [row["min_confidence"] for row in rows] == list(THRESHOLDS)
    misses, alarms = ([row[name] for row in rows] for name in ("miss_rate", "false_alarm_rate"))
    assert misses == sorted(misses) and alarms == sorted(alarms, reverse=True)
    at = rejection.equal_error()
    gap = abs(rejection.miss_rate(at) - rejection.false_alarm_rate(at))
    for other in (*THRESHOLDS, *said[said >= 0], *others[others >= 0]):
        assert gap <= abs(rejection.miss_rate(other) - rejection.false_alarm_rate(other)) + 1e-12


def test_what_can_be_told_apart_has_no_errors():
    rejection = Rejection(np.array([0.7, 0.8, 0.9]), np.array([-1.0, 0.1, 0.6]))
    at = rejection.equal_error()
    assert 0.6 < at <= 0.7 and rejection.miss_rate(at) == rejection.false_alarm_rate(at) == 0


def test_rates_by_hand():
    rejection = Rejection(np.array([-1.0, 0.2, 0.6, 0.9]), np.array([-1.0, 0.3, 0.5, 0.7]))
    assert (rejection.miss_rate(0), rejection.false_alarm_rate(0)) == (0.25, 0.75)
    assert (rejection.miss_rate(0.6), rejection.false_alarm_rate(0.6)) == (0.5, 0.25)
    assert "        0.5000   50.00%        50.00%\n" in rejection.to_text(), "as sure as the threshold is sure enough"
    assert rejection.to_dict()["equal_error"]["miss_rate"] == 0.5


def transcript(words):
    """A made-up transcript: words with their confidence; None: what could not be read."""
    if words is None:
        return UserError("gone")
    return Transcript(" ".join(words), 1.0, tuple(Word(text, 0.0, 1.0, value) for text, value in words.items()))


def test_words_are_judged_where_they_are_spoken():
    references = ["go left", "left", "stop", "go"]
    transcripts = [transcript(words) for words in (
        {"go": 0.9, "left": 0.8}, {"right": 0.7}, {"um": 0.6, "stop": 0.5}, None)]  # fmt: skip
    others = [transcript({"go": 0.3, "stop": 0.4}), transcript({})]
    rejection = evaluate.rejection(references, transcripts, others)
    assert rejection.said.tolist() == [0.9, 0.8, -1, 0.5, -1] and sorted(rejection.others) == [-1, 0.4]
    with pytest.raises(ManifestError, match="must have a word"):
        evaluate.rejection([""] * 4, transcripts, others)
