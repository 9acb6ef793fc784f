"""A training by several processes: torchrun --nproc-per-node N -m asr.training RECIPE.yaml run_dir=FOLDER key=value ...

Each process that torchrun starts runs this. The run's folder is named, so that processes which are started again after
one has died go on there from the last state.
"""

import logging
import sys
from pathlib import Path

from asr import machine, signals
from asr.errors import UserError
from asr.training import recipe, run
from asr.training.distributed import leave


def main(arguments: list[str]) -> int:
    """Train, and say what came of it; returns the exit code, as `asr-train` has it."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("asr").setLevel(logging.INFO)
    machine.keep_memory()
    signals.raise_them()
    if not arguments or "=" in arguments[0]:
        print("error: name a recipe: -m asr.training RECIPE.yaml run_dir=FOLDER", file=sys.stderr)
        return 2
    path, overrides = Path(arguments[0]), arguments[1:]
    try:
        run_dir = recipe.load(path, overrides).run_dir
        if run_dir is None:
            raise UserError(f"{path}: several processes need one run_dir: add run_dir=FOLDER")
        folder = Path(run_dir).expanduser()
        result = run.resume(folder) if (folder / run.RECIPE_FILE).exists() else run.start(path, overrides)
    except KeyboardInterrupt as error:
        return 128 + (error.number if isinstance(error, signals.Ended) else 2)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        leave()
    if result:
        print(f"{result.split}: {result.score.summary}; {result.run}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
