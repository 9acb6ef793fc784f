"""A grid of runs, each with several seeds, that goes on where it was stopped; and what they come to in one table.

Each run is a process of its own in a folder of its own, and ends with the process that started it.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from asr import files, score
from asr.data import manifest
from asr.errors import UserError
from asr.modelfile.locate import MODEL_FILE
from asr.score import significance
from asr.training import recipe

_PLAN, _RESULT, _LOG = "sweep.json", "result.json", "log.txt"
_OWN_CORPUS = ("data.", "features.")  # settings whose corpus, or what is kept of it, is another one

_MIN_SPEAKERS = 6  # of five differences even those of one sign would have p = 1/16


@dataclass(frozen=True)
class Plan:
    """What is trained: a recipe with settings for all runs, each combination of the grid, each with every seed."""

    recipe: str
    settings: tuple[str, ...]
    grid: Mapping[str, Sequence[str]]
    seeds: tuple[int, ...]
    lexicon: str | None = None
    """Words with which the test split is decoded once more."""

    @property
    def points(self) -> list[tuple[str, ...]]:
        """The combinations, the last key's values fastest."""
        values = [[f"{key}={value}" for value in values] for key, values in self.grid.items()]
        return list(itertools.product(*values))

    def overrides(self, point: tuple[str, ...], seed: int, run: Path) -> list[str]:
        """The settings of one run."""
        own = [setting for setting in point if setting.startswith(_OWN_CORPUS)]
        made = [*self.settings, *point, f"train.seed={seed}", f"run_dir={run}"]
        if own and not any(setting.startswith("data.folder=") for setting in made):
            folder = recipe.load(self.recipe, [*self.settings, *point]).data.folder
            made.append(f"data.folder={folder}-{'-'.join(_clean(setting) for setting in own)}")
        return made


@dataclass(frozen=True)
class Row:
    """A combination of settings: its runs' error rates by name, as means and from the lowest to the highest."""

    settings: tuple[str, ...]
    num_weights: int
    minutes: float
    """Of one run, on average."""
    rates: Mapping[str, tuple[float, float, float]]
    """Mean, lowest and highest."""
    p: float | None
    """Of as many word errors more or less than in the first row by chance alone, two-sided, corrected for the number of
    rows (Holm 1979); None for the first row itself. How much a row depends on the seeds is what its ranges say."""
    by: str = "utterances"
    """What the differences were summed over before they were tested, together with the seeds: what one utterance, or
    one speaker, costs in several runs is no evidence of its own in each of them."""


def carry_out(plan: Plan, folder: Path, jobs: int) -> list[Row]:
    """Train what is not trained yet, `jobs` runs side by side, and return the table.

    Raises UserError where the folder holds another sweep, or where a run ends with an error.
    """
    for setting in [*plan.settings, *(setting for point in plan.points for setting in point)]:
        recipe.load(plan.recipe, [*plan.settings, setting])
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder, what="sweeps in it"):
        described = json.dumps(asdict(plan), indent=1) + "\n"
        if (folder / _PLAN).is_file() and (folder / _PLAN).read_text("utf-8") != described:
            raise UserError(f"{folder}: holds another sweep; choose another folder, or give the settings of {_PLAN}")
        files.write_text(folder / _PLAN, described)
        todo = [(point, seed) for seed in plan.seeds for point in plan.points]
        processes: list[subprocess.Popen[bytes]] = []
        with ThreadPoolExecutor(jobs) as pool:
            try:
                list(pool.map(lambda item: _train(plan, item[0], item[1], folder, processes), todo))
            except BaseException:  # before the pool waits for what is running
                pool.shutdown(wait=False, cancel_futures=True)
                for process in processes:
                    process.kill()
                raise
    return table(plan, folder)


def table(plan: Plan, folder: Path) -> list[Row]:
    """A row for each combination, of runs that are finished."""
    found = [[_run_of(folder, point, seed) for seed in plan.seeds] for point in plan.points]
    results = [[json.loads((run / _RESULT).read_bytes()) for run in runs] for runs in found]
    by, unit_of = _units(found[0][0], results[0][0]["split"])
    errors = [_errors(runs, made[0]["split"], unit_of) for runs, made in zip(found, results, strict=True)]
    differences = [[count - errors[0].get(unit, 0) for unit, count in counts.items()] for counts in errors[1:]]
    ps = [None, *significance.holm([significance.paired(one) for one in differences])]
    rows: list[Row] = []
    for point, made, p in zip(plan.points, results, ps, strict=True):
        rates = {name: [result["rates"][name] for result in made] for name in made[0]["rates"]}
        spread = {name: (fmean(values), min(values), max(values)) for name, values in rates.items()}
        minutes = fmean(result["minutes"] for result in made)
        rows.append(Row(point, made[0]["num_weights"], minutes, spread, p, by))
    return rows


