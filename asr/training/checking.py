"""The corpus of a recipe as asr.check takes it: its first step before training, and all of `asr-check RECIPE`."""

import logging
from collections.abc import Sequence
from pathlib import Path

from asr import files
from asr.check import corpus as checks
from asr.check.corpus import Settings
from asr.check.splits import Splits
from asr.data import corpus, manifest
from asr.training import recipe
from asr.training.recipe import Recipe

logger = logging.getLogger("asr.training")


def corpus_of(path: Path, overrides: Sequence[str]) -> tuple[Splits, Settings]:
    """The splits of a recipe, made where they are not there yet, and the settings that they are checked with."""
    settings = recipe.load(path, overrides)
    folder = Path(settings.data.folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder, what="makes or reads this corpus", waits=True):
        corpus.build(corpus.load_script(path.parent / settings.data.prepare), folder, settings.data.settings)
        names = [*corpus.SPLITS, corpus.REAL]
        found = {name: folder / f"{name}.jsonl" for name in names if (folder / f"{name}.jsonl").is_file()}
        splits = {name: manifest.read(path) for name, path in found.items() if path.stat().st_size}
    return splits, settings_of(settings)


def settings_of(settings: Recipe) -> Settings:
    """What of a recipe decides what is wrong with a corpus."""
    return Settings(settings.text, settings.features, settings.augment.tempo, settings.augment.speed)


def warn(splits: Splits, settings: Recipe) -> None:
    """Log what the manifests alone say is wrong, a line each."""
    report = checks.quick({name: part for name, part in splits.items() if part}, settings_of(settings))
    for finding in report.findings:
        logger.warning("check: %s", finding)
