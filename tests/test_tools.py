"""The tools that make published figures work on what the package has now."""

import importlib.util
import sys

import pytest
from conftest import REPOSITORY


@pytest.fixture(scope="module")
def align_error():
    path = REPOSITORY / "tools" / "align_error.py"
    specification = importlib.util.spec_from_file_location("align_error", path)
    module = importlib.util.module_from_spec(specification)
    before = list(sys.path)
    specification.loader.exec_module(module)
    yield module
    sys.path[:] = before


def test_sentences_have_as_many_times_as_words(align_error):
    for text, waveform, times in align_error.sentences(["one", "b", "seven", "april"], "test", 3, 8000):
        assert times.shape == (len(text.split()), 2)
        assert (times[:, 0] < times[:, 1]).all() and (times[1:, 0] >= times[:-1, 1]).all()
        assert times[0, 0] > 0 and times[-1, 1] < len(waveform) / 8000
