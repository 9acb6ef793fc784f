"""A full disk: a file system of a few kilobytes that a run does not fit on."""

import os
import subprocess
from pathlib import Path

from asr.errors import UserError
from asr.training.state import LAST, load_state
from attacks.kills import reference
from attacks.trial import Outcome, Place, child, last_line, wait


def attack(place: Place, count: int) -> Outcome | str:
    """Train on `count` sizes of disk, then make room and go on; why not, where nothing can be mounted."""
    outcome = Outcome("full disk (a small file system): corpus, cache, state, model")
    if not hasattr(os, "geteuid") or os.geteuid() or not _mount(place.work, "64m"):
        return "mounting a small file system needs root"
    try:
        wanted = reference(place)
        used = sum(path.stat().st_blocks * 512 for path in place.work.rglob("*"))
        for number in range(count):
            _try(place, outcome, round(used * (number + 0.5) / count) >> 10, wanted)
    finally:
        subprocess.run(["umount", str(place.work)], check=True)
    return outcome


def _try(place: Place, outcome: Outcome, kilobytes: int, wanted: str) -> None:
    log = place.root / "log"
    log.unlink(missing_ok=True)
    place.clear()
    _mount(place.work, f"{kilobytes}k", is_again=True)
    code = wait(child(place.train, log))
    said = last_line(log)
    _mount(place.work, "64m", is_again=True)
    outcome.tried += 1
    if not code:
        outcome.count("fitted")
    elif code != 2 or "No space left on device: '" not in said:
        outcome.lost.append(f"{kilobytes} kB: exit code {code}: {said}")
    else:
        outcome.count(f"refused at {_kind(said)}")
    if (place.run / LAST).exists():
        try:
            load_state(place.run / LAST)
            outcome.count("with a state that is read")
        except UserError as error:
            outcome.lost.append(f"{kilobytes} kB: {error}")
    code = wait(child(place.train, log))
    if code or place.fingerprint() != wanted:
        outcome.lost.append(f"{kilobytes} kB, with room: exit code {code}: {last_line(log)}")


def _kind(said: str) -> str:
    name = Path(said.rpartition("device: ")[2].strip("'")).name
    return "a file of the cache" if name.endswith((".bin", ".json")) and "-" in name else name


def _mount(folder: Path, size: str, *, is_again: bool = False) -> bool:
    """Whether a file system in memory lies there now."""
    options = f"size={size}" + (",remount" if is_again else "")
    command = ["mount", "-t", "tmpfs", "-o", options, "attack", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
