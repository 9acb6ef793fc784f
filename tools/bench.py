#!/usr/bin/env python3
"""Measure what users wait for against what they would use instead; writes BENCHMARKS.md.

    python tools/bench.py                 # everything, a quarter of an hour on 2 cores
    python tools/bench.py scoring         # some sections, printed and not written

Each contender runs in a process of its own, on one core and with one thread, in turns with the others, as its user
would start it; the median of the rounds counts. In the first round it runs once more with an allocator that keeps its
memory (MALLOC_*_ variables of glibc). Only ratios within one run mean anything: the machine is shared. Peers that are
not installed are skipped and named: pip install ".[bench]".
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import checking, cores, decoding, features, growth, live, load, scoring, training, transcribing
from benchmarks.measuring import REPOSITORY, SECTIONS, contend, machine, measure

MODULES = (checking, features, training, transcribing, decoding, scoring, live)  # which fill SECTIONS
ORDER = """
check features
step step-gru step-rnn step-lstm_peephole ctc-6 ctc-50 epoch epoch-sound startup bulk cores forward greedy
decode pocketsphinx scoring growth live load
""".split()


def main() -> None:
    """Measure the sections asked for, or all of them into BENCHMARKS.md."""
    names = ORDER
    assert set(names) == {*SECTIONS, "cores", "growth", "load"}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(names)} (default: all, into BENCHMARKS.md)")
    parser.add_argument("--rounds", type=int, default=2, help="how often each contender gets its turn (default 2)")
    parser.add_argument("--long", action="store_true", help="growth: measure 10 hours too, some minutes more")
    parser.add_argument("--prepare", metavar="SECTION", help=argparse.SUPPRESS)
    parser.add_argument("--contend", nargs=2, metavar=("SECTION", "NAME"), help=argparse.SUPPRESS)
    parser.add_argument("--growth", nargs=2, metavar=("WORK", "HOURS"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare = SECTIONS[arguments.prepare].prepare
        assert prepare
        prepare(arguments.folder)
    elif arguments.contend:
        section, name = arguments.contend
        print(contend(section, name, arguments.folder))
    elif arguments.growth:
        print(growth.work(arguments.growth[0], float(arguments.growth[1]), arguments.folder))
    elif unknown := set(arguments.sections) - set(names):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    else:
        _measure(arguments.sections, arguments.rounds, is_long=arguments.long)


def _measure(keys: list[str], rounds: int, *, is_long: bool) -> None:
    began, script = time.monotonic(), Path(__file__)
    own: dict[str, Callable[[], str]] = {
        "growth": lambda: growth.table(script, is_long=is_long), "cores": lambda: cores.table(script),
        "live": lambda: live.table(script), "load": load.table,
    }  # fmt: skip
    tables = [own[key]() if key in own else measure(key, rounds, script) for key in keys or ORDER]
    print("\n".join(tables))
    if not keys:
        minutes = (time.monotonic() - began) / 60
        head = f"# Benchmarks\n\nMade by `python tools/bench.py` in {minutes:.1f} minutes.\n\n{machine()}\n"
        (REPOSITORY / "BENCHMARKS.md").write_text("\n".join([head, *tables]), encoding="utf-8")


if __name__ == "__main__":
    main()
