"""`asr-score`: word and character error rates of hypotheses against references."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import add_format, new_parser, positive, share, whole
from asr.cli.output import check_folder
from asr.errors import UserError
from asr.files import write_text

if TYPE_CHECKING:
    from asr.score import Report, Score


def main() -> NoReturn:
    """`asr-score`."""
    parser = new_parser("asr-score", "Word and character error rates of hypotheses against references, paired by id.")
    parser.add_argument("reference", metavar="REF", help="references (- for standard input)")
    parser.add_argument("hypotheses", nargs="+", metavar="HYP", help="hypotheses, one file for each system")
    parser.add_argument(
        "--input-format",
        choices=("trn", "kaldi", "jsonl", "json", "csv", "tsv", "ctm", "stm", "lines"),
        help="trn: words (id); kaldi: id words; jsonl, json, csv, tsv: records with an id and a text; ctm, stm: words "
        "and segments with times; lines: paired by line number (default: by name and content)",
    )
    _add_counting(parser)
    _add_reporting(parser)
    add_format(parser, "text", "json", "markdown", "sys")
    run_command(_score, parser.parse_intermixed_args())


def _add_counting(parser: argparse.ArgumentParser) -> None:
    """What counts as an error, and whose it is."""
    parser.add_argument(
        "--weights",
        choices=("levenshtein", "sclite"),
        default="levenshtein",
        help="fewest edits (default), or the counts of NIST's sclite",
    )
    parser.add_argument(
        "--normalise",
        "--normalize",
        metavar="RULES",
        help="rules for both sides, as in case,punctuation: nfc, whitespace, case, ascii-case, "
        "punctuation, digits, digits=LANGUAGE; or none (default nfc,whitespace, which the others come "
        "on top of; with sclite's weights none)",
    )
    parser.add_argument("--map", type=Path, metavar="FILE", help="lines like `colour -> color`, for both sides")
    parser.add_argument(
        "--characters",
        choices=("codepoints", "graphemes"),
        default="codepoints",
        help="what a character is (default codepoints)",
    )
    parser.add_argument(
        "--spaces",
        choices=("counted", "ignored"),
        help="whether a space between words is a character (default counted; with sclite's weights ignored)",
    )
    parser.add_argument(
        "--speakers",
        metavar="FILE|prefix|none",
        help="speakers: lines of `id speaker`, or the id up to its first hyphen or else underscore "
        "(default: those in REF)",
    )


def _add_reporting(parser: argparse.ArgumentParser) -> None:
    """What is shown beside the error rates, and their intervals."""
    parser.add_argument(
        "--details", action="store_true", help="the worst utterances, confusions, deleted and inserted words"
    )
    parser.add_argument("--alignments", action="store_true", help="reference over hypothesis, worst first")
    parser.add_argument("--top", type=positive, default=10, metavar="N", help="of --details and --alignments (10)")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="of --alignments")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write all of it as one HTML page")
    parser.add_argument(
        "--resamples", type=whole, default=1000, metavar="N", help="of the bootstrap (default 1000; 0: no intervals)"
    )
    parser.add_argument("--confidence", type=share, default=0.95, metavar="X", help="of the intervals (default 0.95)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the bootstrap (default 0)")


def _score(arguments: argparse.Namespace) -> int:
    if arguments.html:
        check_folder(arguments.html)
    if [arguments.reference, *arguments.hypotheses].count("-") > 1:
        raise UserError("standard input can be read once: give one - only")
    report = _report(arguments)
    if arguments.html:
        from asr.score.page import page

        names = ", ".join(report.names)
        write_text(arguments.html, page(report, f"{names} against {Path(arguments.reference).name}"))
        say(f"page: {arguments.html}")
    if arguments.format == "json":
        print(json.dumps(report.to_dict(), ensure_ascii=False))
    elif arguments.format == "sys":
        print(report.to_sys(), end="")
    elif arguments.format == "markdown":
        print(report.to_markdown(has_details=arguments.details, top=arguments.top), end="")
    else:
        print(report.to_text(has_details=arguments.details, top=arguments.top), end="")
    if arguments.alignments and arguments.format in ("text", "markdown"):
        _print_alignments(report, arguments)
    return 0


def _report(arguments: argparse.Namespace) -> "Report":
    """Scores of all systems; what is odd about the files is printed."""
    from asr.score import Counting, Normaliser, Report, read_all, score
    from asr.score.guess import NAMES
    from asr.score.normalise import default_rules, parse_rules, read_mapping
    from asr.score.transcripts import read_speakers

    reference, hypotheses = read_all(arguments.reference, arguments.hypotheses, arguments.input_format)
    if not arguments.input_format:
        forms = dict.fromkeys(one.form for one in (reference, *hypotheses))
        say(f"read as {' and '.join(NAMES[form] for form in forms)}")
    asked = arguments.normalise
    rules = default_rules(arguments.weights) if asked is None else parse_rules(asked)
    settings: dict[str, Any] = {
        "speakers": read_speakers(arguments.speakers, reference),
        "counting": Counting(arguments.weights, arguments.spaces, arguments.characters),
        "normaliser": Normaliser(rules, read_mapping(arguments.map) if arguments.map else {}),
    }
    names = _names(arguments.hypotheses)
    scores = [score(reference.texts, one.texts, **settings) for one in hypotheses]
    notes = [*reference.notes, *(note for one in hypotheses for note in one.notes), *_unpaired(names, scores)]
    for note in notes:
        say(f"note: {note}")
    return Report.of(
        names, scores, level=arguments.confidence, resamples=arguments.resamples, seed=arguments.seed, notes=notes
    )


def _unpaired(names: Sequence[str], scores: "Sequence[Score]") -> Iterator[str]:
    """Which ids are on one side alone."""
    from asr.score.source import some

    for name, result in zip(names, scores, strict=True):
        for kind, ids in (
            ("without a hypothesis, counted as deletions", result.missing),
            ("without a reference, not counted", result.extra),
        ):
            if ids:
                yield f"{f'{name}: ' if len(names) > 1 else ''}{len(ids)} {kind}: {some(ids)}"


def _print_alignments(report: "Report", arguments: argparse.Namespace) -> None:
    import shutil

    is_colored = arguments.color == "always" or (
        arguments.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )
    columns = shutil.get_terminal_size((100, 24)).columns
    text = report.to_alignments(top=arguments.top, width=columns, has_color=is_colored)
    print(f"\n```\n{text}```" if arguments.format == "markdown" else f"\n{text}", end="")


def _names(paths: list[str]) -> list[str]:
    """Short names for the systems that wrote these files, all different."""
    for name in (lambda path: Path(path).name.partition(".")[0], lambda path: Path(path).name, str):
        names = [name(path) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({number})" for number, path in enumerate(paths, start=1)]
