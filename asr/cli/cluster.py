"""`asr-transcribe --engine ray`: many files on the cores of many machines, by Ray Data.

Files are cut into shards, each of which is transcribed by one worker and written whole or not at all. Where a worker is
killed another one does its shard again, and where the command is killed it goes on with the shards that are missing: a
file is transcribed into one line, once. The machines share the folders of files, model and output.
"""

import argparse
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from asr import extras, files
from asr.cli.exits import say
from asr.cli.options import call_options, decoding_config
from asr.data import manifest
from asr.data.manifest import Utterance
from asr.errors import UserError
from asr.recognition import formats
from asr.recognition.recognizer import Recognizer

ENDINGS = ("jsonl", "parquet")
_PLAN = "shards.json"
_SHARD = 100  # files: what is lost at most where a worker is killed


def transcribe(arguments: argparse.Namespace, model: Path, found: Sequence[str]) -> int:
    """Transcribe files, and the utterances of manifests, into shards below --output; returns how many could not be."""
    try:
        import ray
        import ray.data
    except ModuleNotFoundError:
        raise UserError(extras.missing("--engine ray", "ray", "ray")) from None
    if arguments.output is None:
        raise UserError("--engine ray writes shards: name their folder with --output")
    sources = _sources(found)
    shards = _planned(arguments, model, sources)
    say(f"{len(sources)} recordings in {len(shards)} shards; in {arguments.output}")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    ray.init(
        address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    waiting: Any = ray.data.from_items(shards, override_num_blocks=len(shards))
    work = waiting.map(
        _Shard,
        fn_constructor_args=(arguments, str(model.resolve()), sources),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=arguments.jobs or len(shards)),
        num_cpus=1,
    )
    failed = 0
    for done in work.iter_rows():
        for error in done["errors"]:
            say(f"error: {error}")
            failed += 1
    ray.shutdown()
    for left in arguments.output.glob("part-*.part"):  # of a worker that was killed while it wrote
        left.unlink()
    return failed


def _sources(found: Sequence[str]) -> list[str | Utterance]:
    """Absolute paths, and the utterances of manifests."""
    sources: list[str | Utterance] = []
    for path in found:
        whole = os.path.abspath(path)  # noqa: PTH100
        sources += manifest.read(whole) if whole.endswith(".jsonl") else [whole]
    return sources


def _planned(arguments: argparse.Namespace, model: Path, sources: Sequence[str | Utterance]) -> list[dict[str, Any]]:
    """The shards, with where each is written; raises UserError where the folder holds those of other files."""
    digest = hashlib.sha256(model.read_bytes())
    asked = (sources, arguments.shards, decoding_config(arguments), call_options(arguments))
    digest.update(repr(asked).encode("utf-8", "surrogateescape"))
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    wanted = json.dumps({"digest": digest.hexdigest(), "recordings": len(sources)}) + "\n"
    if (output / _PLAN).is_file() and files.read_text(output / _PLAN) != wanted:
        raise UserError(f"{arguments.output}: holds shards of other recordings or settings; choose another --output")
    files.write_text(output / _PLAN, wanted)
    return [
        {"target": str(output / f"part-{number:05}.{arguments.shards}"), "start": start}
        for number, start in enumerate(range(0, len(sources), _SHARD))
    ]


class _Shard:
    """A worker of Ray's: it loads the model once, and transcribes shard after shard."""

    def __init__(self, arguments: argparse.Namespace, model: str, sources: Sequence[str | Utterance]) -> None:
        self.recognizer = Recognizer.load(model, decoding=decoding_config(arguments))
        self.options = replace(call_options(arguments), has_words=True)
        self.sources = sources

    def __call__(self, shard: dict[str, Any]) -> dict[str, Any]:
        """Write a shard, unless it is there; returns what is wrong with its recordings."""
        target, part = Path(shard["target"]), self.sources[shard["start"] : shard["start"] + _SHARD]
        if not target.exists():
            made = self.recognizer.transcribe_all(part, options=self.options)
            rows = []
            for source, result in zip(part, made, strict=True):
                named = {"path": source} if isinstance(source, str) else {"id": source.id, "path": source.where}
                rows.append(
                    named | ({"error": str(result)} if isinstance(result, UserError) else formats.record(result))
                )
            _write(target, rows)
        return {"errors": _errors(target)}


def _write(target: Path, rows: list[dict[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    if target.suffix == ".jsonl":
        files.write_text(target, "".join(f"{line}\n" for line in lines))
        return
    import pyarrow
    from pyarrow import parquet

    names = ("id", "path", "text", "error", "json")
    schema = pyarrow.schema([*((name, pyarrow.string()) for name in names), ("duration_s", pyarrow.float64())])
    table = [{**row, "json": line} for row, line in zip(rows, lines, strict=True)]
    with files.whole(target) as part:
        parquet.write_table(pyarrow.Table.from_pylist(table, schema), part)


def _errors(target: Path) -> list[str]:
    if target.suffix == ".jsonl":
        rows: list[dict[str, Any]] = [json.loads(line) for line in files.Lines(target)]
    else:
        from pyarrow import parquet

        rows = parquet.read_table(target, columns=["error"]).to_pylist()
    return [row["error"] for row in rows if row.get("error")]
