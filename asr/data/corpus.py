"""A corpus is one small script with one contract: `prepare(...)` gives its Splits, this module does the rest.

The arguments of `prepare` are the corpus's settings: what a recipe may say under `data:` and, through `main`, the
script's own command line.
"""

import argparse
import hashlib
import importlib.util
import inspect
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asr import audio, files
from asr.data import manifest
from asr.data.manifest import Skipped, Utterance
from asr.errors import UserError

logger = logging.getLogger("asr.data")

SPLITS = ("train", "dev", "test")
REAL = "real"
NEGATIVES = "negatives"
PARTS = (*SPLITS, REAL, NEGATIVES)
RECORD, SKIPPED = "corpus.json", "skipped.txt"
SOURCES = ("source", "also", "real", "sentences")
"""Settings that name what a script reads, a folder or a file: where that has changed, the corpus is made again."""


class CorpusError(UserError):
    """A corpus that is not where, or not what, the settings say; the message is one sentence."""


@dataclass
class Splits:
    """What `prepare` returns: utterances by split, and what it skipped."""

    train: list[Utterance] = field(default_factory=list)
    dev: list[Utterance] = field(default_factory=list)
    test: list[Utterance] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    real: list[Utterance] = field(default_factory=list)
    """Recordings of people, tested beside what a synthetic test split has, and never trained on."""
    negatives: list[Utterance] = field(default_factory=list)
    """Speech of which a recogniser of sentences is to accept nothing, and never trained on."""
    notes: list[str] = field(default_factory=list)
    """What is odd about the corpus, in sentences."""


class Probed(NamedTuple):
    """What `probe` found: utterances that can be read, the others with why, and digests of the samples by path."""

    readable: list[Utterance]
    skipped: list[Skipped]
    digests: dict[str, str]


Prepare = Callable[..., Splits]


def recordings(path: str, repeats: int) -> list[Utterance]:
    """The utterances of a manifest that join a training split, each `repeats` times, to be perturbed in as many ways;
    none where `path` is empty. Raises ManifestError, and CorpusError where they would stand there less than once.
    """
    if repeats < 1:
        raise CorpusError(f"data.also_repeats must be at least 1, not {repeats}")
    found = manifest.read(path) if path else []
    return [replace(one, id=f"{one.id}-also{again}") for one in found for again in range(repeats)]


def load_script(path: Path) -> Prepare:
    """The `prepare` function of a script; raises CorpusError if there is none."""
    try:
        is_there = path.is_file()
    except OSError as error:  # of a name that is too long
        raise CorpusError(f"data.prepare: {error.strerror}: {path}") from None
    if not is_there:
        raise CorpusError(f"data.prepare: {path}: no such script")
    spec = importlib.util.spec_from_file_location(f"asr_prepare_{path.stem}", path)
    if not spec or not spec.loader:
        raise CorpusError(f"data.prepare: {path} is not a Python script")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    prepare: Prepare | None = getattr(module, "prepare", None)
    if prepare is None:
        raise CorpusError(f"data.prepare: {path} has no function named prepare")
    return prepare


def settings(prepare: Prepare) -> dict[str, inspect.Parameter]:
    """The settings that a corpus takes: the arguments of `prepare` but for the folder that it may write to."""
    parameters = inspect.signature(prepare, eval_str=True).parameters
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: item for name, item in parameters.items() if name != "folder" and item.kind in kinds}


