"""The doors: parse, call, print. Heavy imports stand inside the function that needs them.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 done, but some files could not be used (each
is named on stderr); 2 a mistake in what was asked, in one sentence; 130 interrupted.
"""

import argparse
import io
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from asr import extras, machine
from asr.files import write_text

# Every matrix here is small: numpy's own threads would cost more than they give. Read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

Item = TypeVar("Item")
Made = TypeVar("Made")
_BYTES_PER_JOB = 8 << 20  # of sound files: what a core does while another process starts
_PART, _PART_BYTES = 32, 4 << 20  # files, and bytes of them, that a process gets at a time

if TYPE_CHECKING:
    from asr.bulk import Make, Workers
    from asr.data.manifest import LeftOut, Utterance
    from asr.decode.decoder import DecoderConfig
    from asr.score import Score
    from asr.transcribe import Recognizer, Transcript


def train() -> NoReturn:
    """`asr-train`."""
    parser = _parser("asr-train", "Train a recogniser from a recipe, and test it.")
    parser.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE.yaml", help="what to train on, and how")
    parser.add_argument("settings", nargs="*", metavar="key=value",
                        help="settings that replace the recipe's, as in train.epochs=5")  # fmt: skip
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue the run in this folder, settings unchanged"
    )
    _add_jobs(parser, "reading the corpus")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of recipes, for editors")
    _add_format(parser, "text", "json")
    arguments = parser.parse_intermixed_args()
    if sum((arguments.recipe is not None, arguments.resume is not None, arguments.schema)) != 1:
        parser.error("give one of RECIPE.yaml, --resume RUN and --schema")
    _exit(_train, arguments)


def transcribe() -> NoReturn:
    """`asr-transcribe`."""
    parser = _parser("asr-transcribe", "Write down what is said in sound files.")
    parser.add_argument(
        "files", nargs="+", metavar="FILE_OR_FOLDER", help="sound of any format, or - for standard input"
    )
    parser.add_argument("--model", type=Path, metavar="RUN_OR_ONNX",
                        help="a run's folder or a .onnx file (default: the newest run below this folder, else the "
                        "model that comes with the package)")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FOLDER",
                        help="write one file for each sound into this folder, named for it; where several have one "
                        "name, with as much more of the path as tells them apart (default: all to stdout)"
                        )  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="PICTURE.png",
                        help="draw waveform, MFCCs, letters and words of one file; .svg and .pdf too")  # fmt: skip
    _add_workers(parser)
    _add_decoding(parser)
    _add_format(parser, "text", "json", "trn", "ctm", "srt", "vtt", "textgrid")
    _exit(_transcribe, parser.parse_intermixed_args())


def align() -> NoReturn:
    """`asr-align`."""
    parser = _parser("asr-align", "Find when the words and characters of a known text are said.")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("source", metavar="AUDIO_OR_MANIFEST",
                        help="sound of any format, or - for standard input; or a manifest (.jsonl), whose texts are "
                        "aligned with its sounds")  # fmt: skip
    parser.add_argument("text", nargs="?", metavar="TEXT",
                        help="what is said in AUDIO: the words, a .txt file, or - for standard input")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FOLDER",
                        help="write one file for each utterance into this folder (default: all to stdout)")  # fmt: skip
    _add_format(parser, "text", "json", "ctm", "textgrid", "srt", "vtt")
    _exit(_align, parser.parse_intermixed_args())


def evaluate() -> NoReturn:
    """`asr-evaluate`."""
    parser = _parser("asr-evaluate", "Transcribe the utterances of a manifest and score what was heard.")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="JSONL: id, audio, text, duration_s, speaker")
    parser.add_argument("--output", type=Path, metavar="FILE",
                        help="hypotheses, as trn (default: MANIFEST's name with .hyp.trn, here)")  # fmt: skip
    parser.add_argument(
        "--batch-size", type=_positive, default=16, metavar="N", help="utterances at a time (default 16)"
    )
    parser.add_argument("--tune", action="store_true",
                        help="choose --lm-weight, --word-bonus and --blank-penalty (those not given) by the word "
                        "errors on MANIFEST, calibrate the confidence, and store it all in MODEL for such a decoder"
                        )  # fmt: skip
    parser.add_argument("--rejection", type=Path, metavar="OTHERS",
                        help="a manifest of utterances that say none of the words: also print misses on MANIFEST and "
                        "false alarms on OTHERS for thresholds of --min-confidence")  # fmt: skip
    _add_workers(parser)
    _add_decoding(parser)
    _add_format(parser, "text", "json")
    _exit(_evaluate, parser.parse_intermixed_args())


