"""Whether more cores help: `asr-transcribe --jobs N` on the clock."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.measuring import ONE_THREAD, note, spawn
from benchmarks.speech import MODEL

HOURS = 1.0
ROUNDS = 2


def table(script: Path) -> str:
    """The table in Markdown, for one core and for two; the reason, where there is none."""
    title = f"## Cores: `asr-transcribe --jobs N`, {HOURS:g} hour of WAV files, files to text\n"
    command = Path(sys.executable).parent / "asr-transcribe"
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        return f"{title}\nLeft out: one core is all that this run has.\n"
    cores = sorted(os.sched_getaffinity(0))[-2:]
    seconds: dict[int, list[float]] = {1: [], 2: []}
    texts = []
    with tempfile.TemporaryDirectory() as folder:
        done = spawn(["--growth", "write", str(HOURS), "--folder", folder], {}, script=script)
        if done.returncode:
            raise SystemExit(f"cores: {done.stderr}")
        for _ in range(ROUNDS):
            for jobs, taken in seconds.items():
                began = time.perf_counter()
                found = subprocess.run(
                    [command, "--model", MODEL, "--jobs", str(jobs), "sounds"], cwd=folder, check=True, text=True,
                    env={**os.environ, **ONE_THREAD}, capture_output=True,
                    preexec_fn=partial(os.sched_setaffinity, 0, cores[:jobs]),
                )  # fmt: skip
                taken.append(time.perf_counter() - began)
                texts.append(found.stdout)
    assert len(set(texts)) == 1, "another number of jobs changes the texts"
    lines = [title, "| jobs | seconds of sound a second, on the clock | of one job | check |", "|---:|---:|---:|---|"]
    alone = statistics.median(seconds[1])
    for jobs, taken in seconds.items():
        median = statistics.median(taken)
        lines.append(f"| {jobs} | {3600 * HOURS / median:,.0f} | {alone / median:.2f} | the same texts |")
    return "\n".join([*lines, "", note("cores")]) + "\n"
