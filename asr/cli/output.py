"""Where results go: checks of outputs before the work, files and stdout after it."""

import argparse
import errno
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.cli.exits import say
from asr.errors import UserError
from asr.files import printable, write_text

if TYPE_CHECKING:
    from asr.data.manifest import Skipped, Utterance
    from asr.score import Score


def check_output(arguments: argparse.Namespace, count: int) -> None:
    """Several recordings cannot share a file of some formats."""
    from asr.recognition.formats import ONE_EACH

    if count > 1 and arguments.format in ONE_EACH and not arguments.output:
        raise UserError(
            f"{arguments.format} holds one recording to a file, and there are {count}: name a folder with --output"
        )


def check_folder(output: Path) -> None:
    """Before the work is done, not after."""
    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output}: there is no folder {output.parent}")
    if output.is_dir():
        raise IsADirectoryError(f"{output}: is a folder; name a file to write")


def put(text: str, key: str, arguments: argparse.Namespace) -> None:
    """Write the result of the recording with the id `key` into the folder of --output, or else to stdout.

    Raises UserError where no file can be named for the id.
    """
    from asr.recognition.formats import SUFFIXES

    if arguments.output:
        path = arguments.output / (key + SUFFIXES[arguments.format])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not synced: it can be made again, and of a thousand files it would take longer than recognition.
            write_text(path, text + "\n" if text else "", is_synced=False)
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
                raise UserError(f"no file can be named for its id: {error.strerror}") from None
            raise
    elif text:
        print(printable(text, keep="\n\t") if arguments.format == "text" else text, flush=True)
    elif arguments.format == "text":
        print(flush=True)


def shared_files(keys: "Iterable[str]") -> dict[str, str]:
    """Ids whose file of --output would be that of an earlier id, which they are given with: x/y and x/./y."""
    owners: dict[str, str] = {}
    shared: dict[str, str] = {}
    for key in keys:
        owner = owners.setdefault(os.path.normpath(key), key)
        if owner != key:
            shared[key] = owner
    return shared


def name_unreadable(unreadable: "Iterable[Skipped]") -> int:
    """Say which utterances could not be read, each once; returns the exit code."""
    named = dict.fromkeys(unreadable)
    for item in named:
        say(f"error: {item.id}: {item.reason}; counted as an empty hypothesis")
    return 1 if named else 0


def check_model_file(output: Path, sources: "Sequence[Path]") -> None:
    """Raise UserError or OSError where a model cannot be written to `output`, or would replace a source."""
    check_folder(output)
    if output.exists() and any(source.exists() and output.samefile(source) for source in sources):
        raise UserError(f"{output}: would replace the model that it is made from; choose another name")


def print_models(
    paths: "Sequence[Path]", utterances: "Sequence[Utterance]", arguments: argparse.Namespace, **more: float
) -> int:
    """The size of each model file and, where there are utterances, its error rates; returns the exit code."""
    sizes = {str(path): path.stat().st_size for path in paths}
    results = {}
    if utterances:
        from asr.recognition.evaluate import evaluate_file

        results = {str(path): evaluate_file(path, utterances) for path in paths}
    code = name_unreadable(item for result in results.values() for item in result.unreadable)
    if arguments.format == "json":
        scored = {name: result.score.to_dict() for name, result in results.items()}
        print_json({"bytes": sizes, **more, **({"scores": scored} if scored else {})})
        return code
    for name, size in sizes.items():
        print(f"{name}: {size / 1000:.0f} KB{'   ' + results[name].score.summary if results else ''}")
    return code


def print_score(result: "Score", form: str) -> None:
    """Print error rates as a table, or as JSON."""
    if form == "json":
        print_json(result.to_dict())
        return
    from asr.score import tables

    print(tables.totals([""], [result]).to_text(), end="")


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, ensure_ascii=False, indent=1))