def export() -> NoReturn:
    """`asr-export`."""
    parser = _parser("asr-export", "Write a model file with weights of 8 bits, a quarter of the size, for small "
                     "devices.")  # fmt: skip
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("output", type=Path, metavar="OUTPUT.onnx", help="the file to write")
    parser.add_argument("--check", type=Path, metavar="MANIFEST",
                        help="also score both on these utterances: what the smaller file costs")  # fmt: skip
    _add_format(parser, "text", "json")
    _exit(_export, parser.parse_intermixed_args())


def average() -> NoReturn:
    """`asr-average`."""
    parser = _parser("asr-average", "Write the mean of several models: of their weights, where they went on from the "
                     "same one, as small as one of them; or of what they hear.")  # fmt: skip
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="a run's folder or a .onnx file")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="OUTPUT.onnx", help="the file to write")
    parser.add_argument("--ensemble", action="store_true",
                        help="keep all of them in one file, which hears the mean of what they hear: as large as all "
                        "together, slower than one, better than most of them alone, wherever they began")  # fmt: skip
    parser.add_argument("--check", type=Path, metavar="MANIFEST",
                        help="also score each and their mean on these utterances")  # fmt: skip
    _add_format(parser, "text", "json")
    _exit(_average, parser.parse_intermixed_args())


def lm() -> NoReturn:
    """`asr-lm`."""
    parser = _parser("asr-lm", "Estimate an n-gram language model from transcripts, by interpolated modified "
                     "Kneser-Ney smoothing.")  # fmt: skip
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT",
                        help="a sentence on each line, or a manifest (.jsonl)")  # fmt: skip
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="LM.arpa", help=".gz: compressed")
    parser.add_argument("--order", type=_positive, default=3, metavar="N", help="longest n-gram (default 3)")
    parser.add_argument("--unit", choices=("word", "character"), default="word", help="what is counted (default word)")
    parser.add_argument("--lexicon", type=Path, metavar="WORDS.txt", help="words that must be in it, seen or not")
    parser.add_argument("--model", type=Path, metavar="RUN_OR_ONNX",
                        help="normalise as this model does (default: lower case, punctuation is a space)")  # fmt: skip
    _exit(_lm, parser.parse_intermixed_args())


def score() -> NoReturn:
    """`asr-score`."""
    parser = _parser("asr-score", "Word and character error rates of hypotheses against references, paired by id.")
    parser.add_argument("reference", metavar="REF", help="what was said (- for standard input)")
    parser.add_argument("hypotheses", nargs="+", metavar="HYP", help="what was heard, one file for each system")
    parser.add_argument("--input-format", choices=("trn", "kaldi", "jsonl", "csv", "tsv", "ctm", "stm", "lines"),
                        help="trn: words (id); kaldi: id words; jsonl, csv, tsv: id and text; ctm, stm: words and "
                        "segments with times; lines: paired by line number (default: by name and content)")  # fmt: skip
    parser.add_argument("--weights", choices=("levenshtein", "sclite"), default="levenshtein",
                        help="fewest edits (default), or the counts of NIST's sclite")  # fmt: skip
    parser.add_argument("--normalise", "--normalize", metavar="RULES",
                        help="rules for both sides, as in case,punctuation: nfc, whitespace, case, ascii-case, "
                        "punctuation, digits, digits=LANGUAGE; or none (default nfc,whitespace, which the others come "
                        "on top of; with sclite's weights none)")  # fmt: skip
    parser.add_argument("--map", type=Path, metavar="FILE", help="lines like `colour -> color`, for both sides")
    parser.add_argument("--characters", choices=("codepoints", "graphemes"), default="codepoints",
                        help="what a character is (default codepoints)")  # fmt: skip
    parser.add_argument("--blanks", choices=("counted", "ignored"),
                        help="whether a blank between words is a character (default counted; with sclite's weights "
                        "ignored)")  # fmt: skip
    parser.add_argument("--speakers", metavar="FILE|prefix|none",
                        help="who speaks: lines of `id speaker`, or the id up to its first hyphen or else underscore "
                        "(default: what REF says)")  # fmt: skip
    parser.add_argument("--details", action="store_true",
                        help="the worst utterances, confusions, words missed and made up")  # fmt: skip
    parser.add_argument("--alignments", action="store_true", help="what was said over what was heard, worst first")
    parser.add_argument("--top", type=_positive, default=10, metavar="N", help="of --details and --alignments (10)")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="of --alignments")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write all of it as one HTML page")
    parser.add_argument("--resamples", type=_whole, default=1000, metavar="N",
                        help="of the bootstrap (default 1000; 0: no intervals)")  # fmt: skip
    parser.add_argument("--confidence", type=_share, default=0.95, metavar="X", help="of the intervals (default 0.95)")
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="of the bootstrap (default 0)")
    _add_format(parser, "text", "json", "markdown", "sys")
    _exit(_score, parser.parse_intermixed_args())


