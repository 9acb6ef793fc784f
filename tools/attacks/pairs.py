"""Two processes at once on one run, or on one folder of data."""

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from asr.training import run
from attacks.kills import reference
from attacks.trial import Outcome, Place, child, last_line, wait


def attack(place: Place, count: int, seed: int) -> Outcome:
    """Start two a moment apart, in three ways in turn."""
    outcome = Outcome("two processes at once: one run started twice, resumed twice, one folder of data")
    rng = random.Random(seed)
    wanted = reference(place)
    other = place.root / "work" / "other"
    recipe = place.root / "recipe" / "attack.yaml"
    begun = place.root / "begun"
    wait(child(lambda: run.start(recipe, ["train.epochs=3"], jobs=1), place.root / "log"))
    ways: dict[str, Callable[[], object]] = {
        "started twice": lambda: run.start(recipe, [], jobs=1),
        "resumed twice": lambda: run.resume(place.run, jobs=1),
        "one folder of data": lambda: run.start(recipe, [f"run_dir={other}"], jobs=1),
    }
    for number in range(count):
        name = list(ways)[number % len(ways)]
        place.clear()
        first: Callable[[], object] = ways[name]
        if name == "resumed twice":
            _begin(place, begun)
        if name == "one folder of data":
            first = ways["started twice"]
        logs = [place.root / f"log{index}" for index in range(2)]
        for log in logs:
            log.unlink(missing_ok=True)
        one = child(first, logs[0])
        time.sleep(rng.random() * 0.3)
        two = child(ways[name], logs[1])
        codes = [wait(one), wait(two)]
        outcome.tried += 1
        _judge(place, outcome, name, codes, logs, wanted)
        if name == "one folder of data" and _weights(place.run) != _weights(other):
            outcome.lost.append(f"{name}: other weights")
    return outcome


def _begin(place: Place, kept: Path) -> None:
    """A run of one epoch, to go on with: made once, then copied."""
    if not kept.exists():
        wait(child(lambda: _stopped(place), place.root / "log"))
        shutil.copytree(place.work, kept)
        place.clear()
    shutil.copytree(kept, place.work, dirs_exist_ok=True)


def _stopped(place: Place) -> None:
    from asr.training.state import State

    save = State.save
    saved: list[None] = []

    def stop(state: State, folder: Path, corpus: str) -> None:
        save(state, folder, corpus)
        saved.append(None)
        if len(saved) == 8:
            raise SystemExit

    State.save = stop  # type: ignore[method-assign, assignment]
    place.train()


def _judge(place: Place, outcome: Outcome, name: str, codes: list[int], logs: list[Path], wanted: str) -> None:
    said = [last_line(log) for log in logs]
    refused = [line for code, line in zip(codes, said, strict=True) if code == 2]
    outcome.count(f"{name}: {'both ended well' if codes == [0, 0] else 'one refused in a sentence'}")
    if 0 not in codes or set(codes) - {0, 2} or any("error: " not in line for line in refused):
        outcome.lost.append(f"{name}: exit codes {codes}: {said}")
    elif place.fingerprint() != wanted:
        outcome.lost.append(f"{name}: other weights")


def _weights(folder: Path) -> bytes:
    import torch

    from asr.training.state import best_weights

    return b"".join(value.numpy().tobytes() for value in best_weights(folder).values() if torch.is_tensor(value))
