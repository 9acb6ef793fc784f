"""The published tables are those of recipes/results.jsonl, and the pages about experiments keep their form."""

import json
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY

RECIPES = REPOSITORY / "recipes"


@pytest.fixture
def results(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import results

    return results


def test_running_it_changes_nothing():
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tools" / "results.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, f"python tools/results.py would change {done.stdout}{done.stderr}"


def test_every_run_is_of_a_recipe_and_its_metrics_are_percentages():
    for line in map(json.loads, (RECIPES / "results.jsonl").read_text("utf-8").splitlines()):
        assert (RECIPES / f"{line['recipe']}.yaml").is_file()
        assert all(0 <= value <= 100 for value in line["metrics"].values())
        assert line["minutes"] is None or line["minutes"] == sorted(line["minutes"])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.yaml").write_text("# asr-train recipes/a.yaml\ndata: {}\n")
    (tmp_path / "a.md").write_text("| task | t |\n| trained on | u |\n| tested on | v |\n| weights | 5 |\n")
    lines = [
        {"recipe": "a", "seed": seed, "minutes": [seed, 9], "metrics": {"wer/greedy": wer}}
        for seed, wer in ((1, 8.95), (2, 10.66), (3, 10.4))
    ]
    rest = {"overrides": [], "commit": "0", "machine": "one core"}
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(line | rest) + "\n" for line in lines))
    return tmp_path


def test_a_table_has_a_column_for_each_run_and_the_mean(results, folder):
    page = "before\n<!-- results a: WER = wer/greedy -->\nold\n<!-- /results -->\nafter\n"
    filled = results.fill(page, results.read(folder / "results.jsonl"), folder)
    assert filled.splitlines()[2:5] == [
        "|  | seed 1 | seed 2 | seed 3 | mean |",
        "|---|---|---|---|---|",
        "| WER | 8.95 % | 10.66 % | 10.40 % | 10.00 % |",
    ]
    assert filled.startswith("before\n<!--") and filled.endswith("-->\nafter\n")
    assert results.fill(filled, results.read(folder / "results.jsonl"), folder) == filled


def test_an_overview_takes_its_words_from_the_page_and_its_command_from_the_recipe(results, folder):
    page = "<!-- overview a -->\n<!-- /overview -->\n"
    row = results.fill(page, results.read(folder / "results.jsonl"), folder).splitlines()[3]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["[a](a.md)", "t", "u", "v", "5", "1 to 9", "10.0 % (9.0 to 10.7)", "", "3",
                     "`asr-train recipes/a.yaml`"]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "sentence"), [("b: WER = wer/greedy", "has no run of b"), ("a: CER = cer/greedy", "no metric cer/greedy")]
)
def test_what_there_is_no_run_of_is_a_sentence(results, folder, table, sentence):
    page = f"<!-- results {table} -->\n<!-- /results -->\n"
    with pytest.raises(results.ResultsError, match=sentence):
        results.fill(page, results.read(folder / "results.jsonl"), folder)


def test_every_entry_of_the_log_has_its_head_and_the_newest_is_first():
    text = (RECIPES / "LOG.md").read_text("utf-8")
    entries = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    for entry in entries:
        assert re.match(r"\d{4}-\d{2}-\d{2} \S", entry), entry[:60]
        assert re.findall(r"^- (\w+):", entry, re.MULTILINE) == ["Why", "Change", "Result", "Verdict"], entry[:60]
    dates = [entry[:10] for entry in entries]
    assert dates == sorted(dates, reverse=True)


def test_pages_are_short():
    assert len((RECIPES / "README.md").read_text("utf-8").splitlines()) <= 100
    for recipe in RECIPES.glob("*.yaml"):
        page = recipe.with_suffix(".md")
        assert not page.exists() or len(page.read_text("utf-8").splitlines()) <= 60, page
