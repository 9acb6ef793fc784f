"""`asr-evaluate`: transcribe the utterances of a manifest and score the hypotheses."""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from asr.cli.exits import run_command, say
from asr.cli.jobs import portions, start_workers
from asr.cli.options import (
    add_decoding,
    add_format,
    add_workers,
    call_options,
    decoding_config,
    new_parser,
    not_negative,
    training_packages,
)
from asr.cli.output import check_folder, name_unreadable, print_json, print_score
from asr.errors import UserError
from asr.files import shown, write_text

if TYPE_CHECKING:
    from asr.data.manifest import Utterance
    from asr.modelfile.card import Tuning
    from asr.recognition.evaluate import Evaluation
    from asr.recognition.recognizer import Options, Part, Recognizer
    from asr.recognition.source import Source
    from asr.recognition.transcript import Transcript
    from asr.recognition.tune import Tuned
    from asr.score import Score
    from asr.score.rejection import Rejection

Made = TypeVar("Made")
_CHOSEN = ("min_confidence", "garbage_penalty")  # by negatives
_TOO_MANY = 0.5  # of what was spoken, missed: the negatives may hold such words


def main() -> NoReturn:
    """`asr-evaluate`."""
    parser = new_parser("asr-evaluate", "Transcribe the utterances of a manifest and score the hypotheses.")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument(
        "manifest",
        type=Path,
        metavar="MANIFEST",
        help="JSONL: id, audio, text, duration_s, speaker; with intent and slots it counts commands, too",
    )
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
        "--negatives",
        type=Path,
        metavar="FOLDER_OR_MANIFEST",
        help="recordings without the words: also print how many words of MANIFEST are missed, and how many are "
        "accepted in an hour of these, for thresholds of --min-confidence; with --tune the calibration uses them",
    )
    parser.add_argument(
        "--target-false-accepts-per-hour",
        type=not_negative,
        metavar="X",
        help="choose the --garbage-penalty (unless given) and the --min-confidence that miss least, of those that "
        "accept at most X words in an hour of --negatives, and store both in MODEL for such a decoder",
    )
    parser.add_argument(
        "--confusion", type=Path, metavar="FILE.png", help="of a classifier: the confusion matrix as a picture"
    )
    parser.add_argument(
        "--noise", type=Path, metavar="FILE", help="mix this recording of noise in: at each ratio of --snr, and not"
    )
    parser.add_argument(
        "--snr",
        type=_ratios,
        default=(6.0, 9.0, 12.0, 15.0, 18.0, 21.0, 24.0),
        metavar="DB,...",
        help="ratios in dB of the loudest 2,048 samples of speech and of noise (default 6,9,12,15,18,21,24)",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="PICTURE",
        help="with --noise: accuracy by ratio; with --negatives: misses over false accepts; .png, .svg, .pdf",
    )
    add_workers(parser)
    add_decoding(parser)
    add_format(parser, "text", "json")
    run_command(_evaluate, parser.parse_intermixed_args())


def _evaluate(arguments: argparse.Namespace) -> int:
    from asr.data import formats
    from asr.decode.decoder import DecoderConfig
    from asr.recognition.evaluate import evaluate
    from asr.recognition.rejection import to_text
    from asr.report import det
    from asr.score import format_trn
    from asr.tasks import OtherTaskError

    target = arguments.target_false_accepts_per_hour
    if target is not None and not arguments.negatives:
        raise UserError("--target-false-accepts-per-hour needs audio to count them in: name it with --negatives")
    if arguments.tune or target is not None:
        with training_packages("storing what is tuned"):  # in the model file
            from asr.modelfile import convert  # noqa: F401
    if arguments.plot and not (arguments.noise or arguments.negatives):
        raise UserError("--plot shows what noise does, or what is rejected: name --noise or --negatives")
    utterances = formats.read(arguments.manifest)
    if arguments.noise:
        return _evaluate_noisy(arguments, utterances)
    output = arguments.output or Path(f"{arguments.manifest.stem}.hyp.trn")
    check_folder(output)
    if arguments.plot:
        det.check(arguments.plot)
    more: dict[str, Any] = {}
    rejection = None
    if arguments.tune or arguments.negatives:
        recognizer, transcripts, rejection = _tuned_and_rejected(arguments, utterances, more)
        result = evaluate(recognizer, utterances, transcripts)
    else:
        try:
            result = _evaluate_fast(arguments, utterances)
        except OtherTaskError:
            if decoding_config(arguments) != DecoderConfig():
                raise
            return _evaluate_labels(arguments, utterances, output)
    code = name_unreadable(result.unreadable)
    write_text(output, format_trn(result.hypotheses))
    say(f"hypotheses: {output}")
    if rejection and arguments.plot:
        det.write(arguments.plot, rejection, more["rejection"]["min_confidence"]["threshold"])
    if arguments.format == "json":
        oracle = {"oracle": result.oracle.to_dict()} if result.oracle else {}
        commands = {"commands": result.commands.to_dict()} if result.commands else {}
        print_json({**result.score.to_dict(), **oracle, **commands, **more})
        return code
    if result.references:
        print_score(result.score, arguments.format)
    if result.commands:
        from asr.score.commands import to_text as commands_text

        print(commands_text(result.commands))
    if result.oracle:
        rate = f"{result.oracle.rate:.2%}"
        print(f"word errors of the best of {arguments.nbest}: {result.oracle.errors}, {rate}")
    if rejection:
        print(f"\n{to_text(rejection, more['rejection']['min_confidence']['threshold'])}")
    return code


