"""How cost grows with the corpus: measured on a synthetic one as long as asked, on one core, and computed beyond."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import speech
from benchmarks.measuring import note, spawn

WORK = {"cache": "features into the cache", "epoch": "an epoch of training from it", "transcribe": "transcription"}


@dataclass(frozen=True)
class Cost:
    """Seconds of processor; the most memory of the process's own, without mapped files, and how much before it began.

    The kernel gives mapped pages back whenever something else wants the room: they are counted apart.
    """

    seconds: float
    own_mb: float
    mapped_mb: float
    before_mb: float


def work(name: str, hours: float, folder: Path) -> str:
    """Do one kind of work on the corpus in `folder`, which "write" makes; its Cost as JSON."""
    if name == "write":
        speech.write_corpus(folder, round(hours * 3600 / speech.SECONDS))
        return ""
    do: dict[str, Callable[[Path], Callable[[], None]]] = {"cache": _cache, "epoch": _epoch, "transcribe": _transcribe}
    run = do[name](folder)
    return json.dumps(asdict(_measured(run)))


def _load(folder: Path) -> list[Any]:
    from asr.data import examples, manifest
    from asr.features import FeatureConfig, FeatureExtractor
    from asr.tasks.ctc import Ctc
    from asr.text import TextConfig

    loaded, skipped = examples.load(
        manifest.read(folder / "train.jsonl"),
        FeatureExtractor(FeatureConfig()),
        Ctc(TextConfig()),
        cache=folder / "cache",
        jobs=1,
    )
    assert not skipped, skipped
    return loaded


def _cache(folder: Path) -> Callable[[], None]:
    import asr.data.examples  # noqa: F401

    def run() -> None:
        _load(folder)

    return run


def _epoch(folder: Path) -> Callable[[], None]:
    import torch

    from asr import machine
    from asr.data.batches import Batches
    from asr.features import FeatureConfig, FeatureExtractor
    from asr.network.encoder import AcousticModel, ModelConfig
    from asr.tasks.ctc import Ctc
    from asr.text import TextConfig
    from asr.training import loop
    from asr.training.config import TrainConfig
    from asr.training.state import State

    def run() -> None:
        machine.keep_memory()
        torch.set_num_threads(1)
        extractor, config = FeatureExtractor(FeatureConfig(variance="utterance")), TrainConfig(batch_size=16, shards=1)
        task = Ctc(TextConfig())
        batches = Batches(_load(folder), task, extractor, config.batch_size)
        model = AcousticModel(ModelConfig(), extractor.config.num_features, len(task.outputs))
        loop.train_epoch(State(model, config, len(batches)), task, batches, config, 1)

    return run


def _transcribe(folder: Path) -> Callable[[], None]:
    from benchmarks.transcribing import transcribe

    def run() -> None:
        assert len(transcribe([str(folder / "sounds")])) == sum(1 for _ in (folder / "sounds").iterdir())

    return run


def _measured(run: Callable[[], None]) -> Cost:
    """What `run` costs; memory is looked at twenty times a second."""
    is_done, seen = threading.Event(), []

    def watch() -> None:
        while not is_done.wait(0.05):
            seen.append(_memory_mb())

    watcher = threading.Thread(target=watch)
    before = _memory_mb()[0]
    began = time.process_time()
    watcher.start()
    run()
    seconds = time.process_time() - began
    is_done.set()
    watcher.join()
    seen.append(_memory_mb())
    return Cost(seconds, max(own for own, _ in seen), max(mapped for _, mapped in seen), before)


def _memory_mb() -> tuple[float, float]:
    """Anonymous and file-backed resident memory."""
    values = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(values[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def table(script: Path, *, is_long: bool) -> str:
    """The table in Markdown: rows for 0.1 to 1,000 hours, those beyond the measured ones computed."""
    if not Path("/proc/self/status").is_file():
        return "## Growth\n\nLeft out: memory is read from /proc, which this system does not have.\n"
    measured = [0.1, 1.0, 10.0] if is_long else [0.1, 1.0]
    costs: dict[float, dict[str, Cost]] = {}
    began = time.monotonic()
    for hours in measured:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("write", *WORK):
                done = spawn(["--growth", name, str(hours), "--folder", folder], {}, script=script)
                if done.returncode:
                    raise SystemExit(f"growth, {name}: {done.stderr}")
                if name != "write":
                    costs.setdefault(hours, {})[name] = Cost(**json.loads(done.stdout.splitlines()[-1]))
    print(f"growth: {time.monotonic() - began:.0f} s", file=sys.stderr)
    lines = ["## Growth: the cost of a longer corpus, utterances of 2.5 s, one core", "",
             f"| hours | | {' | '.join(f'{what}: time | own memory' for what in WORK.values())} |",
             f"|---:|---|{'---:|---:|' * len(WORK)}"]  # fmt: skip
    for hours in sorted({*measured, 10.0, 100.0, 1000.0}):
        cells = []
        for name in WORK:
            seconds, own_mb = (_at(hours, costs, name, kind) for kind in ("seconds", "own_mb"))
            cells.append(f"{_duration(seconds)} | {own_mb:,.0f} MB")
        lines.append(f"| {hours:,g} | {'measured' if hours in costs else 'computed'} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", note("growth")]) + "\n"


def _at(hours: float, costs: dict[float, dict[str, Cost]], name: str, kind: str) -> float:
    """What was measured, or else lies on the line through the two longest measurements.

    The memory of training grows as that of making the cache does, by the list of utterances: a hundred times less in
    these measurements than what PyTorch happens to hold, in which it could not be seen.
    """
    if hours in costs:
        return float(getattr(costs[hours][name], kind))
    short, long = sorted(costs)[-2:]
    grows = "cache" if (name, kind) == ("epoch", "own_mb") else name
    slope = (getattr(costs[long][grows], kind) - getattr(costs[short][grows], kind)) / (long - short)
    return float(getattr(costs[long][name], kind) + slope * (hours - long))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
