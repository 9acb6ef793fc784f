"""`asr-export`: write a model file with weights of 8 bits."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command
from asr.cli.options import add_format, new_parser, training_packages
from asr.cli.output import check_model_file, print_models


def main() -> NoReturn:
    """`asr-export`."""
    parser = new_parser(
        "asr-export", "Write a model file with weights of 8 bits, a quarter of the size, for small devices."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("output", type=Path, metavar="OUTPUT.onnx", help="the file to write")
    parser.add_argument(
        "--check",
        type=Path,
        metavar="MANIFEST",
        help="also score both on these utterances: what the smaller file costs",
    )
    add_format(parser, "text", "json")
    run_command(_export, parser.parse_intermixed_args())


def _export(arguments: argparse.Namespace) -> int:
    from asr.data import manifest
    from asr.recognition.recognizer import model_file

    source, output = model_file(arguments.model), arguments.output
    check_model_file(output, [source])
    utterances = manifest.read(arguments.check) if arguments.check else []
    with training_packages("exporting"):
        from asr.modelfile import convert
    difference = convert.quantise(source, output)
    code = print_models([source, output], utterances, arguments, largest_difference=difference)
    if arguments.format == "text":
        print(f"no letter's probability in noise differs by more than {difference:.3f}", file=sys.stderr)
    return code