def to_markdown(plan: Plan, rows: Sequence[Row]) -> str:
    """The table as a page has it; rates in percent."""
    names = list(rows[0].rates)
    header = [*plan.grid, "weights", "minutes", *(name.upper() for name in names), f"p, by {rows[0].by}"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        rates = ["{:.1%} ({:.1%} to {:.1%})".format(*row.rates[name]) for name in names]
        p = "" if row.p is None else "<0.001" if row.p < 0.001 else f"{row.p:.3f}"
        values = [setting.partition("=")[2] for setting in row.settings]
        lines.append("| " + " | ".join([*values, f"{row.num_weights:,}", f"{row.minutes:.1f}", *rates, p]) + " |")
    return "\n".join(lines) + "\n"


def _units(run: Path, split: str) -> tuple[str, Mapping[str, str]]:
    """What may be taken as independent: speakers, where there are enough to say anything; and of which each id is."""
    utterances = manifest.read(_corpus_of(run) / f"{split}.jsonl")
    speaker_of = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    if len(speaker_of) == len(utterances) and len(set(speaker_of.values())) >= _MIN_SPEAKERS:
        return "speakers", speaker_of
    return "utterances", {}


def _errors(runs: Sequence[Path], split: str, unit_of: Mapping[str, str]) -> Counter[str]:
    """Word errors in the runs of all seeds, by unit; an id that `unit_of` does not have is a unit of its own."""
    errors: Counter[str] = Counter()
    for run in runs:
        references, hypotheses = (score.read(run / f"{split}.{side}.trn").texts for side in ("ref", "hyp"))
        scored = score.score(references, hypotheses)
        for key, counts in zip(scored.ids, scored.word_counts[:, 1:].sum(axis=1).tolist(), strict=True):
            errors[unit_of.get(key, key)] += counts
    return errors


def _corpus_of(run: Path) -> Path:
    """The folder of its manifests."""
    return Path(recipe.load_resolved(run / "recipe.yaml").data.folder).expanduser()


def _run_of(folder: Path, point: tuple[str, ...], seed: int) -> Path:
    return folder / "-".join([*(_clean(setting) for setting in point), f"seed{seed}"])


def _clean(setting: str) -> str:
    """A setting as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in setting.rpartition(".")[2])


def _train(
    plan: Plan, point: tuple[str, ...], seed: int, folder: Path, processes: "list[subprocess.Popen[bytes]]"
) -> None:
    """One run in a process of its own, unless it is finished; it ends when nobody holds the other end of its stdin."""
    run = _run_of(folder, point, seed)
    if (run / _RESULT).is_file():
        return
    run.mkdir(parents=True, exist_ok=True)
    order = {"recipe": plan.recipe, "overrides": plan.overrides(point, seed, run), "run": str(run)}
    order["lexicon"] = plan.lexicon or ""
    command = [sys.executable, "-c", "from asr.training import sweep; sweep.work()", json.dumps(order)]
    with (run / _LOG).open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    processes.append(process)
    if process.wait():
        last = (run / _LOG).read_text("utf-8", "replace").strip().rpartition("\n")[2]
        raise UserError(f"{run}: ended with exit code {process.returncode}: {last.removeprefix('error: ')}")


def work() -> None:
    """The process of one run: train or go on, then write what it came to."""
    from asr.training import run as training

    order = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run = Path(order["run"])
    try:
        if (run / training.RECIPE_FILE).is_file():
            result = training.resume(run, jobs=1)
        else:
            result = training.start(Path(order["recipe"]), order["overrides"], jobs=1)
        assert result
        rates = dict(result.score.rates)
        if order["lexicon"]:
            rates |= _with_lexicon(run, result.split, order)
    except UserError as error:
        sys.exit(f"error: {error}")
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    minutes = sum(epoch["seconds"] for epoch in epochs) / 60
    made = {"rates": rates, "num_weights": result.num_weights, "split": result.split, "minutes": minutes}
    files.write_text(run / _RESULT, json.dumps(made) + "\n")


def _with_lexicon(run: Path, split: str, order: Mapping[str, Any]) -> dict[str, float]:
    from asr.decode.decoder import DecoderConfig
    from asr.recognition.evaluate import evaluate
    from asr.recognition.recognizer import Recognizer

    recognizer = Recognizer.load(run / MODEL_FILE, decoding=DecoderConfig(lexicon=Path(order["lexicon"])))
    found = evaluate(recognizer, manifest.read(_corpus_of(run) / f"{split}.jsonl")).score
    return {f"{name} with lexicon": rate for name, rate in found.rates.items()}


def _end_with_parent() -> None:
    """Reads nothing until the other end is closed, as it is when the process there ends in any way."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):  # not sys.stdin, whose lock would be held when this process ends by itself
            pass
    os._exit(1)
