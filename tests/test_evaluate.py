import dataclasses
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.data.manifest import LeftOut, ManifestError, Utterance
from asr.recognition import evaluate
from asr.recognition.evaluate import THRESHOLDS, Rejection
from asr.recognition.recognizer import Word
from asr.text import TextConfig

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


@pytest.fixture
def hears(monkeypatch):
    """A recogniser of made-up emissions: each is the words that are heard, with their confidence, or None."""

    def make(heard):
        def emissions(_recognizer, utterances):
            for utterance in reversed(utterances):  # in another order than the manifest
                words = heard[utterance.id]
                yield utterance.id, LeftOut(utterance.id, "gone") if words is None else words

        monkeypatch.setattr(evaluate, "emissions", emissions)
        return types.SimpleNamespace(
            card=types.SimpleNamespace(text=TextConfig()),
            heard=lambda words, min_confidence=0.9: types.SimpleNamespace(
                words=tuple(Word(text, 0.0, 1.0, sure) for text, sure in words.items() if sure >= min_confidence)
            ),
        )

    return make


def test_words_are_judged_where_they_are_said(hears):
    recognizer = hears({"a": {"go": 0.9, "left": 0.8}, "b": {"right": 0.7}, "c": {"um": 0.6, "stop": 0.5}, "d": None,
                        "x": {"go": 0.3, "stop": 0.4}, "y": {}})  # fmt: skip
    known = [Utterance("a", "Go left!", "a.wav"), Utterance("b", "left", "b.wav"), Utterance("c", "stop", "c.wav"),
             Utterance("d", "go", "d.wav")]  # fmt: skip
    others = [Utterance("x", "hello", "x.wav"), Utterance("y", "", "y.wav")]
    rejection = evaluate.rejection(recognizer, known, others)
    assert rejection.said.tolist() == [0.9, 0.8, -1, 0.5, -1] and sorted(rejection.others) == [-1, 0.4]
    silent = [dataclasses.replace(utterance, text="") for utterance in known]
    with pytest.raises(ManifestError, match="must say a word"):
        evaluate.rejection(recognizer, silent, others)
