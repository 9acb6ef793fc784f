"""Contenders side by side: each in a process of its own, on one core, with one thread; the median of the rounds."""

import importlib.metadata
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
KEEPS_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
PACKAGES = """
numpy onnxruntime soundfile soxr torch torchaudio rapidfuzz jiwer editdistance python_speech_features scipy
kaldi-native-fbank librosa pocketsphinx flashlight-text kenlm
""".split()
Contender = Callable[[Path], Iterator[Any]]


@dataclass(frozen=True)
class Result:
    """What one contender needed, and what it found, for the check of equality."""

    seconds: float
    """Of the processor, in the contender's process and in those that it starts."""
    clock_seconds: float
    peak_mb: float
    check: Any = None


@dataclass
class Section:
    """One table: contenders by name, ours first; `unit` is what a second holds so many of."""

    title: str
    unit: str
    amount: float
    contenders: dict[str, Contender] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    same: Callable[[Any, Any], str] = lambda _ours, _peer: ""
    """What the check of equality found, for the table; raises AssertionError where it fails."""
    repeats: int = 1
    """Turns of a contender within its process, after one that warms it up; with 1 the first one counts."""
    in_ms: bool = False
    """Print milliseconds for all of it, of the processor and on the clock, instead of a rate."""
    limits: set[str] = field(default_factory=set)
    """Contenders that are no peers but what the hardware allows."""

    def contender(self, name: str, *, is_limit: bool = False) -> Callable[[Contender], Contender]:
        """A generator that sets up and yields, works and yields what it found."""

        def add(function: Contender) -> Contender:
            self.contenders[name] = function
            if is_limit:
                self.limits.add(name)
            return function

        return add


def big_products(count: int) -> Iterator[Any]:
    """So many multiplications in matrices as large as sgemm likes them: what a limit is made of."""
    import numpy as np

    size = 1024
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((size, width), np.float32) for width in (size, count // size**2))
    product = np.empty((size, right.shape[1]), np.float32)
    yield
    np.matmul(left, right, out=product)
    yield None


SECTIONS: dict[str, Section] = {}


def section(key: str, *args: Any, **settings: Any) -> Section:
    """A new section under a key of the command line."""
    SECTIONS[key] = Section(*args, **settings)
    return SECTIONS[key]


def contend(key: str, name: str, folder: Path) -> str:
    """Run one contender here; its Result as JSON."""
    one = SECTIONS[key]
    times = []
    check: Any = None
    for turn in range(one.repeats + (one.repeats > 1)):
        run = one.contenders[name](folder)
        next(run)
        began = _processor_seconds(), time.perf_counter()
        check = next(run)
        if turn or one.repeats == 1:
            times.append((_processor_seconds() - began[0], time.perf_counter() - began[1]))
        assert isinstance(run, Generator)
        run.close()
    seconds, clock = (statistics.median(column) for column in zip(*times, strict=True))
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return json.dumps(asdict(Result(seconds, clock, peak / 1024, check)))


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def spawn(arguments: list[str], extra: dict[str, str], *, script: Path) -> subprocess.CompletedProcess[str]:
    """Run the script again with other arguments, on one core."""
    environment = {**os.environ, **ONE_THREAD, **extra}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=_on_one_core)


def _on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(key: str, rounds: int, script: Path) -> str:
    """A section's table in Markdown; `script` runs one contender where it is asked to."""
    one = SECTIONS[key]
    found: dict[str, dict[str, list[Result]]] = {name: {"plain": [], "keeps": []} for name in one.contenders}
    skipped: dict[str, str] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if one.prepare:
            # In a process of its own: what a process that is started later needs at its peak begins at what we hold.
            done = spawn(["--prepare", key, "--folder", folder], {}, script=script)
            if done.returncode:
                raise SystemExit(f"{key}: {done.stderr}")
        for turn in range(rounds):
            for name in one.contenders:
                for setting, extra in (("plain", {}), ("keeps", KEEPS_MEMORY))[: 1 if turn else 2]:
                    if name in skipped:
                        continue
                    done = spawn(["--contend", key, name, "--folder", folder], extra, script=script)
                    if not done.returncode:
                        found[name][setting].append(Result(**json.loads(done.stdout.splitlines()[-1])))
                        continue
                    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                    if "ModuleNotFoundError" not in last:
                        raise SystemExit(f"{key}, {name}: {done.stderr}")
                    skipped[name] = last.partition(": ")[2]
    print(f"{key}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return _table(key, {name: results for name, results in found.items() if name not in skipped}, skipped)


def _table(key: str, found: dict[str, dict[str, list[Result]]], skipped: dict[str, str]) -> str:
    one = SECTIONS[key]
    ours = next(iter(found))
    measured = "ms of processor | ms on the clock" if one.in_ms else f"{one.unit} a second"
    lines = [f"## {one.title}", "", f"| | {measured} | with an allocator that keeps memory | time of {ours} | "
             "peak MB | check |", f"|---|{'---:|' * (4 + one.in_ms)}---|"]  # fmt: skip
    base = _median(found[ours]["plain"], "seconds")
    for name, results in found.items():
        plain, kept = (_median(results[way], "seconds") for way in ("plain", "keeps"))
        if one.in_ms:
            clock = _median(results["plain"], "clock_seconds")
            columns = f"{1000 * plain:,.1f} | {1000 * clock:,.1f} | {1000 * kept:,.1f}"
        else:
            columns = f"{one.amount / plain:,.0f} | {one.amount / kept:,.0f}"
        if name in one.limits:
            check = f"what the hardware allows; {ours} reaches {plain / base:.0%} of it"
        else:
            check = one.same(found[ours]["plain"][0].check, results["plain"][0].check)
        peak = max(result.peak_mb for result in results["plain"])
        lines.append(f"| {name} | {columns} | {plain / base:.2f} | {peak:.0f} | {check} |")
    lines += ["", note(key)]
    lines += [f"Skipped: {name} ({reason})." for name, reason in skipped.items()]
    return "\n".join(lines) + "\n"


def _median(results: list[Result], name: str) -> float:
    return float(statistics.median(getattr(result, name) for result in results))


def note(key: str) -> str:
    """What notes.md says about a section: under a line of "# KEY"."""
    text = (Path(__file__).parent / "notes.md").read_text("utf-8")
    parts = re.split(r"^# (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(key, "").strip()


def machine() -> str:
    """The machine and the versions, in one paragraph."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        model = next((line.partition(":")[2].strip() for line in information.read_text().splitlines()
                      if line.startswith("model name")), model)  # fmt: skip
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{model}, {os.cpu_count()} cores, shared; Python {platform.python_version()}; {', '.join(packages)}."
