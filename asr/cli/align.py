"""`asr-align`: find when the words and characters of a known text are said."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asr.cli.exits import run_command
from asr.cli.options import add_format, new_parser
from asr.cli.output import check_output, put
from asr.errors import UserError

if TYPE_CHECKING:
    from asr.recognition.recognizer import Transcript


def main() -> NoReturn:
    """`asr-align`."""
    parser = new_parser("asr-align", "Find when the words and characters of a known text are said.")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument(
        "source",
        metavar="AUDIO_OR_MANIFEST",
        help="sound of any format, or - for standard input; or a manifest (.jsonl), whose texts are "
        "aligned with its sounds",
    )
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="what is said in AUDIO: the words, a .txt file, or - for standard input"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write one file for each utterance into this folder (default: all to stdout)",
    )
    add_format(parser, "text", "json", "ctm", "textgrid", "srt", "vtt")
    run_command(_align, parser.parse_intermixed_args())


def _align(arguments: argparse.Namespace) -> int:
    from asr.audio import AudioError
    from asr.data import manifest
    from asr.recognition.recognizer import Recognizer

    source: str = arguments.source
    is_batch = source.lower().endswith(".jsonl")
    if is_batch == (arguments.text is not None):
        raise UserError(
            f"{source} is a manifest, which has its own texts: leave TEXT out"
            if is_batch
            else f"what is said in {source}? Give the words, a .txt file or - as TEXT"
        )
    utterances = manifest.read(source) if is_batch else []
    text = "" if is_batch else _read_text(arguments.text, source)
    check_output(arguments, len(utterances))
    recognizer = Recognizer.load(arguments.model)
    if not is_batch:
        name = "standard input" if source == "-" else source
        try:
            transcript = recognizer.align(source, text)
        except (AudioError, manifest.ManifestError):  # which name the file
            raise
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        key = "stdin" if source == "-" else Path(source).stem
        lines = _aligned(source, key, transcript, arguments.format)
        if lines or arguments.output:
            put(lines, key, arguments)
        return 0
    failed = 0
    for utterance in utterances:
        try:
            transcript = recognizer.align(utterance, utterance.text)
            if arguments.output and (Path(utterance.id).is_absolute() or ".." in Path(utterance.id).parts):
                raise UserError("its id leads out of the folder of --output")
        except UserError as error:
            print(f"error: {utterance.id}: {error}", file=sys.stderr)
            failed += 1
        else:
            lines = _aligned(utterance.where, utterance.id, transcript, arguments.format)
            if arguments.format == "text" and not arguments.output:
                lines = "\n".join(f"{utterance.id}\t{line}" for line in lines.splitlines())
            if lines or arguments.output:
                put(lines, utterance.id, arguments)
    if failed:
        print(f"{failed} of {len(utterances)} utterances could not be aligned", file=sys.stderr)
    return 1 if failed else 0


def _read_text(text: str, audio: str) -> str:
    """The text that an argument names: itself, a .txt file's, or that on standard input."""
    if text != "-" and not text.lower().endswith(".txt"):
        return text
    if text == audio:
        raise UserError("standard input can be read once: give one - only")
    name = "standard input" if text == "-" else text
    try:
        return (sys.stdin.buffer.read() if text == "-" else Path(text).read_bytes()).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{text}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{name}: not UTF-8") from None


def _aligned(file: str, key: str, transcript: "Transcript", form: str) -> str:
    from asr.recognition.formats import WRITERS

    if form != "text":
        return WRITERS[form](file, key, transcript)
    return "\n".join(
        f"{word.start_s:.3f}\t{word.end_s:.3f}\t{word.confidence:.4f}\t{word.text}" for word in transcript.words
    )
