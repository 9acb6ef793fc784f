"""Several processes give the weights of one: torchrun's own engine, real processes, gloo on the CPU."""

import subprocess
import sys

import torch

from asr.training import run
from asr.training.state import load_state


def test_two_processes_give_the_weights_of_one_with_as_many_shards(tones_recipe, tmp_path):
    """Three shards, so that the processes do not have the same number of them."""
    settings = ["train.epochs=1", "train.shards=3", "data.limit=20"]
    run.start(tones_recipe, [*settings, f"run_dir={tmp_path / 'one'}"])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, "-m", "asr.training", tones_recipe, *settings, f"run_dir={tmp_path / 'many'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    ours, theirs = (load_state(tmp_path / name / "last.pt")["weights"] for name in ("one", "many"))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
