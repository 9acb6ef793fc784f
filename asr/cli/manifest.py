"""`asr-manifest`: manifests in the formats that people have, converted into one another."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import new_parser


def main() -> NoReturn:
    """`asr-manifest`."""
    from asr.data.formats import FORMATS

    listed = "; ".join(f"{name}: {one.what}" for name, one in FORMATS.items())
    parser = new_parser("asr-manifest", f"Convert manifests of utterances. Formats: {listed}.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    convert = actions.add_parser("convert", help="read a manifest and write it in another format")
    convert.add_argument("source", type=Path, metavar="IN", help="a manifest: a file, or a folder of a known layout")
    convert.add_argument("output", type=Path, metavar="OUT", help="what is written, a file or a folder")
    convert.add_argument("--from", dest="form", choices=FORMATS, help="of IN (default: guessed)")
    convert.add_argument("--to", choices=FORMATS, help="of OUT (default: told by its name, .jsonl: ours)")
    run_command(_convert, parser.parse_args())


def _convert(arguments: argparse.Namespace) -> int:
    from asr.data import formats
    from asr.errors import UserError

    to = arguments.to or formats.form_of(arguments.output)
    utterances = formats.read(arguments.source, arguments.form)
    if arguments.output.resolve() == arguments.source.resolve():
        raise UserError(f"{arguments.output}: is what is read; name another file or folder to write")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    formats.FORMATS[to].write(arguments.output, utterances)
    say(f"{len(utterances)} utterances, from {arguments.form or formats.guess(arguments.source)} to {to}")
    return 0