def _train(arguments: argparse.Namespace) -> int:
    with _training("training"):
        from asr import recipe, run
    if arguments.schema:
        sys.stdout.write(recipe.schema())
        return 0
    jobs = arguments.jobs
    result = (
        run.resume(arguments.resume, jobs=jobs)
        if arguments.resume
        else run.start(arguments.recipe, arguments.settings, jobs=jobs)
    )
    minutes = result.seconds / 60
    command = shlex.join(["asr-transcribe", "--model", str(result.run), result.example or "FILE"])
    if arguments.format == "json":
        _print_json({**result.to_dict(), "transcribe": command})
        return 0
    print(f"{result.part}: {_describe(result.score)}")
    print(f"{result.num_weights} weights in {minutes:.1f} minutes; the run is in {result.run}\n{command}")
    return 0


def _transcribe(arguments: argparse.Namespace) -> int:
    from asr import audio
    from asr.transcribe import FEATURE_SUFFIXES, SHIPPED, newest_model

    model = arguments.model or newest_model(Path.cwd())
    if arguments.model is None:
        where = model or f"the one that comes with the package ({SHIPPED.name})"
        print(f"model: {where}", file=sys.stderr)
    files = audio.find(arguments.files, audio.SUFFIXES.union(FEATURE_SUFFIXES))
    start = partial(_Transcriber, arguments, model or SHIPPED)
    with _workers(start, arguments.jobs, files, itemgetter(0)) as workers:
        transcriber = start()
        is_deaf = transcriber.recognizer.card.features.source == "precomputed"
        files = audio.find(arguments.files, FEATURE_SUFFIXES if is_deaf else audio.SUFFIXES)
        _check_output(arguments, len(files))
        if arguments.output or arguments.format in ("trn", "ctm"):  # where an id says whose words they are
            files = audio.distinct(files)
        if arguments.plot:
            from asr import plot

            plot.check(arguments.plot)
            if len(files) > 1:
                raise ValueError(f"--plot draws one file, and there are {len(files)}")
        failed = 0
        made = workers.map(_parts(files, itemgetter(0))) if workers else transcriber(files)
        for (_, key), result in zip(files, made, strict=True):
            if isinstance(result, ValueError):
                print(f"error: {result}", file=sys.stderr)
                failed += 1
            else:
                _put(result, key, arguments)
    if failed and transcriber.is_batch:
        print(f"{failed} of {len(files)} files could not be transcribed", file=sys.stderr)
    return 0 if not failed else 1 if transcriber.is_batch else 2


class _Transcriber:
    """(path, id) of sound files -> what is printed of each, or why it cannot be heard."""

    def __init__(self, arguments: argparse.Namespace, model: Path) -> None:
        from asr.transcribe import Recognizer

        self.arguments = arguments
        self.recognizer = Recognizer.load(model, decoding=_decoding(arguments))
        self.recognizer.min_confidence = arguments.min_confidence
        self.is_batch = len(arguments.files) > 1 or Path(arguments.files[0]).is_dir()

    def __call__(self, files: Sequence[tuple[str, str]]) -> "Iterator[str | ValueError]":
        # Words have times by a forced alignment, which text alone need not wait for.
        has_words = self.arguments.format not in ("text", "trn")
        paths = [path for path, _ in files]
        heard = self._drawn(paths[0]) if self.arguments.plot else self.recognizer.transcripts(
            paths, has_words=has_words, progress=_progress
        )  # fmt: skip
        for (path, key), transcript in zip(files, heard, strict=True):
            _progress(None)
            yield transcript if isinstance(transcript, ValueError) else self._lines(path, key, transcript)

    def _drawn(self, path: str) -> "Iterator[Transcript | ValueError]":
        from asr import audio, plot

        try:
            waveform = audio.read(path, self.recognizer.card.features.sample_rate)
        except audio.AudioError as error:
            yield error
        else:
            yield plot.draw(self.arguments.plot, self.recognizer, waveform, "" if path == "-" else Path(path).name)

    def _lines(self, path: str, key: str, transcript: "Transcript") -> str:
        from asr.formats import WRITERS

        if self.arguments.format in WRITERS:
            return WRITERS[self.arguments.format](path, key, transcript)
        texts = [transcript.text]
        if self.arguments.nbest > 1:
            texts = [f"{hypothesis.score:.3f}\t{hypothesis.text}" for hypothesis in transcript.nbest]
        return "\n".join(f"{path}\t{text}" if self.is_batch and not self.arguments.output else text for text in texts)


