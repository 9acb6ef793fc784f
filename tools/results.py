#!/usr/bin/env python3
"""Write the tables of recipes/README.md, of the recipes' pages and of README.md from recipes/results.jsonl.

    python tools/results.py            # writes what has changed, and names it
    python tools/results.py --check    # writes nothing; exit code 1 if something would change

A line of results.jsonl is a run: recipe, overrides, commit (for the runs before 2026-11-23 the one that recorded their
figures), seed, machine, minutes (shortest and longest, or null), metrics in percent, and variant, where it is not the
recipe as it stands. A metric's name is what is counted, how it was decoded and, where that is not the test split of the
page, on what: `wer/greedy`, `wer/lexicon/theo`.

Tables stand between comments, of which there are two:

    <!-- results RECIPE[/VARIANT], ...: LABEL = METRIC; ... -->   a row for each metric, a column for each run, the mean
    <!-- overview RECIPE ... -->                                  a row for each recipe; `summary` has fewer columns

and end at `<!-- /results -->`, `<!-- /overview -->`. What an overview says of task, training, test and weights is the
first table of the recipe's page; its command is the first line of the recipe.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
MARKER = re.compile(r"(<!-- (results|overview|summary) (.*?) -->\n)(.*?)(<!-- /\2 -->)", re.DOTALL)
OVERVIEW = "recipe task trained_on tested_on weights minutes greedy lexicon seeds command".split()
SUMMARY = "recipe task tested_on weights greedy lexicon".split()
HEADS = {
    "trained_on": "trained on",
    "tested_on": "tested on",
    "greedy": "WER, greedy",
    "lexicon": "WER, closed vocabulary",
}


class ResultsError(Exception):
    """A table that cannot be made; one sentence that names the page, the run or the metric."""


@dataclass(frozen=True)
class Run:
    """A line of results.jsonl. Metrics are percentages by name, minutes the shortest and longest of runs alike."""

    name: str
    """The recipe, and after a slash the variant where there is one."""
    seed: int | None
    minutes: tuple[Decimal, Decimal] | None
    metrics: dict[str, Decimal]


def read(path: Path) -> list[Run]:
    """The runs of a results file, in its order."""
    lines = path.read_text("utf-8").splitlines()
    return [_run(json.loads(line, parse_float=Decimal, parse_int=Decimal)) for line in lines]


def _run(line: dict[str, Any]) -> Run:
    keys = {"recipe", "overrides", "commit", "seed", "machine", "minutes", "metrics"}
    if set(line) - {"variant"} != keys:
        raise ResultsError(f"results.jsonl: a run of {line.get('recipe')} must have the keys {', '.join(sorted(keys))}")
    name = f"{line['recipe']}/{line['variant']}" if "variant" in line else line["recipe"]
    seed = None if line["seed"] is None else int(line["seed"])
    return Run(name, seed, line["minutes"] and (line["minutes"][0], line["minutes"][1]), line["metrics"])


def fill(text: str, runs: list[Run], recipes: Path) -> str:
    """A page with its tables as the runs say. Raises ResultsError for a table that names what there is not."""

    def table(match: re.Match[str]) -> str:
        opening, kind, what, _, closing = match.groups()
        if kind == "results":
            rows = _results(what, runs)
        else:
            columns = OVERVIEW if kind == "overview" else SUMMARY
            rows = _overview(what.split(), columns, runs, recipes, is_beside=kind == "overview")
        return f"{opening}{''.join(_markdown(rows))}{closing}"

    return MARKER.sub(table, text)


def _markdown(rows: Iterator[list[str]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield f"| {' | '.join(row)} |\n"
        if number == 0:
            yield f"|{'---|' * len(row)}\n"


def _results(what: str, runs: list[Run]) -> Iterator[list[str]]:
    """The rows of a table of some recipes' runs: a metric in each row, a run in each column."""
    names, _, asked = what.partition(": ")
    wanted = names.split(", ")
    there = [run for run in runs if run.name in wanted]
    if not there:
        raise ResultsError(f"results.jsonl has no run of {names}")
    is_mean = len(wanted) == 1 and len(there) > 1
    yield ["", *(_column(run, wanted) for run in there), *(["mean"] if is_mean else [])]
    for item in asked.split(";"):
        label, _, metric = (part.strip() for part in item.partition(" = "))
        values = _values(there, metric)
        decimals = max(-int(value.as_tuple().exponent) for value in values)
        numbers = [*values, *([_mean(values)] if is_mean else [])]
        yield [label, *(_percent(number, decimals) for number in numbers)]


