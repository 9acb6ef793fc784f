"""`asr-transcribe`: write down what is said in sound files."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asr.cli.exits import run_command
from asr.cli.jobs import portions, start_workers
from asr.cli.options import add_decoding, add_format, add_workers, decoding_config, new_parser
from asr.cli.output import check_output, put
from asr.errors import UserError

if TYPE_CHECKING:
    from asr.recognition.recognizer import Transcript


def main() -> NoReturn:
    """`asr-transcribe`."""
    parser = new_parser("asr-transcribe", "Write down what is said in sound files.")
    parser.add_argument(
        "files", nargs="+", metavar="FILE_OR_FOLDER", help="sound of any format, or - for standard input"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="RUN_OR_ONNX",
        help="a run's folder or a .onnx file (default: the newest run below this folder, else the "
        "model that comes with the package)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write one file for each sound into this folder, named for it; where several have one "
        "name, with as much more of the path as tells them apart (default: all to stdout)",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="PICTURE.png",
        help="draw waveform, MFCCs, letters and words of one file; .svg and .pdf too",
    )
    add_workers(parser)
    add_decoding(parser)
    add_format(parser, "text", "json", "trn", "ctm", "srt", "vtt", "textgrid")
    run_command(_transcribe, parser.parse_intermixed_args())


def _transcribe(arguments: argparse.Namespace) -> int:
    from asr import audio
    from asr.recognition.recognizer import FEATURE_SUFFIXES, SHIPPED, newest_model

    model = arguments.model or newest_model(Path.cwd())
    if arguments.model is None:
        where = model or f"the one that comes with the package ({SHIPPED.name})"
        print(f"model: {where}", file=sys.stderr)
    files = audio.find(arguments.files, audio.SUFFIXES.union(FEATURE_SUFFIXES))
    start = partial(_Transcriber, arguments, model or SHIPPED)
    with start_workers(start, arguments.jobs, files, itemgetter(0)) as workers:
        transcriber = start()
        is_deaf = transcriber.recognizer.card.features.source == "precomputed"
        files = audio.find(arguments.files, FEATURE_SUFFIXES if is_deaf else audio.SUFFIXES)
        check_output(arguments, len(files))
        if arguments.output or arguments.format in ("trn", "ctm"):  # where an id says whose words they are
            files = audio.distinct(files)
        if arguments.plot:
            from asr.report import plot

            plot.check(arguments.plot)
            if len(files) > 1:
                raise UserError(f"--plot draws one file, and there are {len(files)}")
        failed = 0
        made = workers.map(portions(files, itemgetter(0))) if workers else transcriber(files)
        for (_, key), result in zip(files, made, strict=True):
            if isinstance(result, UserError):
                print(f"error: {result}", file=sys.stderr)
                failed += 1
            else:
                put(result, key, arguments)
    if failed and transcriber.is_batch:
        print(f"{failed} of {len(files)} files could not be transcribed", file=sys.stderr)
    return 0 if not failed else 1 if transcriber.is_batch else 2


class _Transcriber:
    """(path, id) of sound files -> what is printed of each, or why it cannot be heard."""

    def __init__(self, arguments: argparse.Namespace, model: Path) -> None:
        from asr.recognition.recognizer import Recognizer

        self.arguments = arguments
        self.recognizer = Recognizer.load(model, decoding=decoding_config(arguments))
        self.recognizer.min_confidence = arguments.min_confidence
        self.is_batch = len(arguments.files) > 1 or Path(arguments.files[0]).is_dir()

    def __call__(self, files: Sequence[tuple[str, str]]) -> "Iterator[str | UserError]":
        # Words have times by a forced alignment, which text alone need not wait for.
        has_words = self.arguments.format not in ("text", "trn")
        paths = [path for path, _ in files]
        heard = (
            self._drawn(paths[0])
            if self.arguments.plot
            else self.recognizer.transcripts(paths, has_words=has_words, progress=_progress)
        )
        for (path, key), transcript in zip(files, heard, strict=True):
            _progress(None)
            yield transcript if isinstance(transcript, UserError) else self._lines(path, key, transcript)

    def _drawn(self, path: str) -> "Iterator[Transcript | UserError]":
        from asr import audio
        from asr.report import plot

        try:
            waveform = audio.read(path, self.recognizer.card.features.sample_rate)
        except audio.AudioError as error:
            yield error
        else:
            yield plot.draw(self.arguments.plot, self.recognizer, waveform, "" if path == "-" else Path(path).name)

    def _lines(self, path: str, key: str, transcript: "Transcript") -> str:
        from asr.recognition.formats import WRITERS

        if self.arguments.format in WRITERS:
            return WRITERS[self.arguments.format](path, key, transcript)
        texts = [transcript.text]
        if self.arguments.nbest > 1:
            texts = [f"{hypothesis.score:.3f}\t{hypothesis.text}" for hypothesis in transcript.nbest]
        return "\n".join(f"{path}\t{text}" if self.is_batch and not self.arguments.output else text for text in texts)


def _progress(seconds: float | None) -> None:
    """How much of a long sound has been heard, on a terminal; None wipes it away."""
    if sys.stderr.isatty():
        said = "" if seconds is None else f"{seconds / 60:.1f} minutes heard"
        print(f"\r{said:24}", end="\r", file=sys.stderr, flush=True)