def _progress(seconds: float | None) -> None:
    """How much of a long sound has been heard, on a terminal; None wipes it away."""
    if sys.stderr.isatty():
        said = "" if seconds is None else f"{seconds / 60:.1f} minutes heard"
        print(f"\r{said:24}", end="\r", file=sys.stderr, flush=True)


def _workers(
    start: "Callable[[], Make[Item, Made]]", jobs: int | None, items: "Sequence[Item]", path: "Callable[[Item], str]"
) -> "AbstractContextManager[Workers[Item, Made] | None]":
    """As many processes as asked for, or as pay; None where one does."""
    paths = {path(item) for item in items}
    if jobs is None:
        jobs = min(machine.num_cores(), 1 + sum(map(_size, paths)) // _BYTES_PER_JOB)
    jobs = min(jobs, len(items))
    if jobs < 2 or "-" in paths:
        return nullcontext()
    from asr.bulk import Workers

    return Workers(start, jobs, path)


def _parts(items: "Sequence[Item]", path: "Callable[[Item], str]") -> "Iterator[list[Item]]":
    """What a worker gets at a time: little enough that none is long behind the others at the end."""
    part: list[Item] = []
    size = 0
    for item in items:
        size += _size(path(item))
        if part and (len(part) == _PART or size > _PART_BYTES):
            yield part
            part, size = [], _size(path(item))
        part.append(item)
    if part:
        yield part


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)  # noqa: PTH202 -- for every file of a batch, and Path is four times slower
    except OSError:
        return 0


def _align(arguments: argparse.Namespace) -> int:
    from asr.audio import AudioError
    from asr.data import manifest
    from asr.transcribe import Recognizer

    source: str = arguments.source
    is_batch = source.lower().endswith(".jsonl")
    if is_batch == (arguments.text is not None):
        raise ValueError(f"{source} is a manifest, which has its own texts: leave TEXT out" if is_batch else
                         f"what is said in {source}? Give the words, a .txt file or - as TEXT")  # fmt: skip
    utterances = manifest.read(source) if is_batch else []
    text = "" if is_batch else _read_text(arguments.text, source)
    _check_output(arguments, len(utterances))
    recognizer = Recognizer.load(arguments.model)
    if not is_batch:
        name = "standard input" if source == "-" else source
        try:
            transcript = recognizer.align(source, text)
        except (AudioError, manifest.ManifestError):  # which name the file
            raise
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        key = "stdin" if source == "-" else Path(source).stem
        lines = _aligned(source, key, transcript, arguments.format)
        if lines or arguments.output:
            _put(lines, key, arguments)
        return 0
    failed = 0
    for utterance in utterances:
        try:
            transcript = recognizer.align(utterance, utterance.text)
            if arguments.output and (Path(utterance.id).is_absolute() or ".." in Path(utterance.id).parts):
                raise ValueError("its id leads out of the folder of --output")
        except ValueError as error:
            print(f"error: {utterance.id}: {error}", file=sys.stderr)
            failed += 1
        else:
            lines = _aligned(utterance.where, utterance.id, transcript, arguments.format)
            if arguments.format == "text" and not arguments.output:
                lines = "\n".join(f"{utterance.id}\t{line}" for line in lines.splitlines())
            if lines or arguments.output:
                _put(lines, utterance.id, arguments)
    if failed:
        print(f"{failed} of {len(utterances)} utterances could not be aligned", file=sys.stderr)
    return 1 if failed else 0


