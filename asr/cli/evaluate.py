"""`asr-evaluate`: transcribe the utterances of a manifest and score the hypotheses."""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from asr.cli.exits import run_command
from asr.cli.jobs import portions, start_workers
from asr.cli.options import (
    add_decoding,
    add_format,
    add_workers,
    call_options,
    decoding_config,
    new_parser,
    training_packages,
)
from asr.cli.output import check_folder, name_unreadable, print_json, print_score
from asr.errors import UserError
from asr.files import write_text

if TYPE_CHECKING:
    from asr.data.manifest import Utterance
    from asr.recognition.recognizer import Options, Part, Recognizer
    from asr.recognition.transcript import Transcript

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
    from asr.recognition.recognizer import Recognizer
    from asr.score import format_trn

    if arguments.tune:
        with training_packages("--tune"):  # which stores what it found in the model file
            from asr.modelfile import convert  # noqa: F401
    utterances = manifest.read(arguments.manifest)
    others = manifest.read(arguments.rejection) if arguments.rejection else []
    output = arguments.output or Path(f"{arguments.manifest.stem}.hyp.trn")
    check_folder(output)
    progress = _Progress(len(utterances))
    options = call_options(arguments, has_words=False)
    start = partial(_Transcriber, arguments)
    jobs = 1 if arguments.tune or others else arguments.jobs  # these need the log-probabilities themselves
    more: dict[str, Any] = {}
    rejection = None
    with start_workers(start, jobs, utterances, _sound) as workers:
        recognizer = Recognizer.load(arguments.model, decoding=decoding_config(arguments))
        if arguments.tune or others:
            found = [*_found(recognizer, utterances, progress)]
            if arguments.tune:
                recognizer, more["tuned"] = _tune(arguments.model, recognizer, utterances, found)
            transcripts = _transcripts(recognizer, found, options)
        elif workers:
            transcripts = _counted(workers.map(portions(utterances, _sound)), progress)
        else:
            transcripts = _counted(recognizer.transcribe_all(utterances, options=options), progress)
        result = evaluation.evaluate(recognizer, utterances, transcripts)
    if others:
        every = replace(options, min_confidence=0.0, has_words=True)
        references = [result.references[utterance.id] for utterance in utterances]
        negatives = [*_found(recognizer, others, lambda: None)]
        rejection = evaluation.rejection(
            references, [*_transcripts(recognizer, found, every)], [*_transcripts(recognizer, negatives, every)]
        )
        more["rejection"] = rejection.to_dict()
    code = name_unreadable(result.unreadable)
    write_text(output, format_trn(result.hypotheses))
    print(f"hypotheses: {output}", file=sys.stderr)
    if arguments.format == "json":
        oracle = {"oracle": result.oracle.to_dict()} if result.oracle else {}
        print_json({**result.score.to_dict(), **oracle, **more})
        return code
    print_score(result.score, arguments.format)
    if result.oracle:
        rate = f"{result.oracle.rate:.2%}"
        print(f"word errors of the best of {arguments.nbest}: {result.oracle.errors}, {rate}")
    if rejection:
        print(f"\n{rejection.to_text()}")
    return code


class _Transcriber:
    """Utterances -> the transcript of each, or why it cannot be read."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from asr.recognition.recognizer import Recognizer

        self.options = call_options(arguments, has_words=False)
        self.recognizer = Recognizer.load(arguments.model, decoding=decoding_config(arguments))

    def __call__(self, utterances: "Sequence[Utterance]") -> "Iterator[Transcript | UserError]":
        return self.recognizer.transcribe_all(utterances, options=self.options)


class _Progress:
    """How many of `total` utterances are done, on a terminal."""

    def __init__(self, total: int) -> None:
        self.total, self.num_done = total, 0

    def __call__(self) -> None:
        self.num_done += 1
        if sys.stderr.isatty():
            end = "" if self.num_done < self.total else "\n"
            print(f"\r{self.num_done} of {self.total}", end=end, file=sys.stderr)


def _sound(utterance: "Utterance") -> str:
    return utterance.where


def _counted(items: "Iterable[Made]", progress: Callable[[], None]) -> "Iterator[Made]":
    for item in items:
        yield item
        progress()


def _found(
    recognizer: "Recognizer", utterances: "Sequence[Utterance]", progress: Callable[[], None]
) -> "Iterator[list[Part] | UserError]":
    """The segments of each utterance and their log-probabilities, or why it cannot be read."""
    for result in _counted(recognizer.recognise(utterances), progress):
        yield result if isinstance(result, UserError) else result[1]


def _transcripts(
    recognizer: "Recognizer", found: "Iterable[list[Part] | UserError]", options: "Options"
) -> "Iterator[Transcript | UserError]":
    for parts in found:
        yield parts if isinstance(parts, UserError) else recognizer.transcript(parts, options)


def _tune(
    model: Path, recognizer: "Recognizer", utterances: "Sequence[Utterance]", found: "Sequence[list[Part] | UserError]"
) -> "tuple[Recognizer, dict[str, Any]]":
    """The tuned recogniser, whose tuning is stored in the model file, and what is reported of it."""
    from asr.modelfile.locate import model_file
    from asr.modelfile.onnx_file import write_card
    from asr.recognition import tune

    tuned = tune.tune(recognizer, utterances, found)
    card = recognizer.card
    write_card(model_file(model), replace(card, tuning={**card.tuning, tuned.kind: tuned.tuning}))
    print(f"{tuned}; stored in {model_file(model)}", file=sys.stderr)
    errors = {"calibration_error": tuned.calibrated_error, "calibration_error_before": tuned.raw_error}
    return recognizer.with_tuning(tuned.tuning), {
        "kind": tuned.kind,
        **asdict(tuned.tuning),
        # JSON has no NaN: null where no hypothesis has a word.
        **{name: None if math.isnan(value) else value for name, value in errors.items()},
    }
