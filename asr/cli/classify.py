"""`asr-classify`: say what recordings are, or what each part of them is."""

import argparse
import csv
import io
import json
from typing import TYPE_CHECKING, NoReturn

from asr.cli.exits import end_batch, run_command, say
from asr.cli.options import add_files, add_format, add_model, choose_model, new_parser, positive
from asr.errors import UserError
from asr.files import shown

if TYPE_CHECKING:
    from asr.recognition.classifier import Labelled


def main() -> NoReturn:
    """`asr-classify`."""
    parser = new_parser("asr-classify", "Say what recordings are: class and probability, with a trained classifier.")
    add_files(parser)
    add_model(parser)
    parser.add_argument("--top", type=positive, default=1, metavar="N", help="so many classes each (default 1)")
    add_format(parser, "text", "json", "csv")
    run_command(_classify, parser.parse_intermixed_args())


def _classify(arguments: argparse.Namespace) -> int:
    from asr.cli import inputs
    from asr.recognition.classifier import Classifier

    classifier = Classifier.load(choose_model(arguments))
    files, skipped = inputs.find(arguments.files)
    for path, why in skipped:
        say(f"error: {shown(path)}: {why}")
    failed = len(skipped)
    is_batch = inputs.is_batch(arguments.files)
    if arguments.format == "csv":
        print("file,start_s,end_s,class,probability")
    for (path, _), labelled in zip(files, classifier.classify_all(path for path, _ in files), strict=True):
        if isinstance(labelled, UserError):
            say(f"error: {labelled}")
            failed += 1
        else:
            name = path if path == "-" else shown(path)
            print(_WRITERS[arguments.format](name, labelled, arguments.top, is_batch), flush=True)
    return end_batch("classified", failed, len(files) + len(skipped), is_batch=is_batch)


def _text(name: str, parts: "list[Labelled]", top: int, is_batch: bool) -> str:
    """Class and probability on a line; the file before it where there are several, times where it has several parts."""
    lines = []
    for part in parts:
        fields = [name] if is_batch else []
        fields += [f"{part.start_s:.2f}", f"{part.end_s:.2f}"] if len(parts) > 1 else []
        lines += ["\t".join([*fields, label, f"{probability:.4f}"]) for label, probability in part.probabilities[:top]]
    return "\n".join(lines)


def _json(name: str, parts: "list[Labelled]", top: int, is_batch: bool) -> str:  # noqa: ARG001
    """An object on a line."""
    described = [
        {
            "start_s": part.start_s,
            "end_s": part.end_s,
            "class": part.label,
            "probability": round(part.probability, 6),
            "top": [
                {"class": label, "probability": round(probability, 6)}
                for label, probability in part.probabilities[:top]
            ],
        }
        for part in parts
    ]
    return json.dumps({"file": name, "parts": described}, ensure_ascii=False)


def _csv(name: str, parts: "list[Labelled]", top: int, is_batch: bool) -> str:  # noqa: ARG001
    """A row for each class."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    for part in parts:
        for label, probability in part.probabilities[:top]:
            writer.writerow([name, f"{part.start_s:.3f}", f"{part.end_s:.3f}", label, f"{probability:.6f}"])
    return made.getvalue().rstrip("\n")


_WRITERS = {"text": _text, "json": _json, "csv": _csv}
