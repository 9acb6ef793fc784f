"""The tools that make published figures work on what the package has now."""

import importlib
import importlib.util
import json
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


@pytest.fixture
def measuring(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    return importlib.import_module("benchmarks.measuring")


def test_every_table_has_a_place_and_a_note(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    bench, measuring = importlib.import_module("bench"), importlib.import_module("benchmarks.measuring")
    assert set(bench.ORDER) == {*measuring.SECTIONS, "cores", "growth", "load"} and len(set(bench.ORDER)) == len(
        bench.ORDER
    )
    for key in bench.ORDER:
        assert measuring.note(key), f"{key} has no note"


def test_a_table_shows_rates_ratios_and_what_is_not_the_same(measuring, monkeypatch):
    def same(ours, peer):
        assert ours == peer
        return "the same"

    one = measuring.Section("Sums", "sums", 100, same=same, repeats=2)

    @one.contender("ours")
    def _(_folder):
        yield
        yield sum(range(10))

    one.contenders["peer"] = one.contenders["ours"]
    one.contender("limit", is_limit=True)(one.contenders["ours"])
    monkeypatch.setitem(measuring.SECTIONS, "sums", one)
    found = json.loads(measuring.contend("sums", "peer", None))
    assert found["check"] == 45 and found["peak_mb"] > 0 and 0 <= found["seconds"] < 1

    def results(seconds, check):
        return {way: [measuring.Result(seconds, 1.0, 1.0, check)] * 3 for way in ("plain", "keeps")}

    found = {"ours": results(0.5, 45), "peer": results(1.0, 45), "limit": results(0.25, None)}
    table = measuring._table("sums", found, {"other": "not installed"})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    assert [row[:2] + row[3:4] + row[5:] for row in rows[1:]] == [
        ["ours", "200", "1.00", "the same"],
        ["peer", "100", "2.00", "the same"],
        ["limit", "400", "0.50", "what the hardware allows; ours reaches 50% of it"],
    ]
    assert "other (not installed)" in table
    found["peer"] = results(1.0, 46)
    with pytest.raises(AssertionError):
        measuring._table("sums", found, {})


def test_computed_rows_lie_on_the_line_of_the_measured_ones(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    growth = importlib.import_module("benchmarks.growth")
    fixed = {"cache": 20, "epoch": 400}
    costs = {
        hours: {name: growth.Cost(2 + 3 * hours, mb + hours, 0, 0) for name, mb in fixed.items()}
        for hours in (0.1, 1.0)
    }
    assert growth._at(1.0, costs, "epoch", "seconds") == 5
    assert growth._at(100.0, costs, "cache", "seconds") == pytest.approx(302)
    costs[1.0]["epoch"] = growth.Cost(5, 450, 0, 0)
    assert growth._at(100.0, costs, "epoch", "own_mb") == pytest.approx(450 + 99), "not the noise of PyTorch"
