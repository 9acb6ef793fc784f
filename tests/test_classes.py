import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.score.classes import Classes

LABELS = st.sampled_from(["cat", "dog", "smart mirror", "a_long_name_of_a_class", ""])


@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore:A single label")
@given(st.lists(st.tuples(LABELS.filter(bool), LABELS), min_size=1, max_size=30))
def test_report_and_matrix_are_those_of_scikit_learn(pairs):
    judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    true, found = (list(side) for side in zip(*pairs, strict=True))
    ours = Classes.of(dict(enumerate(true)), dict(enumerate(found)))
    names = sorted({*true, *found})
    wanted = judge.classification_report(true, found, labels=names, digits=4, zero_division=0)
    if "accuracy" in wanted and ours.accuracy:  # where all is wrong it prints counts as 1.0
        mine, theirs = ([line.rstrip() for line in text.splitlines()] for text in (ours.to_text(), wanted))
        assert mine == theirs
    assert np.array_equal(ours.counts, judge.confusion_matrix(true, found, labels=names))
    assert ours.accuracy == pytest.approx(judge.accuracy_score(true, found))
    values = judge.classification_report(true, found, labels=names, output_dict=True, zero_division=0)
    mine = ours.to_dict()
    for name in (*names, "macro avg", "weighted avg"):
        row = mine["classes"].get(name) or mine[name]
        assert row == pytest.approx(values[name])


def test_labels_against_themselves_have_no_error():
    found = Classes.of({"a": "x", "b": "y"}, {"a": "x", "b": "y"})
    assert found.rates == {"error": 0.0} and found.summary == "ACC 1.0000 (2 of 2)"
    assert found.f1.tolist() == [1.0, 1.0]


def test_nothing_at_all_scores_nothing():
    assert Classes.of({}, {}).accuracy == 0.0 and "accuracy" in Classes.of({}, {}).to_text()
