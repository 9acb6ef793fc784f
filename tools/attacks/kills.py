"""SIGKILL at random moments, of the clock or of a change to a file; then the same command again."""

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from attacks import events
from attacks.trial import Outcome, Place, child, last_line, wait

_MAX_DELAY_S = 0.01


def attack(place: Place, count: int, seed: int) -> Outcome:
    """Kill runs, one to three times each, until there were `count` kills; then they must end as if nothing was."""
    outcome = Outcome("SIGKILL at random moments of corpus making, cache building, training and saving")
    rng = random.Random(seed)
    log, wanted, changes, seconds = _reference(place)
    while outcome.tried < count:
        place.clear()
        log.unlink(missing_ok=True)
        for _ in range(rng.randint(1, 3)):
            if outcome.tried == count or not _kill(place, log, rng, changes, seconds):
                break
            outcome.tried += 1
            outcome.count(_moment(place))
        code = wait(child(place.train, log))
        if code or place.fingerprint() != wanted:
            outcome.lost.append(f"exit code {code}: {last_line(log)}" if code else "other weights")
        left = [path.name for path in place.work.rglob("*.part")]
        outcome.count("unfinished files left", len(left))
    return outcome


def reference(place: Place) -> str:
    """The fingerprint of a run that nothing happens to."""
    return _reference(place)[1]


def _reference(place: Place) -> tuple[Path, str, list[str], float]:
    """A log, the fingerprint of a run, the files that it changes, and its time in seconds."""
    log, counted = place.root / "log", place.root / "events"
    place.clear()
    began = time.monotonic()

    def counting() -> None:
        changes: list[str] = []
        events.watch(place.work, changes.append)
        place.train()
        counted.write_text("\n".join(changes))

    code = wait(child(counting, log))
    if code:
        raise RuntimeError(f"a run that nothing happens to fails: {last_line(log)}")
    return log, place.fingerprint(), counted.read_text().splitlines(), time.monotonic() - began


def _kill(place: Place, log: Path, rng: random.Random, changes: list[str], seconds: float) -> bool:
    """Start or resume, and kill; whether it was still running."""
    num = len(changes)
    cache = [index for index, path in enumerate(changes) if Path(path).parent.name == "cache"]
    early = int(num ** rng.random())  # as the corpus is made
    number = rng.choice([rng.randrange(num), early, rng.choice(cache or range(num))])
    delay_s, at_s = rng.choice([0, rng.random() * _MAX_DELAY_S]), rng.random()
    if rng.random() < 0.5:

        def armed() -> None:
            _armed(place.work, number, delay_s)
            place.train()

        return wait(child(armed, log)) == -9
    process = child(place.train, log)
    time.sleep(at_s * seconds)
    os.kill(process, 9)
    return wait(process) == -9


def _armed(work: Path, number: int, delay_s: float) -> None:
    """This process will be killed `delay_s` after the start of its change `number` to a file."""
    seen = iter(range(1 << 30))
    end: Callable[[], None] = lambda: os.kill(os.getpid(), 9)  # noqa: E731

    def happened(_path: str) -> None:
        if next(seen) == number:
            threading.Timer(delay_s, end).start() if delay_s else end()

    events.watch(work, happened)


def _moment(place: Place) -> str:
    """What a run was doing when it was killed, as its files tell."""
    data = place.work / "data"
    if unfinished := next(place.work.rglob("*.part"), None):
        return "within a file" + (" of the cache" if unfinished.parent.name == "cache" else "")
    if not (data / "corpus.json").exists():
        return "in corpus making"
    if not place.run.exists() or len(list((data / "cache").glob("*.json"))) < 2:
        return "in cache building"
    return "in training" if not (place.run / "model.onnx").exists() else "at the end"
