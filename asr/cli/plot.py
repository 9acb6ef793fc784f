"""`asr-plot`: draw how a recording is recognised."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command
from asr.cli.options import add_decoding, add_model, call_options, choose_model, decoding_config, new_parser


def main() -> NoReturn:
    """`asr-plot`."""
    parser = new_parser("asr-plot", "Draw how a recording is recognised: waveform, MFCCs, letters and words.")
    parser.add_argument("file", metavar="FILE", help="sound of any format, of up to 30 s, or - for standard input")
    parser.add_argument("picture", type=Path, metavar="PICTURE.png", help="what is written; .svg and .pdf too")
    add_model(parser)
    add_decoding(parser)
    run_command(_plot, parser.parse_args())


def _plot(arguments: argparse.Namespace) -> int:
    from asr.recognition import source
    from asr.recognition.recognizer import Recognizer
    from asr.report import plot

    plot.check(arguments.picture)
    model = choose_model(arguments)
    recognizer = Recognizer.load(model, decoding=decoding_config(arguments))
    sound = source.open(arguments.file, recognizer.card.features)
    picture, transcript = plot.draw(recognizer, sound, call_options(arguments))
    plot.write(arguments.picture, picture)
    print(transcript.text)
    return 0
