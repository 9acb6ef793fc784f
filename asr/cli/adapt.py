"""`asr-adapt`: fit a model to a voice, a room and a microphone with a few recordings."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import add_format, new_parser, probability, training_packages, whole
from asr.cli.output import check_model_file, print_json
from asr.errors import UserError

if TYPE_CHECKING:
    from asr.data.manifest import Utterance
    from asr.training.adapt import Adaptation


def main() -> NoReturn:
    """`asr-adapt`."""
    parser = new_parser(
        "asr-adapt", "Fit a model to its user with 3 to 5 recordings of each word, or a minute of sentences."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument(
        "recordings",
        type=Path,
        metavar="FOLDER_OR_MANIFEST",
        help="recordings in folders named for their words, or beside a text each; or a manifest",
    )
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="OUTPUT.onnx", help="the file to write")
    spoken = parser.add_mutually_exclusive_group()
    spoken.add_argument("--lexicon", type=Path, metavar="WORDS.txt", help="words and phrases that may be spoken")
    spoken.add_argument("--sentences", type=Path, metavar="FILE", help="sentences that may be spoken; else the model's")
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="the recordings have no texts: with --lexicon or sentences the model chooses them, those that have the "
        "intent and the slots of a manifest where it gives some, and skips what it is not sure of",
    )
    parser.add_argument(
        "--min-confidence",
        type=probability,
        metavar="P",
        help="with --unlabelled: of each word (default 0.8), or of the words of a sentence in the mean (default 0.5)",
    )
    parser.add_argument(
        "--known",
        type=Path,
        metavar="MANIFEST",
        help="utterances that the model must not lose: nothing is written where it loses more than one point on them",
    )
    parser.add_argument("--seed", type=whole, default=1, metavar="N", help="default 1")
    add_format(parser, "text", "json")
    run_command(_adapt, parser.parse_args())


def _adapt(arguments: argparse.Namespace) -> int:
    from asr.data import formats
    from asr.decode.decoder import DecoderConfig
    from asr.modelfile.locate import model_file

    model = model_file(arguments.model)
    check_model_file(arguments.output, [model])
    utterances = _recordings(arguments)
    known = formats.read(arguments.known) if arguments.known else []
    with training_packages("adapting"):
        from asr.training import adapt
    spoken = arguments.lexicon or arguments.sentences
    decoding = DecoderConfig(lexicon=arguments.lexicon, sentences=arguments.sentences) if spoken else None
    if arguments.unlabelled:
        from asr.recognition.recognizer import Recognizer

        recognizer = Recognizer.load(model, decoding=decoding)
        least = arguments.min_confidence
        if least is None:
            least = 0.5 if recognizer.parser else 0.8
        utterances, unsure = adapt.labelled(recognizer, utterances, least)
        say(f"{len(utterances)} recordings have words that the model finds, {len(unsure)} are skipped")
        if not utterances:
            raise UserError(f"{arguments.recordings}: the model is sure of no recording: give texts, or a lower "
                            "--min-confidence")  # fmt: skip

    def progress(step: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{step} steps", end="", file=sys.stderr, flush=True)

    result = adapt.adapt(
        model,
        utterances,
        arguments.output,
        known=known,
        decoding=decoding,
        config=adapt.AdaptConfig(seed=arguments.seed),
        progress=progress,
    )
    if arguments.format == "json":
        print_json({**result.to_dict(), "output": str(arguments.output) if result.is_safe else None})
    else:
        print(_described(result, arguments.output))
    return 0 if result.is_safe else 1


def _recordings(arguments: argparse.Namespace) -> "list[Utterance]":
    from asr.data import folder, formats

    if formats.is_manifest(arguments.recordings):
        return formats.read(arguments.recordings)
    found = folder.read(arguments.recordings, has_texts=not arguments.unlabelled)
    for item in found.skipped:
        say(f"{item.id}: {item.reason}: skipped")
    utterances = [one for one in found.utterances if one.text or arguments.unlabelled]
    if not utterances:
        raise UserError(f"{arguments.recordings}: no recording in it can be used")
    return utterances


def _described(result: "Adaptation", output: Path) -> str:
    lines = [f"{result.num_recordings} recordings, {result.seconds:.0f} s"]
    if result.before is not None and result.after is not None:
        lines.append(f"held-out takes ({result.held_out}): {result.before:.1%} wrong before, {result.after:.1%} after")
    if result.known_before is not None and result.known_after is not None:
        lines.append(f"what the model knew: {result.known_before:.1%} wrong before, {result.known_after:.1%} after")
    if result.is_safe:
        lines.append(f"model: {output}")
    else:
        lines.append("it loses more than one point of what it knew: nothing is written, use the old model")
    return "\n".join(lines)
