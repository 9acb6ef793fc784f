"""`asr-average`: write the mean of several models."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command
from asr.cli.options import add_format, new_parser, training_packages
from asr.cli.output import check_model_file, print_models
from asr.errors import UserError


def main() -> NoReturn:
    """`asr-average`."""
    parser = new_parser(
        "asr-average",
        "Write the mean of several models: of their weights, where they went on from the "
        "same one, as small as one of them; or of what they hear.",
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="OUTPUT.onnx", help="the file to write")
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="keep all of them in one file, which hears the mean of what they hear: as large as all "
        "together, slower than one, better than most of them alone, wherever they began",
    )
    parser.add_argument(
        "--check", type=Path, metavar="MANIFEST", help="also score each and their mean on these utterances"
    )
    add_format(parser, "text", "json")
    run_command(_average, parser.parse_intermixed_args())


def _average(arguments: argparse.Namespace) -> int:
    from asr.data import manifest
    from asr.recognition.recognizer import model_file

    sources = [model_file(model) for model in arguments.models]
    if len(sources) < 2:
        raise UserError(f"{sources[0]}: the mean of one model is that model; name more of them")
    check_model_file(arguments.output, sources)
    utterances = manifest.read(arguments.check) if arguments.check else []
    with training_packages("averaging"):
        from asr.modelfile import convert
    (convert.ensemble if arguments.ensemble else convert.average)(sources, arguments.output)
    return print_models([*sources, arguments.output], utterances, arguments)
