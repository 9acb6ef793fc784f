"""`asr-sweep`: a grid of trainings with several seeds, and their table."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import add_format, add_jobs, new_parser, training_packages
from asr.cli.output import print_json
from asr.errors import UserError


def main() -> NoReturn:
    """`asr-sweep`."""
    parser = new_parser(
        "asr-sweep",
        "Train a recipe with every combination of settings and every seed, and compare them; called again, it goes on.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what to train on, and how")
    parser.add_argument(
        "settings",
        nargs="+",
        metavar="key=a,b,c",
        help="settings with several values span the grid; those with one are for all runs",
    )
    parser.add_argument("--seeds", default="1", metavar="1,2,3", help="of each combination (default 1)")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="of the runs and the table (default: runs/sweep-RECIPE)"
    )
    parser.add_argument("--lexicon", type=Path, metavar="WORDS.txt", help="decode once more with these words alone")
    add_jobs(parser, "trainings side by side, one each")
    add_format(parser, "text", "json")
    run_command(_sweep, parser.parse_intermixed_args())


def _sweep(arguments: argparse.Namespace) -> int:
    with training_packages("training"):
        from asr.training import sweep
    from asr import files
    from asr.report import bars, plot

    grid: dict[str, list[str]] = {}
    fixed = []
    for setting in arguments.settings:
        key, equals, values = setting.partition("=")
        if not equals:
            raise UserError(f"{setting!r}: settings are written key=value or key=a,b,c, as in model.cell=lstm,gru")
        if "," in values and values[0] not in "[{":
            grid[key] = values.split(",")
        else:
            fixed.append(setting)
    if not all(seed.isdecimal() for seed in arguments.seeds.split(",")):
        raise UserError(f"--seeds takes whole numbers with commas between, not {arguments.seeds!r}")
    seeds = tuple(int(seed) for seed in arguments.seeds.split(","))
    lexicon = str(arguments.lexicon) if arguments.lexicon else None
    plan = sweep.Plan(str(arguments.recipe), tuple(fixed), grid, seeds, lexicon)
    folder = arguments.output or Path("runs") / f"sweep-{arguments.recipe.stem}"
    rows = sweep.carry_out(plan, folder, arguments.jobs)
    table = sweep.to_markdown(plan, rows)
    files.write_text(folder / "table.md", table)
    described = [asdict(row) for row in rows]
    files.write_text(folder / "table.json", json.dumps(described, indent=1) + "\n")
    try:
        plot.check(folder / "table.png")
    except plot.PlotError as error:
        say(f"no picture: {error}")
    else:
        what = next(iter(rows[0].rates))
        names = [" ".join(setting.rpartition(".")[2] for setting in row.settings) or "all" for row in rows]
        plot.write(folder / "table.png", bars.figure(names, [row.rates[what] for row in rows], what.upper()))
    if arguments.format == "json":
        print_json(described)
    else:
        print(table, end="")
    say(f"the runs and the table are in {folder}")
    return 0
