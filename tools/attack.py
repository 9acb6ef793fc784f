#!/usr/bin/env python3
"""Whether a training loses anything when it is killed, loses power or disk, or is started twice.

    python tools/attack.py                        # 50 kills, 40 power cuts, 40 sizes of disk, 12 pairs
    python tools/attack.py --only kills --count 500 --seed 2

Every run must end with the weights, the metrics and the model of the run that nothing happens to, bit for bit. Prints a
table; exit code 1 where something was lost. Needs Linux; the full disk needs root, too.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from attacks import cuts, disks, kills, pairs  # noqa: E402
from attacks.trial import Outcome, Place  # noqa: E402

_COUNTS = {"kills": 50, "cuts": 40, "disks": 40, "pairs": 12}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(_COUNTS), default=list(_COUNTS))
    parser.add_argument("--count", type=int, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    attacks: dict[str, Callable[[Place, int], Outcome | str]] = {
        "kills": lambda place, count: kills.attack(place, count, asked.seed),
        "cuts": lambda place, count: cuts.attack(place, count, asked.seed),
        "disks": disks.attack,
        "pairs": lambda place, count: pairs.attack(place, count, asked.seed),
    }
    rows, is_lost = ["| fault | tried | lost | |", "|---|---|---|---|"], False
    for name in asked.only:
        with tempfile.TemporaryDirectory(prefix="asr-attack-") as folder:
            found = attacks[name](Place.make(Path(folder).resolve()), asked.count or _COUNTS[name])
        if isinstance(found, str):
            print(f"{name}: skipped: {found}", file=sys.stderr)
            continue
        rows.append(found.row())
        for line in found.lost:
            print(f"{name}: {line}", file=sys.stderr)
        is_lost |= bool(found.lost)
    print("\n".join(rows))
    return int(is_lost)


if __name__ == "__main__":
    sys.exit(main())