def _evaluate_labels(arguments: argparse.Namespace, utterances: "Sequence[Utterance]", output: Path) -> int:
    """Of a model that is no recogniser: labels, their report, and the picture that was asked for."""
    from asr.modelfile.locate import model_file
    from asr.recognition.evaluate import evaluate_file
    from asr.report import confusion, plot
    from asr.score import format_trn
    from asr.score.classes import Classes

    if arguments.confusion:
        plot.check(arguments.confusion)
    result = evaluate_file(model_file(arguments.model), utterances)
    code = name_unreadable(result.unreadable)
    write_text(output, format_trn(result.hypotheses))
    say(f"hypotheses: {output}")
    if arguments.format == "json":
        print_json(result.score.to_dict())
    else:
        print(result.score.to_text(), end="")
    if arguments.confusion and isinstance(result.score, Classes):
        plot.write(arguments.confusion, confusion.figure(result.score))
        say(f"confusion matrix: {arguments.confusion}")
    return code


def _ratios(text: str) -> tuple[float, ...]:
    """Decibels, separated by commas."""
    try:
        ratios = tuple(float(part) for part in text.split(","))
    except ValueError:
        ratios = (math.nan,)
    if not all(-100 <= ratio <= 100 for ratio in ratios):
        raise argparse.ArgumentTypeError(f"must be numbers of decibels as in 6,12,24, not {text}")
    return ratios


def _evaluate_noisy(arguments: argparse.Namespace, utterances: "Sequence[Utterance]") -> int:
    """Without noise, and with it at each ratio."""
    from asr.report import by_noise

    if arguments.tune or arguments.negatives or arguments.output:
        raise UserError("--noise measures at many ratios, and goes without --tune, --negatives and --output")
    if arguments.plot:
        by_noise.check(arguments.plot)
    points = []
    code = 0
    for snr_db in (None, *sorted(arguments.snr)):
        result = _evaluate_fast(arguments, utterances, snr_db)
        code = max(code, name_unreadable(result.unreadable))
        points.append(by_noise.Point(snr_db, result.score, result.commands))
        if arguments.format == "text":
            print(by_noise.line(points[-1]), flush=True)
    if arguments.format == "json":
        print_json([point.to_dict() for point in points])
    if arguments.plot:
        by_noise.write(arguments.plot, points)
    return code


def _evaluate_fast(
    arguments: argparse.Namespace, utterances: "Sequence[Utterance]", snr_db: float | None = None
) -> "Evaluation[Score]":
    """With as many processes as pay, as nothing but the transcripts is needed; with noise at a ratio, if asked for."""
    from asr.recognition.evaluate import evaluate
    from asr.recognition.recognizer import Recognizer

    progress = _Progress(len(utterances))
    start = partial(_Transcriber, arguments, snr_db)
    with start_workers(start, arguments.jobs, utterances, _sound) as workers:
        if workers:
            recognizer = Recognizer.load(arguments.model, decoding=decoding_config(arguments))
            made = workers.map(portions(utterances, _sound))
        else:
            transcriber = start()
            recognizer, made = transcriber.recognizer, transcriber(utterances)
        return evaluate(recognizer, utterances, _counted(made, progress))


def _tuned_and_rejected(
    arguments: argparse.Namespace, utterances: "Sequence[Utterance]", more: dict[str, Any]
) -> "tuple[Recognizer, Iterable[Transcript | UserError], Rejection | None]":
    """The recogniser as it is tuned, its transcripts, and what it rejects; what is reported as JSON goes into `more`.

    The sounds go through the network once.
    """
    from asr.recognition.recognizer import Recognizer
    from asr.recognition.rejection import choose, measure, to_dict
    from asr.recognition.tune import tune

    recognizer = Recognizer.load(arguments.model, decoding=decoding_config(arguments))
    found = [*_found(recognizer, utterances, _Progress(len(utterances)))]
    negatives = _negatives(recognizer, arguments.negatives) if arguments.negatives else []
    if arguments.tune:
        tuned = tune(recognizer, utterances, found, negatives)
        say(str(tuned))
        recognizer = recognizer.with_tuning(tuned.tuning)
        more["tuned"] = _tuned_values(tuned)
    rejection = None
    target = arguments.target_false_accepts_per_hour
    if target is not None:
        recognizer, rejection = choose(recognizer, utterances, found, negatives, target)
        say(_chosen(recognizer.tuning, rejection, target))
    elif arguments.negatives:
        rejection = measure(recognizer, utterances, found, negatives)
    if rejection:
        threshold = arguments.min_confidence
        if threshold is None:
            threshold = recognizer.tuning.min_confidence or 0.0
        more["rejection"] = {**to_dict(rejection, threshold), "garbage_penalty": recognizer.tuning.garbage_penalty}
    if arguments.tune or target is not None:
        _store(arguments.model, recognizer)
    return recognizer, _transcripts(recognizer, found, call_options(arguments, has_words=False)), rejection


