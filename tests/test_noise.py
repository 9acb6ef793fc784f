import numpy as np
import pytest

from asr import noise


@pytest.mark.parametrize("slope", [0, 0.5, 1])
@pytest.mark.parametrize("num_samples", [30_000, 30_001])
def test_a_colour_is_the_slope_of_the_spectrum(slope, num_samples):
    made = noise.coloured(np.random.default_rng(0).standard_normal(num_samples), slope, 100)
    assert made.shape == (num_samples,) and made.std() == pytest.approx(1)
    power = np.abs(np.fft.rfft(made)) ** 2
    octaves_db = 10 * np.log10([power[start : 2 * start].mean() for start in 200 * 2 ** np.arange(6)])
    assert np.diff(octaves_db) == pytest.approx(np.full(5, -6.02 * slope), abs=1.2)
    assert power[10:100].mean() == pytest.approx(power[100:120].mean(), rel=0.5), "flat below"


def test_colours_side_by_side_are_those_alone():
    white = np.random.default_rng(0).standard_normal((3, 1000))
    together = noise.coloured(white, np.array([[0.0], [0.3], [1.0]]), 5)
    for row, slope, made in zip(white, (0.0, 0.3, 1.0), together, strict=True):
        assert np.allclose(noise.coloured(row, slope, 5), made)


def test_a_background_is_a_function_of_the_generator_and_stays_in_range():
    loudest = []
    for seed in range(40):
        made = noise.background(np.random.default_rng(seed), 4000, 8000)
        assert made.dtype == np.float32 and made.shape == (4000,) and np.isfinite(made).all()
        assert np.array_equal(made, noise.background(np.random.default_rng(seed), 4000, 8000))
        loudest.append(np.abs(made).max())
    assert min(loudest) == 0 and 0.3 < max(loudest) <= 1, "from complete silence to loud noise"


def test_music_is_a_function_of_the_generator_and_stays_in_range():
    for seed in range(10):
        made = noise.music(np.random.default_rng(seed), 8000, 8000)
        assert made.dtype == np.float32 and made.shape == (8000,) and 0 < np.abs(made).max() <= 1
        assert np.array_equal(made, noise.music(np.random.default_rng(seed), 8000, 8000))


def test_a_household_has_unit_power_and_moments_that_are_much_louder():
    crests_db = []
    for seed in range(20):
        made = noise.household(np.random.default_rng(seed), 32000, 16000)
        assert made.std() == pytest.approx(1, rel=1e-3)
        assert np.array_equal(made, noise.household(np.random.default_rng(seed), 32000, 16000))
        crests_db.append(10 * np.log10(np.square(made).reshape(-1, 800).mean(1).max()))
    assert np.median(crests_db) > 4, "white noise has less than 1 dB over 50 ms"