def _read_text(text: str, audio: str) -> str:
    """The text that an argument names: itself, a .txt file's, or that on standard input."""
    if text != "-" and not text.lower().endswith(".txt"):
        return text
    if text == audio:
        raise ValueError("standard input can be read once: give one - only")
    name = "standard input" if text == "-" else text
    try:
        return (sys.stdin.buffer.read() if text == "-" else Path(text).read_bytes()).decode("utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{text}: no such file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}: not UTF-8") from None


def _aligned(file: str, key: str, transcript: "Transcript", form: str) -> str:
    from asr.formats import WRITERS

    if form != "text":
        return WRITERS[form](file, key, transcript)
    return "\n".join(f"{word.start_s:.3f}\t{word.end_s:.3f}\t{word.confidence:.4f}\t{word.text}"
                     for word in transcript.words)  # fmt: skip


def _check_output(arguments: argparse.Namespace, count: int) -> None:
    """Several recordings cannot share a file of some formats."""
    from asr.formats import ONE_EACH

    if count > 1 and arguments.format in ONE_EACH and not arguments.output:
        raise ValueError(f"{arguments.format} holds one recording to a file, and there are {count}: name a folder "
                         "with --output")  # fmt: skip


def _check_folder(output: Path) -> None:
    """Said before the work is done, not after."""
    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output}: there is no folder {output.parent}")
    if output.is_dir():
        raise IsADirectoryError(f"{output}: is a folder; name a file to write")


def _put(text: str, key: str, arguments: argparse.Namespace) -> None:
    from asr.formats import SUFFIXES

    if arguments.output:
        path = arguments.output / (key + SUFFIXES[arguments.format])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text + "\n" if text else "")
    elif text:
        print(text, flush=True)
    elif arguments.format == "text":
        print(flush=True)


def _evaluate(arguments: argparse.Namespace) -> int:
    from asr import evaluate as evaluation
    from asr.data import manifest
    from asr.score import format_trn

    if arguments.tune:
        with _training("--tune"):  # which stores what it found in the model file
            from asr import convert  # noqa: F401
    utterances = manifest.read(arguments.manifest)
    others = manifest.read(arguments.rejection) if arguments.rejection else []
    output = arguments.output or Path(f"{arguments.manifest.stem}.hyp.trn")
    _check_folder(output)
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if sys.stderr.isatty():
            print(f"\r{done} of {len(utterances)}", end="" if done < len(utterances) else "\n", file=sys.stderr)

    start = partial(_Hearer, arguments)
    jobs = 1 if arguments.tune or arguments.rejection else arguments.jobs  # these need the emissions themselves
    with _workers(start, jobs, utterances, _sound) as workers:
        recognizer = start().recognizer
        tuned = _tune(arguments.model, recognizer, utterances) if arguments.tune else None
        recognizer.min_confidence = arguments.min_confidence
        heard = None
        if workers:
            ordered = sorted(utterances, key=lambda utterance: utterance.duration_s)
            heard = _counted(workers.map(_parts(ordered, _sound)), progress)
        result = evaluation.evaluate(
            recognizer, utterances, batch_size=arguments.batch_size, progress=progress, heard=heard
        )
    code = _name_unreadable(result.unreadable)
    write_text(output, format_trn(result.hypotheses))
    print(f"hypotheses: {output}", file=sys.stderr)
    rejection = evaluation.rejection(recognizer, utterances, others) if others else None
    if arguments.format == "json":
        oracle = {"oracle": result.oracle.to_dict()} if result.oracle else {}
        rejected = {"rejection": rejection.to_dict()} if rejection else {}
        _print_json({**result.score.to_dict(), **oracle, **({"tuned": tuned} if tuned else {}), **rejected})
        return code
    _print_score(result.score, arguments.format)
    if result.oracle:
        rate = f"{result.oracle.rate:.2%}"
        print(f"word errors of the best of {arguments.nbest}: {result.oracle.errors}, {rate}")
    if rejection:
        print(f"\n{rejection.to_text()}")
    return code


def _name_unreadable(unreadable: "Iterable[LeftOut]") -> int:
    """Say which utterances could not be read, each once; returns the exit code."""
    named = dict.fromkeys(unreadable)
    for item in named:
        print(f"error: {item.id}: {item.reason}; counted as nothing heard", file=sys.stderr)
    return 1 if named else 0


