import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from asr.errors import UserError
from asr.training import sweep

GRID = ["model.cell=lstm,rnn", "train.epochs=3", "data.limit=6", "model.hidden_size=4", "model.num_layers=1"]
COMMAND = [sys.executable, "-c", "from asr.cli.sweep import main; main()"]


def command(recipe, folder, *more):
    return [*COMMAND, str(recipe), *GRID, "--seeds", "1,2", "--jobs", "2", "--output", str(folder), *more]


def table(folder):
    """What does not depend on how long it took."""
    rows = json.loads((folder / "table.json").read_text())
    return [{name: value for name, value in row.items() if name != "minutes"} for row in rows]


def plan(recipe, **more):
    return sweep.Plan(str(recipe), (), {"model.cell": ["lstm", "rnn"], "train.epochs": ["1", "2"]}, (1,), **more)


def test_the_grid_is_every_combination(tones_recipe, tmp_path):
    made = plan(tones_recipe)
    assert len(made.points) == 4 and made.points[1] == ("model.cell=lstm", "train.epochs=2")
    assert made.overrides(made.points[0], 1, tmp_path) == [*made.points[0], "train.seed=1", f"run_dir={tmp_path}"]


def test_another_corpus_has_another_folder(tones_recipe, tmp_path):
    made = sweep.Plan(str(tones_recipe), (), {"data.limit": ["4", "8"]}, (1,))
    folders = [made.overrides(point, 1, tmp_path)[-1] for point in made.points]
    assert all(folder.startswith("data.folder=") for folder in folders) and len(set(folders)) == 2


def test_a_mistake_in_the_grid_is_said_before_anything_is_trained(tones_recipe, tmp_path):
    made = sweep.Plan(str(tones_recipe), (), {"model.cell": ["lstm", "lstn"]}, (1,))
    with pytest.raises(UserError, match=r"model\.cell must be one of"):
        sweep.carry_out(made, tmp_path / "sweep", 1)
    assert not (tmp_path / "sweep").exists()


def test_a_folder_holds_one_sweep(tones_recipe, tmp_path):
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(UserError, match="holds another sweep"):
        sweep.carry_out(plan(tones_recipe), tmp_path, 1)


def test_the_table_as_markdown():
    rows = [sweep.Row(("a=1",), 1000, 0.5, {"wer": (0.1, 0.05, 0.15)}, None),
            sweep.Row(("a=2",), 2000, 1.5, {"wer": (0.2, 0.2, 0.2)}, 0.0004)]  # fmt: skip
    made = sweep.to_markdown(sweep.Plan("r", (), {"a": ["1", "2"]}, (1, 2)), rows)
    assert made.splitlines() == [
        "| a | weights | minutes | WER | p, by utterances |",
        "|---|---|---|---|---|",
        "| 1 | 1,000 | 0.5 | 10.0% (5.0% to 15.0%) |  |",
        "| 2 | 2,000 | 1.5 | 20.0% (20.0% to 20.0%) | <0.001 |",
    ]


@pytest.mark.slow
def test_a_sweep_that_is_killed_gives_the_table_of_one_that_is_not(tones_recipe, tmp_path):
    """Killed or told to end three times; ASR_KILLS=10 takes longer than a suite may."""
    began = time.monotonic()
    subprocess.run(command(tones_recipe, tmp_path / "whole"), check=True)
    duration_s = time.monotonic() - began
    rng = random.Random(1)
    killed = 0
    while killed < int(os.environ.get("ASR_KILLS", "3")):
        process = subprocess.Popen(command(tones_recipe, tmp_path / "cut"))
        try:
            process.wait(timeout=rng.uniform(0.1, 0.7) * duration_s)
        except subprocess.TimeoutExpired:
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM]))
            process.wait(60)  # and not for the runs that it has begun
        killed += 1
    subprocess.run(command(tones_recipe, tmp_path / "cut"), check=True)
    assert table(tmp_path / "cut") == table(tmp_path / "whole")
    assert (tmp_path / "cut" / "table.md").is_file() and len(table(tmp_path / "cut")) == 2