def _column(run: Run, wanted: list[str]) -> str:
    if len(wanted) > 1:
        return run.name
    return "" if run.seed is None else f"seed {run.seed}"


def _values(runs: list[Run], metric: str) -> list[Decimal]:
    for run in runs:
        if metric not in run.metrics:
            raise ResultsError(f"results.jsonl: a run of {run.name} has no metric {metric}")
    return [run.metrics[metric] for run in runs]


def _mean(values: list[Decimal]) -> Decimal:
    return sum(values, Decimal(0)) / len(values)


def _percent(value: Decimal, decimals: int) -> str:
    """With so many decimals, halves rounded up as a reader rounds them."""
    return f"{value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)} %"


def _overview(
    names: list[str], columns: list[str], runs: list[Run], recipes: Path, *, is_beside: bool
) -> Iterator[list[str]]:
    """The rows of a table of recipes; links are relative to recipes/ where the table stands `is_beside` the pages."""
    yield [HEADS.get(column, column) for column in columns]
    for name in names:
        there = [run for run in runs if run.name == name]
        if not there:
            raise ResultsError(f"results.jsonl has no run of {name}")
        cells = _facts(recipes / f"{name}.md")
        cells |= {
            "recipe": f"[{name}]({'' if is_beside else 'recipes/'}{name}.md)",
            "minutes": _minutes(there),
            "greedy": _range(there, "wer/greedy"),
            "lexicon": _closed(there),
            "seeds": str(len(there)),
            "command": f"`{_command(recipes / f'{name}.yaml')}`",
        }
        yield [cells[column] for column in columns]


def _facts(page: Path) -> dict[str, str]:
    """The rows of a page's first table by name: task, trained_on, tested_on, weights."""
    found = re.findall(r"^\| (task|trained on|tested on|weights) \| (.*?) \|$", page.read_text("utf-8"), re.MULTILINE)
    facts = {key.replace(" ", "_"): value for key, value in found}
    if len(facts) < 4:
        raise ResultsError(f"{page}: its first table must have the rows task, trained on, tested on and weights")
    return facts


def _command(recipe: Path) -> str:
    return recipe.read_text("utf-8").partition("\n")[0].removeprefix("# ")


def _minutes(runs: list[Run]) -> str:
    known = [minutes for run in runs if (minutes := run.minutes)]
    if not known:
        return ""
    low, high = min(low for low, _ in known), max(high for _, high in known)
    return str(low) if low == high else f"{low} to {high}"


def _range(runs: list[Run], metric: str) -> str:
    """Mean, and over several runs the range, of a metric that every run has; else nothing."""
    if any(metric not in run.metrics for run in runs):
        return ""
    values = [run.metrics[metric] for run in runs]
    mean, low, high = (_percent(value, 1) for value in (_mean(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low.removesuffix(' %')} to {high.removesuffix(' %')})"


def _closed(runs: list[Run]) -> str:
    lexicon, bigram = _range(runs, "wer/lexicon"), _range(runs, "wer/lexicon+bigram")
    return "; ".join(filter(None, [lexicon, bigram and f"with a bigram {bigram}"]))


def main() -> int:
    """Fill every page; 1 for a page that is not current under --check, 2 for a table that cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a table is not current")
    is_check = parser.parse_args().check
    recipes = REPOSITORY / "recipes"
    try:
        runs = read(recipes / "results.jsonl")
        old = {page: page.read_text("utf-8") for page in [REPOSITORY / "README.md", *sorted(recipes.glob("*.md"))]}
        new = {page: fill(text, runs, recipes) for page, text in old.items()}
    except ResultsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    changed = [page for page in old if old[page] != new[page]]
    for page in changed:
        print(page.relative_to(REPOSITORY))
        if not is_check:
            page.write_text(new[page], encoding="utf-8")
    return 1 if is_check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