def _export(arguments: argparse.Namespace) -> int:
    from asr.data import manifest
    from asr.transcribe import model_file

    source, output = model_file(arguments.model), arguments.output
    _check_model_file(output, [source])
    utterances = manifest.read(arguments.check) if arguments.check else []
    with _training("exporting"):
        from asr import convert
    difference = convert.quantise(source, output)
    code = _print_models([source, output], utterances, arguments, largest_difference=difference)
    if arguments.format == "text":
        print(f"no letter's probability in noise differs by more than {difference:.3f}", file=sys.stderr)
    return code


def _average(arguments: argparse.Namespace) -> int:
    from asr.data import manifest
    from asr.transcribe import model_file

    sources = [model_file(model) for model in arguments.models]
    if len(sources) < 2:
        raise ValueError(f"{sources[0]}: the mean of one model is that model; name more of them")
    _check_model_file(arguments.output, sources)
    utterances = manifest.read(arguments.check) if arguments.check else []
    with _training("averaging"):
        from asr import convert
    (convert.ensemble if arguments.ensemble else convert.average)(sources, arguments.output)
    return _print_models([*sources, arguments.output], utterances, arguments)


@contextmanager
def _training(what: str) -> Iterator[None]:
    """Around the import of what training needs: a package that is missing is a mistake that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != "asr":
            raise ValueError(extras.missing(what, error.name, "train")) from None
        raise


def _check_model_file(output: Path, sources: "Sequence[Path]") -> None:
    _check_folder(output)
    if output.exists() and any(source.exists() and output.samefile(source) for source in sources):
        raise ValueError(f"{output}: would replace the model that it is made from; choose another name")


def _print_models(
    paths: "Sequence[Path]", utterances: "Sequence[Utterance]", arguments: argparse.Namespace, **more: float
) -> int:
    """The size of each model file and, where there are utterances, its error rates; returns the exit code."""
    sizes = {str(path): path.stat().st_size for path in paths}
    results = {}
    if utterances:
        from asr.evaluate import evaluate
        from asr.transcribe import Recognizer

        results = {name: evaluate(Recognizer.load(name), utterances) for name in sizes}
    code = _name_unreadable(item for result in results.values() for item in result.unreadable)
    if arguments.format == "json":
        scored = {name: result.score.to_dict() for name, result in results.items()}
        _print_json({"bytes": sizes, **more, **({"scores": scored} if scored else {})})
        return code
    for name, size in sizes.items():
        print(f"{name}: {size / 1000:.0f} KB{'   ' + _describe(results[name].score) if results else ''}")
    return code


class _Hearer:
    """Utterances -> (id, what is said in each, or why it cannot be read)."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from asr.transcribe import Recognizer

        self.batch_size = arguments.batch_size
        self.recognizer = Recognizer.load(arguments.model, decoding=_decoding(arguments))
        if not arguments.tune:
            self.recognizer.min_confidence = arguments.min_confidence

    def __call__(self, utterances: "Sequence[Utterance]") -> "Iterator[tuple[str, list[str] | LeftOut]]":
        from asr import evaluate

        return evaluate.hear(self.recognizer, utterances, batch_size=self.batch_size, threads=0)


def _sound(utterance: "Utterance") -> str:
    return utterance.where


def _counted(items: "Iterable[Made]", progress: Callable[[int], None]) -> "Iterator[Made]":
    for item in items:
        yield item
        progress(1)


def _tune(model: Path, recognizer: "Recognizer", utterances: "list[Utterance]") -> dict[str, Any]:
    from dataclasses import asdict, replace

    from asr import tune
    from asr.checkpoint import write_card
    from asr.transcribe import model_file

    tuned = tune.tune(recognizer, utterances)
    card = recognizer.card
    write_card(model_file(model), replace(card, tuning={**card.tuning, tuned.kind: tuned.tuning}))
    print(f"{tuned}; stored in {model_file(model)}", file=sys.stderr)
    errors = {"calibration_error": tuned.calibrated_error, "calibration_error_before": tuned.raw_error}
    # JSON has no NaN: null where no word was heard.
    return {"kind": tuned.kind, **asdict(tuned.tuning),
            **{name: None if math.isnan(value) else value for name, value in errors.items()}}  # fmt: skip


