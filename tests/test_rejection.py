"""Rejection: counts, intervals and thresholds against versions that try everything."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from asr.score import ScoreError
from asr.score.rejection import Rejection, poisson_range, wilson_range

SCORES = st.lists(st.sampled_from([-1.0, 0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0]) | st.floats(0, 1), max_size=12)
POSITIVES = SCORES.filter(len)
HOURS = st.floats(0.1, 40)


def made(positives, negatives, hours=2.0):
    return Rejection(np.array(positives), np.array(negatives, float), hours)


@given(POSITIVES, SCORES, HOURS, st.floats(-0.5, 1.5))
def test_an_operating_point_counts_one_by_one(positives, negatives, hours, threshold):
    point = made(positives, negatives, hours).at(threshold)
    assert point.misses == sum(score < threshold for score in positives)
    assert point.false_accepts == sum(score >= threshold for score in negatives)
    assert point.miss_rate == point.misses / len(positives)
    assert point.false_accepts_per_hour == point.false_accepts / hours
    for value, interval in (
        (point.miss_rate, point.miss_range),
        (point.false_accepts_per_hour, point.false_accepts_range),
    ):
        assert interval.low <= value <= interval.high


@given(POSITIVES, SCORES, HOURS)
def test_the_curve_holds_every_point_that_any_threshold_gives(positives, negatives, hours):
    rejection = made(positives, negatives, hours)
    curve = rejection.curve()
    assert (np.diff(curve.miss_rates) >= 0).all() and (np.diff(curve.false_accepts_per_hour) <= 0).all()
    assert curve.false_accepts_per_hour[-1] == 0 and curve.miss_rates[-1] == 1
    found = set(zip(curve.miss_rates.tolist(), curve.false_accepts_per_hour.tolist(), strict=True))
    for threshold in (*positives, *negatives, *np.linspace(-2, 2, 97)):
        point = rejection.at(threshold)
        assert (point.miss_rate, point.false_accepts_per_hour) in found
    for at, threshold in enumerate(curve.thresholds):
        assert rejection.at(threshold).miss_rate == curve.miss_rates[at]


@settings(max_examples=300)
@given(POSITIVES, SCORES, HOURS, st.floats(0, 5))
def test_the_threshold_for_a_target_misses_least(positives, negatives, hours, target):
    rejection = made(positives, negatives, hours)
    threshold = rejection.threshold_for(target)
    point = rejection.at(threshold)
    assert threshold >= 0 and point.false_accepts_per_hour <= target + 1e-8
    tried = [rejection.at(other) for other in (*positives, *negatives, 0.0, math.inf) if other >= 0]
    enough = [other.misses for other in tried if other.false_accepts_per_hour <= target]
    assert point.misses == min(enough)


def test_the_threshold_lies_half_way():
    rejection = made([0.3, 0.6, 0.9], [0.2, 0.4, 0.8], hours=2.0)
    assert rejection.threshold_for(0.0) == pytest.approx(0.85)
    assert rejection.threshold_for(0.5) == pytest.approx(0.5)
    assert rejection.threshold_for(1.0) == pytest.approx(0.25)
    assert rejection.threshold_for(1.5) == 0.0
    assert made([0.5], [1.0]).threshold_for(0.1) == math.inf
    with pytest.raises(ValueError, match="negative"):
        rejection.threshold_for(-1)


@given(st.integers(0, 400), st.floats(0.5, 0.999))
def test_poisson_intervals_are_garwoods(count, level):
    low, high = poisson_range(count, level)
    assert high == pytest.approx(stats.chi2.ppf((1 + level) / 2, 2 * count + 2) / 2, rel=1e-8)
    assert low == pytest.approx(stats.chi2.ppf((1 - level) / 2, 2 * count) / 2 if count else 0.0, rel=1e-8)


def test_poisson_intervals_of_large_counts():
    low, high = poisson_range(100_000)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 200_000) / 2) and high == pytest.approx(
        stats.chi2.ppf(0.975, 200_002) / 2
    )


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.5, 0.999))
def test_wilsons_interval_holds_the_rates_that_a_score_test_accepts(successes, more, level):
    trials = successes + more - 1 or 1
    successes = min(successes, trials)
    low, high = wilson_range(successes, trials, level)
    z = stats.norm.ppf((1 + level) / 2)
    for rate in np.linspace(0, 1, 201):
        is_accepted = abs(successes / trials - rate) <= z * math.sqrt(rate * (1 - rate) / trials) + 1e-12
        assert is_accepted == (low - 1e-9 <= rate <= high + 1e-9) or min(abs(rate - low), abs(rate - high)) < 1e-6
    assert wilson_range(0, 0) == (0, 1)


def test_what_cannot_be_counted():
    with pytest.raises(ScoreError, match="there are none"):
        made([], [0.5])
    for hours in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ScoreError, match="negative audio"):
            made([0.5], [], hours)
    with pytest.raises(ValueError, match="vector of numbers"):
        made([math.nan], [])


def test_it_is_json():
    values = json.loads(json.dumps([made([0.5, -math.inf], [0.7]).at(one).to_dict() for one in (0.5, math.inf)]))
    assert values[0]["miss_rate"] == 0.5 and values[0]["false_accepts_per_hour"] == 0.5
    assert values[1]["threshold"] is None and values[1]["misses"] == 2
