"""`asr-check`: what is wrong with a corpus, before minutes go into training."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import add_format, add_jobs, new_parser, training_packages
from asr.cli.output import print_json
from asr.errors import UserError

if TYPE_CHECKING:
    from asr.check.corpus import Settings
    from asr.check.splits import Splits


def main() -> NoReturn:
    """`asr-check`."""
    parser = new_parser(
        "asr-check", "Say what is wrong with a corpus. The exit code is 1 where something has to be mended."
    )
    parser.add_argument(
        "corpus", type=Path, metavar="RECIPE_OR_MANIFEST_OR_FOLDER", help="recipe, manifest or recordings"
    )
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings of a recipe, as of asr-train")
    parser.add_argument("--quick", action="store_true", help="read the manifests alone, and no sound")
    parser.add_argument(
        "--alphabet",
        metavar="LETTERS",
        help="that a manifest or a folder is to be spelled with (default: a-z and space)",
    )
    add_jobs(parser, "reading sound")
    add_format(parser, "text", "json")
    run_command(_check, parser.parse_intermixed_args())


def _check(arguments: argparse.Namespace) -> int:
    from asr.check import corpus

    parts, settings = _of_recipe(arguments) if _is_recipe(arguments.corpus) else _of_sounds(arguments)
    total = sum(map(len, parts.values()))

    def progress(items: Iterable[Any]) -> Iterator[Any]:
        for number, item in enumerate(items, 1):
            if sys.stderr.isatty() and (number % 50 == 0 or number == total):
                end = "\r" if number < total else "\r\033[K"
                print(f"\r{number} of {total} sounds read", end=end, file=sys.stderr, flush=True)
            yield item

    if arguments.quick:
        report = corpus.quick(parts, settings)
    else:
        report = corpus.full(parts, settings, jobs=arguments.jobs, progress=progress)
    if arguments.format == "json":
        print_json(report.to_dict())
    else:
        print("\n".join(corpus.lines(report)))
    return 0 if report.is_good else 1


def _is_recipe(path: Path) -> bool:
    return path.suffix in (".yaml", ".yml")


def _of_recipe(arguments: argparse.Namespace) -> "tuple[Splits, Settings]":
    with training_packages("checking a recipe"):
        from asr.training.checking import corpus_of
    return corpus_of(arguments.corpus, arguments.settings)


def _of_sounds(arguments: argparse.Namespace) -> "tuple[Splits, Settings]":
    """The manifest, or the recordings below a folder, as one split, at the sample rate that most of them have."""
    from asr import audio
    from asr.check.corpus import Settings
    from asr.data import folder, formats
    from asr.features import FeatureConfig
    from asr.text import TextConfig

    if arguments.settings:
        raise UserError(f"{arguments.settings[0]}: only a recipe has settings")
    if arguments.corpus.is_dir() and not formats.is_manifest(arguments.corpus):
        found = folder.read(arguments.corpus)
        utterances = found.utterances
        for item in found.skipped:
            say(f"error: {item.id}: {item.reason}")
    else:
        utterances = formats.read(arguments.corpus)
    rates: Counter[int] = Counter()
    for utterance in utterances[:: max(1, len(utterances) // 50)]:
        try:
            rates[audio.info(str(utterance.audio)).sample_rate] += 1
        except audio.AudioError:  # said with the others
            continue
    rate = rates.most_common(1)[0][0] if rates else 16000
    text = TextConfig(alphabet=arguments.alphabet or "abcdefghijklmnopqrstuvwxyz ")
    return {"all": utterances}, Settings(text, FeatureConfig(sample_rate=rate))
