"""Several processes give the weights of one: torchrun's own engine, real processes, gloo on the CPU."""

import subprocess
import sys

import pytest
import torch

from asr.training import run
from asr.training.state import load_state


def test_two_processes_give_the_weights_of_one_with_as_many_shards(tones_recipe, tmp_path):
    """Three shards, so that the processes do not have the same number of them."""
    settings = ["train.epochs=1", "train.shards=3", "data.limit=20"]
    run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'one'}"])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, "-m", "asr.training", tones_recipe, *settings, f"run_dir={tmp_path / 'many'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    ours, theirs = (load_state(tmp_path / name / "last.pt")["weights"] for name in ("one", "many"))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    one, many = (load_state(tmp_path / name / "last.pt")["history"] for name in ("one", "many"))
    timed = {"seconds": 0, "wait_s": 0}
    assert [{**record, **timed} for record in one] == [{**record, **timed} for record in many], (
        "each utterance is trained on, and evaluated, once"
    )


KILLED = """
import os, sys
from asr.training import __main__, loop

step, steps = loop.Saver.step, []

def stop(saver):
    step(saver)
    steps.append(None)
    if len(steps) == 7 and os.environ["RANK"] == sys.argv[1] and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), 9)

loop.Saver.step = stop
sys.exit(__main__.main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_worker_that_is_killed_is_started_again_and_goes_on_from_the_last_state(tones_recipe, tmp_path, rank):
    settings = ["train.epochs=3", "train.shards=2", "data.limit=16", "train.save_minutes=1e-9"]
    run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'one'}"])
    (tmp_path / "killed.py").write_text(KILLED)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2"]
    command = [*torchrun, tmp_path / "killed.py", rank, tones_recipe, *settings, f"run_dir={tmp_path / 'many'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert "Signal 9" in done.stderr or "exitcode: -9" in done.stderr, "one was killed"
    ours, theirs = (load_state(tmp_path / name / "last.pt")["weights"] for name in ("one", "many"))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert len((tmp_path / "many" / "metrics.jsonl").read_text().splitlines()) == 3
