"""`asr-explain`: why a sound was recognised, refused, or taken for something else."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command
from asr.cli.options import add_decoding, add_format, add_model, call_options, choose_model, decoding_config, new_parser
from asr.cli.output import print_json

_NUM_ALTERNATIVES = 5


def main() -> NoReturn:
    """`asr-explain`."""
    parser = new_parser("asr-explain", "Say why a sound was recognised, refused, or taken for something else.")
    parser.add_argument("file", metavar="FILE", help="sound of any format")
    parser.add_argument(
        "--expected", metavar="WORDS", help="what was spoken: where it loses against what is recognised"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="draw it, with the alignment of the expected words; .svg, .pdf"
    )
    add_model(parser)
    add_decoding(parser)
    add_format(parser, "text", "json")
    run_command(_explain, parser.parse_args())


def _explain(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from asr.recognition import explain, source
    from asr.recognition.recognizer import Recognizer

    if arguments.picture:
        from asr.report import plot

        plot.check(arguments.picture)
    config = decoding_config(arguments)
    if config.decoder is None:  # alternatives are the beam decoder's
        config = replace(config, decoder="beam")
    recognizer = Recognizer.load(choose_model(arguments), decoding=config)
    options = replace(call_options(arguments), nbest=_NUM_ALTERNATIVES)
    features = recognizer.card.features
    sound = source.open(arguments.file, features).held(features.sample_rate)  # drawn, too
    found = explain.explain(recognizer, sound, arguments.expected, options)
    if arguments.picture:
        whole = recognizer.network.join(found.parts)
        plot.write(arguments.picture, plot.figure(recognizer.card, sound, whole, found.transcript, found.aligned))
    if arguments.format == "json":
        print_json(found.to_dict())
    else:
        print("\n".join(found.lines()))
    return 0