def _lm(arguments: argparse.Namespace) -> int:
    from asr.decode import kneser_ney, lexicon
    from asr.decode import lm as language_model
    from asr.text import TextConfig
    from asr.transcribe import Recognizer

    _check_folder(arguments.output)
    text = Recognizer.load(arguments.model).card.text if arguments.model else TextConfig()
    is_character = arguments.unit == "character"
    sentences = []
    for path in arguments.texts:
        for where, line in _lines(path):
            sentence = language_model.units(text.normalise(line), is_character=is_character)
            try:
                kneser_ney.check(sentence)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if sentence:
                sentences.append(sentence)
    words = lexicon.read_list(arguments.lexicon, text) if arguments.lexicon else []
    vocabulary = [unit for word in words for unit in language_model.units(word, is_character=is_character)]
    model = kneser_ney.estimate(sentences, arguments.order, vocabulary)
    language_model.write(arguments.output, model)
    counts = ", ".join(f"{len(table)} {n}-grams" for n, table in enumerate(model.ngrams, start=1))
    print(f"{len(sentences)} sentences, {counts}; perplexity on these sentences {model.perplexity(sentences):.1f}; "
          f"in {arguments.output}", file=sys.stderr)  # fmt: skip
    return 0


def _lines(path: Path) -> list[tuple[str, str]]:
    """(where it stands, text) of each line of a text file, or utterance of a manifest."""
    from asr.data import manifest

    if path.suffix == ".jsonl":
        return [(f"{path}, utterance {utterance.id}", utterance.text) for utterance in manifest.read(path)]
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8") from None
    return [(f"{path}, line {number}", line) for number, line in enumerate(lines, start=1)]


def _score(arguments: argparse.Namespace) -> int:
    import shutil

    from asr.score import Counting, Normaliser, Report, read_all
    from asr.score import score as score_one
    from asr.score.normalise import default_rules, parse_rules, read_mapping
    from asr.score.transcripts import read_speakers, some

    if arguments.html:
        _check_folder(arguments.html)
    if [arguments.reference, *arguments.hypotheses].count("-") > 1:
        raise ValueError("standard input can be read once: give one - only")
    reference, hypotheses = read_all(arguments.reference, arguments.hypotheses, arguments.input_format)
    if not arguments.input_format:
        forms = dict.fromkeys(one.form for one in (reference, *hypotheses))
        print(f"read as {' and '.join(_FORMATS[form] for form in forms)}", file=sys.stderr)
    asked = arguments.normalise
    rules = default_rules(arguments.weights) if asked is None else parse_rules(asked)
    settings: dict[str, Any] = {
        "speakers": read_speakers(arguments.speakers, reference),
        "counting": Counting(arguments.weights, arguments.blanks, arguments.characters),
        "normaliser": Normaliser(rules, read_mapping(arguments.map) if arguments.map else {}),
    }
    names = _names(arguments.hypotheses)
    scores = [score_one(reference.texts, one.texts, **settings) for one in hypotheses]
    notes = [*reference.notes, *(note for one in hypotheses for note in one.notes)]
    for name, result in zip(names, scores, strict=True):
        for kind, ids in (("without a hypothesis, counted as deletions", result.missing),
                          ("without a reference, not counted", result.extra)):  # fmt: skip
            if ids:
                of = f"{name}: " if len(names) > 1 else ""
                notes.append(f"{of}{len(ids)} {kind}: {some(ids)}")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    made = Report.of(names, scores, level=arguments.confidence, resamples=arguments.resamples, seed=arguments.seed,
                     notes=notes)  # fmt: skip
    if arguments.html:
        from asr.score.page import page

        write_text(arguments.html, page(made, f"{', '.join(names)} against {Path(arguments.reference).name}"))
        print(f"page: {arguments.html}", file=sys.stderr)
    if arguments.format == "json":
        print(json.dumps(made.to_dict(), ensure_ascii=False))
    elif arguments.format == "sys":
        print(made.to_sys(), end="")
    elif arguments.format == "markdown":
        print(made.to_markdown(has_details=arguments.details, top=arguments.top), end="")
    else:
        print(made.to_text(has_details=arguments.details, top=arguments.top), end="")
    if arguments.alignments and arguments.format in ("text", "markdown"):
        is_colored = arguments.color == "always" or (
            arguments.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        )
        columns = shutil.get_terminal_size((100, 24)).columns
        text = made.to_alignments(top=arguments.top, width=columns, has_color=is_colored)
        print(f"\n```\n{text}```" if arguments.format == "markdown" else f"\n{text}", end="")
    return 0


