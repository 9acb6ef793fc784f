"""A power cut, simulated: of what a run has written, only what was fsynced is there.

Names and contents are two things. `journal`: names are as of the last fsync of anything, as file systems with a
journal have it. `late`: names are as of the cut, as where the journal happened to be written just then. In both a
file holds what it held at its own last fsync, or nothing or a part of it if that never came.
"""

import os
import random
import shutil
import stat
from functools import partial
from pathlib import Path
from typing import Any

from attacks import events
from attacks.kills import reference
from attacks.trial import Outcome, Place, child, last_line, wait

_POLICIES = ("journal", "late")
Names = dict[str, int]
"""Path below the folder -> number of its inode, 0 for a folder."""


def attack(place: Place, count: int, seed: int) -> Outcome:
    """Cut the power at `count` moments, and go on from what each policy leaves."""
    outcome = Outcome("power cut at a random change to a file (simulated: what was not fsynced is lost)")
    rng = random.Random(seed)
    wanted = reference(place)
    num_events = len((place.root / "events").read_text().splitlines())
    log = place.root / "log"
    for number in sorted(rng.sample(range(num_events), min(count, num_events))):
        place.clear()
        wait(child(partial(_cut, place, number, rng.random()), log))
        for policy in _POLICIES:
            left = place.root / policy
            if not left.exists():
                continue  # nothing was cut: the last change was before
            place.clear()
            shutil.copytree(left, place.work, dirs_exist_ok=True)
            shutil.rmtree(left)
            outcome.tried += 1
            outcome.count("with a state to go on from" if (place.run / "last.pt").exists() else "begun again")
            log.unlink(missing_ok=True)
            code = wait(child(place.train, log))
            if code or place.fingerprint() != wanted:
                what = f"exit code {code}: {last_line(log)}" if code else "other weights"
                outcome.lost.append(f"{policy}, change {number}: {what}")
    return outcome


def _cut(place: Place, number: int, share: float) -> None:
    """Train until the change `number`, write what would be left, and end."""
    disk = _Disk(place.work)
    seen = iter(range(1 << 30))

    def happened(_path: str) -> None:
        if next(seen) == number:
            for policy in _POLICIES:
                disk.rebuild(place.root / policy, is_late=policy == "late", share=share)
            os._exit(0)

    events.watch(place.work, happened)
    place.train()


class _Disk:
    """What has reached the disk of a folder, as calls of os.fsync and os.sync tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents: dict[int, tuple[bytes, int]] = {}
        self.names: Names = {}
        self._held: list[int] = []  # open, so that no other file gets the number of an inode
        fsync, sync = os.fsync, os.sync

        def fsynced(file: Any) -> None:
            fsync(file)
            self._note(file if isinstance(file, int) else file.fileno())

        def synced() -> None:
            sync()
            for path, inode in self._live().items():
                if inode:
                    descriptor = os.open(self.folder / path, os.O_RDONLY)
                    self._note(descriptor)
                    os.close(descriptor)
            self.names = self._live()

        os.fsync, os.sync = fsynced, synced  # type: ignore[assignment]

    def _note(self, descriptor: int) -> None:
        state = os.fstat(descriptor)
        if stat.S_ISREG(state.st_mode):
            held = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
            self._held.append(held)
            self.contents[state.st_ino] = os.pread(held, state.st_size, 0), state.st_mtime_ns
        self.names = self._live()

    def _live(self) -> Names:
        found: Names = {}
        for where, below, names in os.walk(self.folder):
            here = Path(where).relative_to(self.folder)
            found |= {str(here / name): 0 for name in below}
            found |= {str(here / name): (Path(where) / name).stat().st_ino for name in names}
        return found

    def rebuild(self, target: Path, *, is_late: bool, share: float) -> None:
        """Write what would be there after the cut."""
        target.mkdir()
        live = self._live()
        sizes = {inode: self.folder / path for path, inode in live.items() if inode}
        for path, inode in (live if is_late else self.names).items():
            if not inode:
                (target / path).mkdir(parents=True, exist_ok=True)
                continue
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            data, modified = self.contents.get(inode, (None, 0))
            if data is None:
                whole = sizes[inode].read_bytes() if inode in sizes else b""
                data = whole[: int(share * len(whole))] if share > 0.5 else b""
            (target / path).write_bytes(data)
            if modified:
                os.utime(target / path, ns=(modified, modified))
