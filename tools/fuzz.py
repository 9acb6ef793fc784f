#!/usr/bin/env python3
"""Whether anything but a UserError comes out of what reads files and messages of strangers.

    python tools/fuzz.py                                    # all readers, 200,000 inputs each, seed 1
    python tools/fuzz.py --readers wav mp3 --inputs 5000
    python tools/fuzz.py --readers manifest --guided 600    # by coverage for 600 s, where atheris is installed

Inputs are damaged copies of good ones, the same for the same seed. What escaped, or took more than ten seconds of a
core, is kept in `--out`, one file each, beside counts.json, which a later call goes on with.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from fuzzing import edits, readers  # noqa: E402
from fuzzing.readers import Reader  # noqa: E402

from asr.errors import UserError  # noqa: E402

with suppress(ModuleNotFoundError):  # without the packages of a server they are excluded
    from fuzzing import servers as servers

_MAX_S = 10
_STRETCH = 5000  # inputs between two looks at the clock


class SlowError(Exception):
    """An input that took too long."""


def tried(reader: Reader, data: bytes) -> str:
    """What became of an input: read, refused, or the kind of what escaped; that is raised."""
    try:
        reader.read(data)
    except UserError:
        return "refused"
    return "read"


def drawn(reader: Reader, rng: random.Random) -> bytes:
    """A damaged input."""
    seed, other = rng.choice(reader.seeds), rng.choice(reader.seeds)
    return edits.apply(seed, edits.draw(rng), other)


def fuzz(reader: Reader, name: str, count: int, start: int, seed: int, out: Path) -> dict[str, int]:
    """Try the inputs from number `start` on; returns how many were read, refused, escaped."""
    found = {"read": 0, "refused": 0, "escaped": 0}
    for number in range(start, start + count):
        data = drawn(reader, random.Random(f"{seed}-{name}-{number}"))
        signal.setitimer(signal.ITIMER_PROF, _MAX_S)
        try:
            found[tried(reader, data)] += 1
        except Exception as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            found["escaped"] += 1
            _keep(out, name, data, error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return found


def _keep(out: Path, name: str, data: bytes, error: Exception) -> None:
    """The first input of each place that something escapes from."""
    last = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in last if "asr" in Path(frame.filename).parts] or last
    place = f"{Path(ours[-1].filename).stem}-{ours[-1].lineno}-{type(error).__name__}"
    path = out / f"{name}-{place}"
    if not path.exists():
        path.write_bytes(data)
        path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        print(f"{name}: {type(error).__name__} at {place}: {str(error)[:100]!r}", flush=True)


def guided(reader: Reader, seconds: int, corpus: Path) -> None:
    """The same by coverage, with atheris, which ends the process; the corpus is kept."""
    import atheris

    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(reader.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-timeout={_MAX_S}", "-rss_limit_mb=4096", "-max_len=65536", str(corpus)]
    atheris.Setup([sys.argv[0], *options], lambda data: tried(reader, data) and None)
    atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where something escaped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", nargs="+", choices=sorted(readers.READERS), default=list(readers.READERS))
    parser.add_argument("--inputs", type=int, default=200_000, help="for each reader (200000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", type=int, metavar="SECONDS", help="by coverage, one reader, with atheris")
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="what escaped, and counts.json (fuzz)")
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    readers.quiet()
    signal.signal(signal.SIGPROF, _slow)
    memory = Path("/dev/shm")  # files are written 200,000 times
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        if asked.guided:
            (name,) = asked.readers
            import atheris

            with atheris.instrument_imports(include=["asr"]):
                made = readers.made([name], Path(folder))
            guided(made[name], asked.guided, asked.out / f"corpus-{name}")
            return 0
        return _all(asked, Path(folder))


def _all(asked: argparse.Namespace, folder: Path) -> int:
    """One reader after the other; what an earlier call has tried is not tried again."""
    path = asked.out / "counts.json"
    counts: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    made = readers.made(asked.readers, folder)
    for name, reader in made.items():
        so_far = counts.setdefault(name, {"read": 0, "refused": 0, "escaped": 0, "seconds": 0.0})
        while (start := _num(so_far)) < asked.inputs:
            began = time.perf_counter()
            found = fuzz(reader, name, min(_STRETCH, asked.inputs - start), start, asked.seed, asked.out)
            for kind, number in found.items():
                so_far[kind] += number
            so_far["seconds"] = round(so_far["seconds"] + time.perf_counter() - began, 1)
            path.write_text(json.dumps(counts, indent=1) + "\n")
    print("| reader | inputs | read | refused | anything else |\n|---|---|---|---|---|")
    for name in made:
        one = counts[name]
        print(f"| {name} | {_num(one)} | {one['read']} | {one['refused']} | {one['escaped']} |")
    return int(any(counts[name]["escaped"] for name in made))


def _num(counts: dict[str, Any]) -> int:
    return sum(counts.get(kind, 0) for kind in ("read", "refused", "escaped"))


def _slow(_number: int, _frame: object) -> None:
    raise SlowError(f"longer than {_MAX_S} s")


if __name__ == "__main__":
    sys.exit(main())
