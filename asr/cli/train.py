"""`asr-train`: train a recogniser from a recipe, and test it."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import add_format, add_jobs, new_parser, positive, training_packages
from asr.cli.output import print_json
from asr.errors import UserError


def main() -> NoReturn:
    """`asr-train`."""
    parser = new_parser("asr-train", "Train a recogniser from a recipe, and test it.")
    parser.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE.yaml", help="what to train on, and how")
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="settings that replace the recipe's, as in train.epochs=5"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue the run in this folder, settings unchanged"
    )
    parser.add_argument(
        "--overfit",
        type=positive,
        metavar="N",
        help="only learn N utterances by heart, and say why where that fails: exit code 1; no run is kept",
    )
    parser.add_argument("--no-report", action="store_true", help="write no report.html at the end of the run")
    add_jobs(parser, "reading the corpus")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of recipes, for editors")
    add_format(parser, "text", "json")
    arguments = parser.parse_intermixed_args()
    if sum((arguments.recipe is not None, arguments.resume is not None, arguments.schema)) != 1:
        parser.error("give one of RECIPE.yaml, --resume RUN and --schema")
    run_command(_train, arguments)


def _train(arguments: argparse.Namespace) -> int:
    with training_packages("training"):
        from asr.training import recipe, run
    if arguments.schema:
        sys.stdout.write(recipe.schema())
        return 0
    if arguments.overfit:
        if arguments.recipe is None:
            raise UserError("--overfit needs a recipe")
        return _overfit(arguments)
    jobs = arguments.jobs
    result = (
        run.resume(arguments.resume, jobs=jobs)
        if arguments.resume
        else run.start(arguments.recipe, arguments.settings, jobs=jobs)
    )
    if result is None:  # the first of the processes that have trained together says what came of it
        return 0
    if not arguments.no_report:
        _report(result.run)
    minutes = result.seconds / 60
    command = shlex.join([result.command, "--model", str(result.run), result.example or "FILE"])
    if arguments.format == "json":
        print_json({**result.to_dict(), "command": command})
        return 0
    print(f"{result.split}: {result.score.summary}")
    if result.real:
        print(f"real speech: {result.real.summary}")
    if result.commands:
        from asr.score.commands import to_text

        for split, scored in result.commands.items():
            print(f"\ncommands, {split}:\n{to_text(scored)}")
        for kind, accepted in result.accepted.items():
            print(f"{kind}: {accepted}")
    print(f"{result.num_weights} weights in {minutes:.1f} minutes; the run is in {result.run}\n{command}")
    return 0


def _report(run: Path) -> None:
    """The page of a run that has just ended; that there is none does not undo the run."""
    from asr.report import page
    from asr.report.runs import Run

    try:
        page.write(run / page.REPORT_FILE, [Run.read(run)])
        say(f"the report is in {run / page.REPORT_FILE}")
    except (UserError, OSError) as error:
        say(f"no report: {error}")


def _overfit(arguments: argparse.Namespace) -> int:
    from asr.training.overfit import overfit

    found = overfit(arguments.recipe, arguments.settings, arguments.overfit)
    if arguments.format == "json":
        print_json(vars(found))
    else:
        print(f"{found.num_utterances} utterances, {found.epochs} epochs: CER {found.error_rate:.1%}")
        if found.advice:
            print(found.advice)
    return 1 if found.error_rate else 0
