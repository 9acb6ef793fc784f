"""`asr-report`: what runs came to, as one HTML page."""

import argparse
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import new_parser


def main() -> NoReturn:
    """`asr-report`."""
    parser = new_parser(
        "asr-report",
        "Write one HTML page of a run, or of several side by side: curves, error rates with intervals, where they "
        "fail, the worst utterances to listen to, data, recipe and command.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folders of finished runs")
    parser.add_argument(
        "--output", "-o", type=Path, metavar="PAGE.html", help="what is written (default: RUN/report.html of one run)"
    )
    parser.add_argument(
        "--negatives",
        type=Path,
        metavar="FOLDER_OR_MANIFEST",
        help="sound in which nothing is to be recognised, for misses over false accepts (default: the corpus's own)",
    )
    run_command(_report, parser.parse_args())


def _report(arguments: argparse.Namespace) -> int:
    from asr.cli.output import check_folder
    from asr.errors import UserError
    from asr.report import page
    from asr.report.runs import Run

    if arguments.output is None and len(arguments.runs) > 1:
        raise UserError("several runs make one page: name it with --output PAGE.html")
    output = arguments.output or arguments.runs[0] / page.REPORT_FILE
    check_folder(output)
    negatives = page.read_negatives(arguments.negatives) if arguments.negatives else []
    page.write(output, [Run.read(folder) for folder in arguments.runs], negatives)
    say(f"the report is in {output}")
    return 0
