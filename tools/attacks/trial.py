"""A training of two seconds, in processes that can be killed, and what is compared of two of its runs."""

import hashlib
import json
import logging
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from asr.cli import exits
from asr.errors import UserError
from asr.training import run
from asr.training.state import load_state

_SCRIPT = """
from pathlib import Path

import numpy as np

from asr import audio
from asr.data import corpus
from asr.data.corpus import Splits
from asr.data.manifest import Utterance


def prepare(folder: Path, utterances: int = 18) -> Splits:
    rng = np.random.default_rng(0)
    (folder / "sound").mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(utterances):
        text = "".join(rng.choice(list("ab"), size=3))
        tones = [np.sin(np.arange(800) * (0.2 if letter == "a" else 0.9)) for letter in text]
        path = folder / "sound" / f"{number}.wav"
        audio.write(path, 0.3 * np.concatenate(tones).astype(np.float32), 8000)
        made.append(Utterance(f"u{number}", text, audio=str(path)))
    found = corpus.probe(made).readable
    return Splits(train=found[:10], dev=found[10:14], test=found[14:])
"""
_RECIPE = """
data: {{prepare: prepare.py, folder: {work}/data}}
text: {{alphabet: ab}}
features: {{sample_rate: 8000}}
model: {{hidden_size: 4, num_layers: 1}}
augment: {{gain_db: 3, time_masks: 1}}
train: {{epochs: 3, batch_size: 2, averaging: 0.9, save_minutes: 1e-9}}
run_dir: {work}/run
"""


@dataclass(frozen=True)
class Place:
    """A folder with the recipe, and the folder `work` that a training writes to."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> "Place":
        """Write the recipe."""
        (root / "recipe").mkdir(parents=True)
        (root / "recipe" / "prepare.py").write_text(_SCRIPT)
        (root / "recipe" / "attack.yaml").write_text(_RECIPE.format(work=root / "work"))
        place = cls(root)
        place.work.mkdir()
        return place

    @property
    def work(self) -> Path:
        """What is written."""
        return self.root / "work"

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.work / "run"

    def clear(self) -> None:
        """Nothing is written yet."""
        for path in self.work.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def train(self) -> None:
        """Train, or go on where there is a run: what a user would do."""
        if (self.run / run.RECIPE_FILE).exists():
            run.resume(self.run, jobs=1)
        else:
            run.start(self.root / "recipe" / "attack.yaml", [], jobs=1)

    def fingerprint(self) -> str:
        """A digest of all that a run leaves, but for how long it took."""
        found = hashlib.sha256()
        for name in ("last.pt", "best.pt"):
            _digest(load_state(self.run / name), found.update)
        for name in ("model.onnx", "test.hyp.trn"):
            found.update((self.run / name).read_bytes())
        for line in (self.run / "metrics.jsonl").read_text().splitlines():
            values = {key: value for key, value in json.loads(line).items() if key not in ("seconds", "wait_s")}
            found.update(json.dumps(values).encode())
        return found.hexdigest()


def _digest(value: Any, update: Callable[[bytes], None]) -> None:
    if isinstance(value, torch.Tensor):
        update(value.numpy().tobytes())
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("seconds", "wait_s"):
                update(repr(key).encode())
                _digest(inner, update)
    elif isinstance(value, list | tuple):
        for inner in value:
            _digest(inner, update)
    else:
        update(repr(value).encode())


@dataclass
class Outcome:
    """What came of one kind of attack: how many were tried, what was lost, and what is worth telling."""

    fault: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    def count(self, note: str, number: int = 1) -> None:
        """One more of a kind."""
        self.notes[note] = self.notes.get(note, 0) + number

    def row(self) -> str:
        """A line of the table."""
        notes = ", ".join(f"{number} {note}" for note, number in self.notes.items())
        return f"| {self.fault} | {self.tried} | {'; '.join(self.lost[:3]) or 'nothing'} | {notes} |"


def child(action: Callable[[], object], log: Path) -> int:
    """Start a process that does this and ends with the exit code of a command; returns its id.

    It is forked, so that a hundred of them do not load PyTorch a hundred times.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(descriptor, number)
    code = exits.BUG
    try:
        exits._show_log()
        logging.getLogger("asr").setLevel(logging.INFO)
        action()
        code = 0
    except (UserError, OSError) as error:
        exits.say(f"error: {error}")
        code = 2
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def wait(process: int, seconds: float = 900) -> int:
    """The exit code of a process, or minus the signal that ended it; one that takes too long is killed: -9."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(process, 9)
            end = float("inf")
        time.sleep(0.01)


def last_line(log: Path) -> str:
    """The last line that a process printed."""
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else "it printed nothing"