def build(prepare: Prepare, folder: Path, values: dict[str, Any]) -> bool:
    """Make `folder`/{train,dev,test}.jsonl unless they were made of these settings and sources; returns whether it did.

    Logs an honest summary. Raises CorpusError if nothing is left to train on.
    """
    record = folder / RECORD
    script = hashlib.sha256(inspect.getsource(inspect.getmodule(prepare) or prepare).encode()).hexdigest()
    wanted = json.dumps({"settings": values, "script": script}, sort_keys=True, default=str)
    # Before anything is made of it: what is added in the meantime is noticed the next time.
    sources = {name: _contents(Path(str(values[name])), folder) for name in SOURCES if values.get(name)}
    made = [folder / f"{split}.jsonl" for split in SPLITS]
    if record.is_file() and all(path.is_file() for path in made):
        before = _read_record(record)
        known = before.pop("sources", {})
        # Of a source that is not there any more, what was made of it is all there is.
        changed = [name for name, contents in sources.items() if contents and contents != known.get(name)]
        if not before:
            logger.info("%s: made again: %s is damaged", folder, RECORD)
        elif json.dumps(before, sort_keys=True) != wanted:
            logger.info("%s: made again: the settings or the script have changed", folder)
        elif changed:
            logger.info("%s: made again: the files of %s have changed", folder, values[changed[0]])
        else:
            logger.info("%s: made before with these settings; delete it to make it again", folder)
            return False
    folder.mkdir(parents=True, exist_ok=True)
    splits = prepare(folder=folder, **values)
    if not splits.train:
        reasons = "; ".join(f"{item.id}: {item.reason}" for item in splits.skipped[:3])
        raise CorpusError(f"no utterances to train on{': ' + reasons if reasons else ''}")
    counts = Counter(utterance.id for split in SPLITS for utterance in getattr(splits, split))
    if len(counts) < counts.total():
        raise CorpusError(f"the id {counts.most_common(1)[0][0]} stands for {counts.most_common(1)[0][1]} utterances")
    _sync(folder, splits)
    record.unlink(missing_ok=True)  # not before: a mistake in the settings must not cost the corpus that is there
    for split, path in zip(SPLITS, made, strict=True):
        manifest.write(path, getattr(splits, split))
    for part, utterances in ((REAL, splits.real), (NEGATIVES, splits.negatives)):
        (folder / f"{part}.jsonl").unlink(missing_ok=True)
        if utterances:
            manifest.write(folder / f"{part}.jsonl", utterances)
    files.write_text(folder / SKIPPED, "".join(f"{item.id}\t{item.reason}\n" for item in splits.skipped))
    files.write_text(record, json.dumps({**json.loads(wanted), "sources": sources}, indent=1) + "\n")
    logger.info("%s", summary(splits))
    return True


def lines_of(path: str) -> list[str]:
    """The lines of data.text, a file of sentences, but for empty ones; raises UserError where there are none."""
    lines = [" ".join(line.split()) for line in files.read_text(Path(path)).splitlines()]
    if not any(lines):
        raise CorpusError(f"data.text: {path} holds no sentences")
    return [line for line in lines if line]


def read_split(folder: Path, split: str) -> list[Utterance]:
    """The utterances of a split of the corpus in a folder; none where it has no such manifest, or an empty one."""
    path = folder / f"{split}.jsonl"
    return manifest.read(path) if path.is_file() and path.stat().st_size else []


def _sync(folder: Path, splits: Splits) -> None:
    """Wait until sound that was written below `folder` would outlast a power failure, before anything says it is there.

    All at once: file by file it takes some milliseconds each.
    """
    below = f"{folder}{os.sep}"
    written = (utterance for split in PARTS for utterance in getattr(splits, split))
    if hasattr(os, "sync") and any(utterance.where.startswith(below) for utterance in written):
        os.sync()


def _read_record(path: Path) -> dict[str, Any]:
    """What a corpus was made of; empty where the file is damaged."""
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    is_whole = isinstance(record, dict) and isinstance(record.get("sources", {}), dict)
    return record if is_whole else {}


def _contents(source: Path, folder: Path) -> str:
    """A digest of the names, sizes and times of the files at or below `source`; empty if there are none.

    Without hidden ones, the folders of runs, and what is below `folder`, which was made of them.
    """
    found = [source] if source.is_file() else []
    walked: set[str] = set()
    for where, below, names in os.walk(source, followlinks=True):
        if os.path.realpath(where) in walked:  # a link that leads round in a circle, or to the same files again
            below.clear()
            continue
        walked.add(os.path.realpath(where))
        if "metrics.jsonl" in names:  # what training writes
            below.clear()
            continue
        if Path(where).resolve() == folder.resolve():
            below[:] = [name for name in below if name != "cache"]
            names = [name for name in names if name not in (RECORD, SKIPPED, *(f"{split}.jsonl" for split in PARTS))]
        below[:] = [name for name in below if name[0] != "." and Path(where, name).resolve() != folder.resolve()]
        found += [path for name in names if name[0] != "." and (path := Path(where, name)).is_file()]
    states = {path.relative_to(source).as_posix(): path.stat() for path in found}
    lines = [f"{name}\t{state.st_size}\t{state.st_mtime_ns}\n" for name, state in sorted(states.items())]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest() if lines else ""