def _names(paths: list[str]) -> list[str]:
    """Short names for the systems that wrote these files, all different."""
    for name in (lambda path: Path(path).name.partition(".")[0], lambda path: Path(path).name, str):
        names = [name(path) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({number})" for number, path in enumerate(paths, start=1)]


_FORMATS = {"trn": "trn: words (id)", "kaldi": "Kaldi text: id words", "jsonl": "JSON lines", "csv": "CSV",
            "tsv": "tab-separated columns", "ctm": "ctm: words with times", "stm": "stm: segments with times",
            "lines": "plain lines, paired by number"}  # fmt: skip


def _print_score(result: "Score", form: str) -> None:
    if form == "json":
        _print_json(result.to_dict())
        return
    from asr.score import tables

    print(tables.totals([""], [result]).to_text(), end="")


def _describe(result: "Score") -> str:
    from asr.score.tables import Rate

    word, character = result.word, result.character
    return (f"WER {Rate(word.rate)} ({word.errors} of {word.reference_length} words)   "
            f"CER {Rate(character.rate)} ({character.errors} of {character.reference_length} characters)")  # fmt: skip


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1))


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    return parser


def _version() -> str:
    import asr

    return asr.__version__


def _add_format(parser: argparse.ArgumentParser, *forms: str) -> None:
    parser.add_argument("--format", choices=forms, default=forms[0], help=f"of the result (default {forms[0]})")


def _add_jobs(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--jobs", "-j", type=_positive, default=machine.num_cores(), metavar="N",
                        help=f"cores for {what} (default: all, {machine.num_cores()} here)")  # fmt: skip


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", "-j", type=_positive, metavar="N",
                        help="processes, one core each (default: one for every 8 MB of sound, as starting another "
                        f"takes longer than to hear less, at most one a core, {machine.num_cores()} here)")  # fmt: skip


def _add_decoding(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decoding", "What is known of the words. Any of it asks for the beam decoder.")
    group.add_argument("--decoder", choices=("greedy", "beam"), help="best path, or prefix beam search")
    group.add_argument("--lexicon", type=Path, metavar="WORDS.txt",
                       help="hear nothing but these words and phrases, one on a line")  # fmt: skip
    group.add_argument("--lm", type=Path, metavar="FILE.arpa", help="n-gram model of words or characters; .gz too")
    group.add_argument("--hotwords", type=Path, metavar="FILE",
                       help="words and phrases that are likelier here, one on a line, each with a tab and its boost in "
                       "nats where 5 is not right")  # fmt: skip
    group.add_argument("--beam-width", type=_positive, metavar="N", help="prefixes kept (default 50)")
    group.add_argument("--lm-weight", type=float, metavar="X",
                       help="of the model's log-probability (default: as tuned for the model, else 0.5)")  # fmt: skip
    group.add_argument("--word-bonus", type=float, metavar="X",
                       help="in nats for each word (default: as tuned, else 1.5 with --lm and 0 without)")  # fmt: skip
    group.add_argument("--blank-penalty", type=float, metavar="X",
                       help="in nats for each frame that says no letter (default: as tuned, else 0)")  # fmt: skip
    group.add_argument("--nbest", type=_positive, default=1, metavar="N", help="hypotheses, with scores (default 1)")
    group.add_argument("--min-confidence", type=_probability, default=0.0, metavar="P",
                       help="leave out words that are less sure than this: with a lexicon, what is none of its words "
                       "gives nothing (default 0)")  # fmt: skip


def _decoding(arguments: argparse.Namespace) -> "DecoderConfig":
    from dataclasses import fields

    from asr.decode.decoder import DecoderConfig

    return DecoderConfig(**{field.name: getattr(arguments, field.name) for field in fields(DecoderConfig)})


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text}")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text}")
    return int(text)


def _share(text: str) -> float:
    if not 0 < (share := _number(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return share


def _probability(text: str) -> float:
    if not 0 <= (probability := _number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {text}")
    return probability


def _number(text: str) -> float:
    """NaN for what is none, which is in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _exit(door: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> NoReturn:
    """Run a door and leave; mistakes of the user become one sentence and exit code 2.

    Every error class of the package is a ValueError with such a sentence; OSError names its file.
    """
    # Transcripts and file names, also where a redirected stdout would have another encoding.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    machine.keep_memory()
    try:
        code = door(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader has had enough, as head has
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    sys.exit(code)
