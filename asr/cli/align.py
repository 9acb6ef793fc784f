"""`asr-align`: find when the words and characters of a known text are spoken."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import add_format, new_parser
from asr.cli.output import check_output, put, shared_files
from asr.errors import UserError

if TYPE_CHECKING:
    from asr.data.manifest import Utterance
    from asr.recognition.recognizer import Recognizer
    from asr.recognition.source import Sound, Source
    from asr.recognition.transcript import Transcript

_TEXT_SUFFIXES = (".txt", ".text", ".lab", ".trn", ".trans", ".transcript")
"""Of files of words: a TEXT that ends so is the name of one, whether there is such a file or not."""


def main() -> NoReturn:
    """`asr-align`."""
    parser = new_parser("asr-align", "Find when the words and characters of a known text are spoken.")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument(
        "source",
        metavar="AUDIO_OR_MANIFEST",
        help="sound of any format, or - for standard input; or a manifest, whose texts are aligned with its sounds",
    )
    parser.add_argument(
        "text",
        nargs="?",
        metavar="TEXT",
        help="what is spoken in AUDIO: the words, a file of them, or - for standard input",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write one file for each utterance into this folder (default: all to stdout)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="OUT.jsonl",
        help="write MANIFEST again, each utterance with its characters and their times as labels: what `task: tag` "
        "learns from",
    )
    add_format(parser, "text", "json", "ctm", "textgrid", "srt", "vtt")
    run_command(_align, parser.parse_intermixed_args())


def _align(arguments: argparse.Namespace) -> int:
    from asr.data import formats
    from asr.recognition.recognizer import Recognizer

    source: str = arguments.source
    is_batch = formats.is_manifest(source)
    if is_batch == (arguments.text is not None):
        raise UserError(
            f"{source} is a manifest, which has its own texts: leave TEXT away"
            if is_batch
            else f"what is spoken in {source}? Give the words, a file of them or - as TEXT"
        )
    if arguments.labels and not is_batch:
        raise UserError("--labels writes a manifest again: give one, not a sound")
    utterances = formats.read(source) if is_batch else []
    text = "" if is_batch else _read_text(arguments.text, source)
    check_output(arguments, len(utterances))
    recognizer = Recognizer.load(arguments.model)
    if is_batch:
        return _align_all(recognizer, utterances, arguments)
    ((sound, transcript),) = _alignments(recognizer, [source], [text])
    if isinstance(transcript, UserError):
        raise transcript if sound is None else UserError(f"{sound.name}: {transcript}")
    key = "stdin" if source == "-" else Path(source).stem
    lines = _aligned(source, key, transcript, arguments.format)
    if lines or arguments.output:
        put(lines, key, arguments)
    return 0


def _align_all(recognizer: "Recognizer", utterances: "Sequence[Utterance]", arguments: argparse.Namespace) -> int:
    from asr.data import manifest

    failed = 0
    labelled: list[Utterance] = []
    shared = shared_files(utterance.id for utterance in utterances) if arguments.output else {}
    made = _alignments(recognizer, utterances, [utterance.text for utterance in utterances])
    for utterance, (_, transcript) in zip(utterances, made, strict=True):
        if arguments.output and (Path(utterance.id).is_absolute() or ".." in Path(utterance.id).parts):
            transcript = UserError("its id leads out of the folder of --output")
        if utterance.id in shared:
            transcript = UserError(f"its file of --output would be that of {shared[utterance.id]}")
        if isinstance(transcript, UserError):
            say(f"error: {utterance.id}: {transcript}")
            failed += 1
            continue
        if arguments.labels:
            labelled.append(_labelled(utterance, transcript))
            continue
        lines = _aligned(utterance.where, utterance.id, transcript, arguments.format)
        if arguments.format == "text" and not arguments.output:
            lines = "\n".join(f"{utterance.id}\t{line}" for line in lines.splitlines())
        try:
            if lines or arguments.output:
                put(lines, utterance.id, arguments)
        except UserError as error:
            say(f"error: {utterance.id[:60]}: {error}")
            failed += 1
    if arguments.labels:
        manifest.write(arguments.labels, labelled)
        say(f"labels: {arguments.labels}")
    if failed:
        say(f"{failed} of {len(utterances)} utterances could not be aligned")
    return 1 if failed else 0


def _labelled(utterance: "Utterance", transcript: "Transcript") -> "Utterance":
    from asr.data.manifest import Label

    characters = (character for word in transcript.words for character in word.characters)
    labels = tuple(Label(character.text, character.start_s, character.end_s) for character in characters)
    return replace(utterance, labels=labels)


def _alignments(
    recognizer: "Recognizer", sources: "Sequence[Source]", texts: Sequence[str]
) -> "Iterator[tuple[Sound | None, Transcript | UserError]]":
    """The alignment of each text with its sound, or why there is none; no sound: it cannot be read."""
    for text, result in zip(texts, recognizer.recognise(sources), strict=True):
        if isinstance(result, UserError):
            yield None, result
            continue
        sound, parts = result
        try:
            yield sound, recognizer.alignment(parts, text, sound.offset_s)
        except UserError as error:
            yield sound, error


def _read_text(text: str, audio: str) -> str:
    """The words that TEXT stands for: itself, or those of the file that it names, or of standard input."""
    from asr.score.transcripts import read_sentences

    path = Path(text)
    is_named = path.suffix.lower() in _TEXT_SUFFIXES or text.startswith(("/", "./", "../"))
    if text == "-" and text == audio:
        raise UserError("standard input can be read once: give one - only")
    if text != "-" and not is_named and not _is_file(path):
        return text
    if text != "-" and not is_named:
        say(f"TEXT is the file {text}")
    form, sentences = read_sentences(text)
    if form == "lines":
        return " ".join(sentence for _, sentence in sentences)
    named = [sentence for key, sentence in sentences if key == f"utterance {Path(audio).stem}"]
    if len(named or sentences) != 1:
        raise UserError(
            f"{text}: holds {len(sentences)} utterances, and which of them is spoken in {audio} is not known; "
            f"give the id {Path(audio).stem} to one of them, or its words as TEXT"
        )
    return (named or [sentence for _, sentence in sentences])[0]


def _is_file(path: Path) -> bool:
    """Whether there is a file or pipe of this name; words that cannot be the name of any are none."""
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False


def _aligned(file: str, key: str, transcript: "Transcript", form: str) -> str:
    from asr.recognition.formats import WRITERS

    if form != "text":
        return WRITERS[form](file, key, transcript)
    return "\n".join(
        f"{word.start_s:.3f}\t{word.end_s:.3f}\t{word.confidence:.4f}\t{word.text}" for word in transcript.words
    )