def summary(splits: Splits) -> str:
    """Counts, hours, speakers, characters and the longest utterance of each split; everything skipped, with why."""
    lines = []
    for split in (*SPLITS, *(part for part in (REAL, NEGATIVES) if getattr(splits, part))):
        utterances: list[Utterance] = getattr(splits, split)
        if not utterances:
            lines.append(f"{split:5}  no utterances")
            continue
        seconds = sum(utterance.duration_s for utterance in utterances)
        speakers = len({utterance.speaker for utterance in utterances if utterance.speaker})
        characters = sum(len(utterance.text) for utterance in utterances)
        longest = max(utterances, key=lambda utterance: utterance.duration_s)
        lines.append(
            f"{split:5}  {len(utterances):6} utterances  {seconds / 3600:6.2f} h  "
            f"{speakers or 'unknown':>7} speakers  {characters:7} characters  "
            f"{len(set(''.join(utterance.text for utterance in utterances))):3} different  "
            f"longest {longest.duration_s:.1f} s ({longest.id})"
        )
    return "\n".join([*lines, *describe(splits.skipped), *(f"note: {note}" for note in splits.notes)])


def describe(skipped: Sequence[Skipped], most: int = 10) -> list[str]:
    """Lines that name what was skipped: how many for each kind of reason, and the first `most` by name."""
    if not skipped:
        return []
    kinds = Counter(item.reason.split(":")[0] for item in skipped)
    lines = [f"skipped {len(skipped)}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())]
    lines += [f"  {item.id}: {item.reason}" for item in skipped[:most]]
    if len(skipped) > most:
        lines.append(f"  ... and {len(skipped) - most} more")
    return lines


def probe(utterances: Iterable[Utterance]) -> Probed:
    """Decode every utterance's sound, whole: those that decode come back with their duration, the others with why."""
    digests: dict[str, str] = {}

    def check(utterance: Utterance) -> Utterance | Skipped:
        assert utterance.audio
        try:
            rate = audio.info(utterance.audio).sample_rate
            waveform = manifest.read_waveform(utterance, rate)
        except audio.AudioError as error:
            return Skipped(utterance.id, f"unreadable audio: {error}")
        # Zeros alone are certain. Whether somebody speaks is not asked of `asr.endpointing` here: it would take soft,
        # short and noisy recordings out of a corpus, which are those that training needs.
        if not np.any(waveform):
            return Skipped(utterance.id, f"silence: {files.shown(utterance.audio)} holds nothing but zeros")
        digests[utterance.audio] = hashlib.blake2b(waveform.tobytes(), digest_size=16).hexdigest()
        return replace(utterance, duration_s=round(len(waveform) / rate, 4))

    with ThreadPoolExecutor() as pool:
        checked = list(pool.map(check, utterances))
    readable = [item for item in checked if isinstance(item, Utterance)]
    return Probed(readable, [item for item in checked if isinstance(item, Skipped)], digests)


def split_speakers(speakers: Iterable[str], share: float, seed: int) -> set[str]:
    """A seeded random `share` of the speakers, at least one, to keep for dev or test."""
    names = sorted(set(speakers))
    count = max(1, round(share * len(names)))
    return set(np.random.default_rng(seed).permutation(names)[:count].tolist())


def main(prepare: Prepare) -> None:
    """The command line of a prepare script: a folder to write to, and one option for each setting."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[prepare.__module__]))
    parser.add_argument("folder", type=Path, help="where train.jsonl, dev.jsonl and test.jsonl are written")
    for name, parameter in settings(prepare).items():
        required = parameter.default is inspect.Parameter.empty
        option, default = f"--{name.replace('_', '-')}", None if required else parameter.default
        if isinstance(default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default)
        else:
            kind = type(default) if isinstance(default, int | float) else str
            parser.add_argument(option, required=required, type=kind, default=default)
    values = vars(parser.parse_args())
    folder = values.pop("folder")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        build(prepare, folder, values)
    except (UserError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
