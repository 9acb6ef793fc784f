"""`asr-transcribe`: transcribe recordings."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asr.cli.exits import end_batch, run_command, say
from asr.cli.jobs import choose_runtime, portions, start_workers
from asr.cli.options import (
    add_decoding,
    add_files,
    add_format,
    add_model,
    add_workers,
    call_options,
    choose_model,
    decoding_config,
    new_parser,
)
from asr.cli.output import check_output, put
from asr.errors import UserError
from asr.files import shown

if TYPE_CHECKING:
    from asr.modelfile.session import Runtime
    from asr.recognition.transcript import Transcript


def main() -> NoReturn:
    """`asr-transcribe`."""
    parser = new_parser("asr-transcribe", "Transcribe recordings.")
    add_files(parser)
    add_model(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write one file for each sound into this folder, named for it; where several have one "
        "name, with as much more of the path as tells them apart (default: all to stdout)",
    )
    add_workers(parser)
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: on the machines of a Ray cluster ($RAY_ADDRESS; else this one), files and manifests into shards "
        "below --output (default local)",
    )
    parser.add_argument("--shards", choices=("jsonl", "parquet"), default="jsonl", help="of --engine ray (jsonl)")
    add_decoding(parser)
    add_format(parser, "text", "json", "trn", "ctm", "srt", "vtt", "textgrid")
    run_command(_transcribe, parser.parse_intermixed_args())


def _transcribe(arguments: argparse.Namespace) -> int:
    from asr.cli import inputs

    model = choose_model(arguments)
    files, skipped = _find(arguments.files)
    for path, why in skipped:
        say(f"error: {shown(path)}: {why}")
    if arguments.engine == "ray":
        from asr.cli import cluster

        failed = len(skipped) + cluster.transcribe(arguments, model, [path for path, _ in files])
        return end_batch("transcribed", failed, len(files) + len(skipped), is_batch=True)
    check_output(arguments, len(files))
    if arguments.output or arguments.format in ("trn", "ctm"):  # where an id says whose words they are
        files = inputs.distinct(files)
    start = partial(_Transcriber, arguments, model, choose_runtime([path for path, _ in files]))
    failed = len(skipped)
    with start_workers(start, arguments.jobs, files, itemgetter(0)) as workers:
        made = workers.map(portions(files, itemgetter(0))) if workers else start()(files)
        for (_, key), result in zip(files, made, strict=True):
            if isinstance(result, UserError):
                say(f"error: {result}")
                failed += 1
            else:
                put(result, key, arguments)
    is_batch = inputs.is_batch(arguments.files)
    return end_batch("transcribed", failed, len(files) + len(skipped), is_batch=is_batch)


def _find(paths: Sequence[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(path, id) of each file; of folders those of sound, or where there is none, those of features.

    Beside them, (path, why) of what cannot be used.
    """
    from asr.audio.search import SUFFIXES
    from asr.cli import inputs
    from asr.recognition.source import FEATURE_SUFFIXES

    files, skipped = inputs.find(paths, SUFFIXES.union(FEATURE_SUFFIXES))
    named = set(paths)
    sounds = [file for file in files if file[0] in named or not file[0].lower().endswith(FEATURE_SUFFIXES)]
    return sounds or files, skipped


class _Transcriber:
    """(path, id) of files -> what is printed of each, or why it cannot be transcribed."""

    def __init__(self, arguments: argparse.Namespace, model: Path, runtime: "Runtime") -> None:
        from asr.cli import inputs
        from asr.recognition.recognizer import Recognizer

        self.arguments = arguments
        self.recognizer = Recognizer.load(model, decoding=decoding_config(arguments), runtime=runtime)
        self.names_files = inputs.is_batch(arguments.files) and not arguments.output

    def __call__(self, files: Sequence[tuple[str, str]]) -> "Iterator[str | UserError]":
        # Words have times by a forced alignment, which text alone need not wait for.
        options = call_options(self.arguments, has_words=self.arguments.format not in ("text", "trn"))
        paths = [path for path, _ in files]
        transcripts = self.recognizer.transcribe_all(paths, options=options, progress=_progress)
        for (path, key), transcript in zip(files, transcripts, strict=True):
            _progress(None)
            yield transcript if isinstance(transcript, UserError) else self._lines(path, key, transcript)

    def _lines(self, path: str, key: str, transcript: "Transcript") -> str:
        from asr.recognition.formats import WRITERS

        if self.arguments.format in WRITERS:
            return WRITERS[self.arguments.format](path, key, transcript)
        texts = [transcript.text]
        if self.arguments.nbest > 1:
            texts = [f"{hypothesis.score:.3f}\t{hypothesis.text}" for hypothesis in transcript.nbest]
        name = path if path == "-" else shown(path)
        return "\n".join(f"{name}\t{text}" if self.names_files else text for text in texts)


def _progress(seconds: float | None) -> None:
    """How much of a long sound is done, on a terminal; None wipes it away."""
    if sys.stderr.isatty():
        message = "" if seconds is None else f"{seconds / 60:.1f} minutes transcribed"
        print(f"\r{message:26}", end="\r", file=sys.stderr, flush=True)
