"""`asr-export`: a model file of others, with weights of 8 bits or several networks; a page or a C file of one."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import add_format, new_parser, training_packages
from asr.cli.output import check_model_file, print_models
from asr.errors import UserError


def main() -> NoReturn:
    """`asr-export`."""
    parser = new_parser(
        "asr-export",
        "Write a model file with weights of 8 bits, a quarter of the size; an ensemble; or the whole recogniser as one "
        "HTML file for a browser, or as one C file for a board.",
        usage="asr-export [-h] [--version] [--check MANIFEST] [--format {text,json}] MODEL OUTPUT.onnx\n"
        "       asr-export [...] MODEL MODEL... --ensemble OUTPUT.onnx\n"
        "       asr-export [--bits {8,32}] [--lexicon FILE | --sentences FILE] MODEL PAGE.html|MODEL.h",
    )
    parser.add_argument(
        "models",
        nargs="+",
        type=Path,
        metavar="MODEL",
        help="a run's folder or a .onnx file; then OUTPUT.onnx, PAGE.html or MODEL.h",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=(8, 32),
        help="of the weights (default: 32, but 8 in an .onnx file, and of networks too large for a page below 1 MB)",
    )
    parser.add_argument("--lexicon", type=Path, metavar="FILE", help="of a page or C file: all words, one on a line")
    parser.add_argument("--sentences", type=Path, metavar="FILE", help="of a page or C file: all that is recognised")
    parser.add_argument(
        "--ensemble",
        type=Path,
        metavar="OUTPUT.onnx",
        help="keep all the networks in one file that averages their log-probabilities: as large as all together, "
        "slower than one, more accurate than most of them alone",
    )
    parser.add_argument(
        "--check", type=Path, metavar="MANIFEST", help="also score each model and the output on these utterances"
    )
    add_format(parser, "text", "json")
    run_command(_export, parser.parse_intermixed_args())


def _export(arguments: argparse.Namespace) -> int:
    from asr.data import formats
    from asr.modelfile.locate import model_file

    paths: list[Path] = arguments.models + ([arguments.ensemble] if arguments.ensemble else [])
    *models, output = paths
    if arguments.ensemble and len(models) < 2:
        raise UserError(f"{models[0]}: an ensemble needs several models; name more of them")
    if not arguments.ensemble and len(models) != 1:
        raise UserError(
            "asr-export takes MODEL OUTPUT.onnx, PAGE.html or MODEL.h; several models become one with --ensemble "
            "OUTPUT.onnx"
        )
    sources = [model_file(model) for model in models]
    check_model_file(output, sources)
    if output.suffix in (".html", ".h") and not arguments.ensemble:
        return _export_twin(sources[0], output, arguments)
    if arguments.bits == 32 or arguments.lexicon or arguments.sentences:
        raise UserError(f"{output}: --bits 32, --lexicon and --sentences are for a page (.html) or a C file (.h)")
    utterances = formats.read(arguments.check) if arguments.check else []
    with training_packages("exporting"):
        from asr.modelfile import convert
    if arguments.ensemble:
        convert.ensemble(sources, output)
        return print_models([*sources, output], utterances, arguments)
    difference = convert.quantise(sources[0], output)
    code = print_models([*sources, output], utterances, arguments, largest_difference=difference)
    if arguments.format == "text":
        say(f"in noise, no token's probability differs by more than {difference:.3f}")
    return code


def _export_twin(source: Path, output: Path, arguments: argparse.Namespace) -> int:
    from asr.decode.decoder import DecoderConfig
    from asr.twins import header, page
    from asr.twins.twin import Twin

    decoding = None
    if arguments.lexicon or arguments.sentences:
        decoding = DecoderConfig(lexicon=arguments.lexicon, sentences=arguments.sentences)
    twin = Twin.read(source, arguments.bits, decoding)
    (page if output.suffix == ".html" else header).write(twin, output)
    if twin.ignored:
        say(f"it knows nothing of the model's {' and '.join(twin.ignored)}")
    print(f"{output}: {output.stat().st_size / 1000:.0f} KB, weights of {twin.bits} bits")
    return 0