class _Transcriber:
    """Utterances -> the transcript of each, or why it cannot be read."""

    def __init__(self, arguments: argparse.Namespace, snr_db: float | None = None) -> None:
        from asr.recognition.recognizer import Recognizer

        self.options = call_options(arguments, has_words=False)
        self.recognizer = Recognizer.load(arguments.model, decoding=decoding_config(arguments))
        self.snr_db = snr_db
        if snr_db is not None:
            from asr.recognition import noisy

            self.noise = noisy.read_noise(arguments.noise, self.recognizer.card.features.sample_rate)

    def __call__(self, utterances: "Sequence[Utterance]") -> "Iterator[Transcript | UserError]":
        return self.recognizer.transcribe_all(map(self._source, utterances), options=self.options)

    def _source(self, utterance: "Utterance") -> "Source":
        if self.snr_db is None:
            return utterance
        from asr.recognition import noisy

        return noisy.noisy(utterance, self.noise, self.snr_db, self.recognizer.card.features.sample_rate)


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
    recognizer: "Recognizer", sources: "Sequence[Source]", progress: Callable[[], None]
) -> "Iterator[list[Part] | UserError]":
    """The segments of each source and their log-probabilities, or why it cannot be read."""
    for result in _counted(recognizer.recognise(sources), progress):
        yield result if isinstance(result, UserError) else result[1]


def _transcripts(
    recognizer: "Recognizer", found: "Iterable[list[Part] | UserError]", options: "Options"
) -> "Iterator[Transcript | UserError]":
    for parts in found:
        yield parts if isinstance(parts, UserError) else recognizer.transcript(parts, options)


def _negatives(recognizer: "Recognizer", path: Path) -> "list[list[Part]]":
    """The log-probabilities of each recording of a folder or a manifest of other audio.

    Without cepstra, which hours of audio have many of, and which times alone need.
    """
    from asr.cli import inputs
    from asr.data import formats

    sources: list[Any]
    if formats.is_manifest(path):
        sources = list(formats.read(path))
    else:
        files, skipped = inputs.find([str(path)])
        sources = [name for name, _ in files]
        for name, why in skipped:
            say(f"error: {shown(name)}: {why}; not counted")
    parts: list[list[Part]] = []
    for result in _found(recognizer, sources, _Progress(len(sources))):
        if isinstance(result, UserError):
            say(f"error: {result}; not counted")
        else:
            parts.append([(replace(segment, cepstra=segment.cepstra[:0]), emission) for segment, emission in result])
    return parts


def _chosen(tuning: "Tuning", rejection: "Rejection", target: float) -> str:
    """What accepts at most `target` an hour, and what it costs."""
    point = rejection.at(tuning.min_confidence or 0.0)
    penalty = "none" if tuning.garbage_penalty is None else f"{tuning.garbage_penalty:g}"
    text = (
        f"at most {target:g} false accepts an hour: garbage penalty {penalty}, min confidence {point.threshold:g}; "
        f"{point.miss_rate:.1%} of {len(rejection.positives)} {rejection.what} are missed"
    )
    return text if point.miss_rate < _TOO_MANY else f"{text}: do the negatives hold such {rejection.what}?"


def _tuned_values(tuned: "Tuned") -> dict[str, Any]:
    errors = {"calibration_error": tuned.calibrated_error, "calibration_error_before": tuned.raw_error}
    return {
        "kind": tuned.kind,
        **{name: value for name, value in asdict(tuned.tuning).items() if name not in _CHOSEN},
        # JSON has no NaN: null where no hypothesis has a word.
        **{name: None if math.isnan(value) else value for name, value in errors.items()},
    }


def _store(model: Path, recognizer: "Recognizer") -> None:
    """Put the recogniser's tuning into the model file, for decoders of its kind."""
    from asr.modelfile.locate import model_file
    from asr.modelfile.onnx_file import write_card

    card, kind = recognizer.card, recognizer.kind
    write_card(model_file(model), replace(card, tuning={**card.tuning, kind: recognizer.tuning}))
    say(f"stored in {model_file(model)}, for the decoder {kind}")
