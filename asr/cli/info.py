"""`asr-info`: what is inside a model file."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command
from asr.cli.options import add_format, new_parser


def main() -> NoReturn:
    """`asr-info`."""
    parser = new_parser(
        "asr-info", "Print what is inside a model file: size, alphabet, front end, recipe, training data."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    add_format(parser, "text", "json", "markdown")
    run_command(_info, parser.parse_args())


def _info(arguments: argparse.Namespace) -> int:
    from asr.cli.output import print_json
    from asr.modelfile import describe
    from asr.modelfile.locate import model_file

    description = describe.describe(model_file(arguments.model))
    if arguments.format == "json":
        print_json(description)
    else:
        print((describe.to_markdown if arguments.format == "markdown" else describe.to_text)(description))
    return 0
