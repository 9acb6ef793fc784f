"""`asr-evaluate`: transcribe the utterances of a manifest and score the hypotheses."""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from asr.cli.exits import run_command
from asr.cli.jobs import portions, start_workers
from asr.cli.options import (
    add_decoding,
    add_format,
    add_workers,
    decoding_config,
    new_parser,
    positive,
    training_packages,
)
from asr.cli.output import check_folder, name_unreadable, print_json, print_score
from asr.files import write_text

if TYPE_CHECKING:
    from asr.data.manifest import LeftOut, Utterance
    from asr.recognition.recognizer import Recognizer

Made = TypeVar("Made")


def main() -> NoReturn:
    """`asr-evaluate`."""
    parser = new_parser("asr-evaluate", "Transcribe the utterances of a manifest and score what was heard.")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="JSONL: id, audio, text, duration_s, speaker")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="hypotheses, as trn (default: MANIFEST's name with .hyp.trn, here)"
    )
    parser.add_argument(
        "--batch-size", type=positive, default=16, metavar="N", help="utterances at a time (default 16)"
    )
    parser.add_argument(
        "--tune",
        action="store_true",
        help="choose --lm-weight, --word-bonus and --blank-penalty (those not given) by the word "
        "errors on MANIFEST, calibrate the confidence, and store it all in MODEL for such a decoder",
    )
    parser.add_argument(
        "--rejection",
        type=Path,
        metavar="OTHERS",
        help="a manifest of utterances that say none of the words: also print misses on MANIFEST and "
        "false alarms on OTHERS for thresholds of --min-confidence",
    )
    add_workers(parser)
    add_decoding(parser)
    add_format(parser, "text", "json")
    run_command(_evaluate, parser.parse_intermixed_args())


def _evaluate(arguments: argparse.Namespace) -> int:
    from asr.data import manifest
    from asr.recognition import evaluate as evaluation
    from asr.score import format_trn

    if arguments.tune:
        with training_packages("--tune"):  # which stores what it found in the model file
            from asr.modelfile import convert  # noqa: F401
    utterances = manifest.read(arguments.manifest)
    others = manifest.read(arguments.rejection) if arguments.rejection else []
    output = arguments.output or Path(f"{arguments.manifest.stem}.hyp.trn")
    check_folder(output)
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if sys.stderr.isatty():
            print(f"\r{done} of {len(utterances)}", end="" if done < len(utterances) else "\n", file=sys.stderr)

    start = partial(_Hearer, arguments)
    jobs = 1 if arguments.tune or arguments.rejection else arguments.jobs  # these need the emissions themselves
    with start_workers(start, jobs, utterances, _sound) as workers:
        recognizer = start().recognizer
        tuned = _tune(arguments.model, recognizer, utterances) if arguments.tune else None
        recognizer.min_confidence = arguments.min_confidence
        heard = None
        if workers:
            ordered = sorted(utterances, key=lambda utterance: utterance.duration_s)
            heard = _counted(workers.map(portions(ordered, _sound)), progress)
        result = evaluation.evaluate(
            recognizer, utterances, batch_size=arguments.batch_size, progress=progress, heard=heard
        )
    code = name_unreadable(result.unreadable)
    write_text(output, format_trn(result.hypotheses))
    print(f"hypotheses: {output}", file=sys.stderr)
    rejection = evaluation.rejection(recognizer, utterances, others) if others else None
    if arguments.format == "json":
        oracle = {"oracle": result.oracle.to_dict()} if result.oracle else {}
        rejected = {"rejection": rejection.to_dict()} if rejection else {}
        print_json({**result.score.to_dict(), **oracle, **({"tuned": tuned} if tuned else {}), **rejected})
        return code
    print_score(result.score, arguments.format)
    if result.oracle:
        rate = f"{result.oracle.rate:.2%}"
        print(f"word errors of the best of {arguments.nbest}: {result.oracle.errors}, {rate}")
    if rejection:
        print(f"\n{rejection.to_text()}")
    return code


class _Hearer:
    """Utterances -> (id, what is said in each, or why it cannot be read)."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from asr.recognition.recognizer import Recognizer

        self.batch_size = arguments.batch_size
        self.recognizer = Recognizer.load(arguments.model, decoding=decoding_config(arguments))
        if not arguments.tune:
            self.recognizer.min_confidence = arguments.min_confidence

    def __call__(self, utterances: "Sequence[Utterance]") -> "Iterator[tuple[str, list[str] | LeftOut]]":
        from asr.recognition import evaluate

        return evaluate.hear(self.recognizer, utterances, batch_size=self.batch_size, threads=0)


def _sound(utterance: "Utterance") -> str:
    return utterance.where


def _counted(items: "Iterable[Made]", progress: Callable[[int], None]) -> "Iterator[Made]":
    for item in items:
        yield item
        progress(1)


def _tune(model: Path, recognizer: "Recognizer", utterances: "list[Utterance]") -> dict[str, Any]:
    from dataclasses import asdict, replace

    from asr.modelfile.onnx_file import write_card
    from asr.recognition import tune
    from asr.recognition.recognizer import model_file

    tuned = tune.tune(recognizer, utterances)
    card = recognizer.card
    write_card(model_file(model), replace(card, tuning={**card.tuning, tuned.kind: tuned.tuning}))
    print(f"{tuned}; stored in {model_file(model)}", file=sys.stderr)
    errors = {"calibration_error": tuned.calibrated_error, "calibration_error_before": tuned.raw_error}
    # JSON has no NaN: null where no word was heard.
    return {
        "kind": tuned.kind,
        **asdict(tuned.tuning),
        **{name: None if math.isnan(value) else value for name, value in errors.items()},
    }
