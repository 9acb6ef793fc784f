"""Options that several commands share, and the types of their values."""

import argparse
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asr import extras, machine
from asr.cli.exits import say
from asr.errors import UserError

if TYPE_CHECKING:
    from asr.decode.decoder import DecoderConfig
    from asr.recognition.live import LiveConfig
    from asr.recognition.recognizer import Options


def new_parser(name: str, description: str, usage: str | None = None) -> argparse.ArgumentParser:
    """A parser of the command `name` that knows --version."""
    parser = argparse.ArgumentParser(prog=name, description=description, usage=usage)
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    return parser


def _version() -> str:
    import asr

    return asr.__version__


def add_format(parser: argparse.ArgumentParser, *forms: str) -> None:
    """--format, one of `forms`; the first is the default."""
    parser.add_argument("--format", choices=forms, default=forms[0], help=f"of the result (default {forms[0]})")


def add_jobs(parser: argparse.ArgumentParser, what: str) -> None:
    """--jobs of a command that uses all cores unless it is told otherwise."""
    parser.add_argument(
        "--jobs",
        "-j",
        type=positive,
        default=machine.num_cores(),
        metavar="N",
        help=f"cores for {what} (default: all, {machine.num_cores()} here)",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """--jobs of a command that starts processes where its input is large enough."""
    parser.add_argument(
        "--jobs",
        "-j",
        type=positive,
        metavar="N",
        help="processes, one core each (default: one for every 8 MB of sound, at most one a core, "
        f"{machine.num_cores()} here)",
    )


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """The options of the decoder: one for each field of DecoderConfig, and --min-confidence."""
    group = parser.add_argument_group("decoding", "What is known of the words; any of it asks for the beam decoder.")
    group.add_argument("--decoder", choices=("greedy", "beam"), help="best path, or prefix beam search")
    group.add_argument(
        "--lexicon", type=Path, metavar="WORDS.txt", help="recognise only these words and phrases, one on a line"
    )
    group.add_argument(
        "--sentences",
        type=Path,
        metavar="FILE",
        help="recognise nothing but these sentences, with their intents and slots: hassil's YAML, JSGF, Rhino's YAML",
    )
    group.add_argument("--lm", type=Path, metavar="FILE.arpa", help="n-gram model of words or characters; .gz too")
    group.add_argument(
        "--hotwords",
        type=Path,
        metavar="FILE",
        help="words and phrases to favour, one on a line, optionally a tab and a boost in nats (default 5)",
    )
    group.add_argument("--beam-width", type=positive, metavar="N", help="prefixes kept (default 50)")
    group.add_argument(
        "--lm-weight",
        type=float,
        metavar="X",
        help="of the model's log-probability (default: as tuned for the model, else 0.5)",
    )
    group.add_argument(
        "--word-bonus",
        type=float,
        metavar="X",
        help="in nats for each word (default: as tuned, else 1.5 with --lm and 0 without)",
    )
    group.add_argument(
        "--blank-penalty",
        type=float,
        metavar="X",
        help="in nats, taken from the blank in each frame (default: as tuned, else 0)",
    )
    group.add_argument(
        "--garbage-penalty",
        type=float,
        metavar="X",
        help="with a lexicon or sentences let other speech through, at X nats a word, and leave it out (default: as "
        "tuned, else inf: everything is taken for one of them)",
    )
    group.add_argument(
        "--grammar-weight",
        type=float,
        metavar="X",
        help="of the log-probabilities that sentences have in their grammar (default: as tuned, else 0)",
    )
    group.add_argument("--nbest", type=positive, default=1, metavar="N", help="hypotheses, with scores (default 1)")
    group.add_argument(
        "--min-confidence",
        type=probability,
        metavar="P",
        help="drop words below this confidence: with a lexicon this rejects other speech (default: as tuned for the "
        "model, else 0)",
    )


def decoding_config(arguments: argparse.Namespace) -> "DecoderConfig":
    """The decoder that the options of `add_decoding` ask for."""
    from dataclasses import fields

    from asr.decode.decoder import DecoderConfig

    return DecoderConfig(**{field.name: getattr(arguments, field.name) for field in fields(DecoderConfig)})


def call_options(arguments: argparse.Namespace, *, has_words: bool = True) -> "Options":
    """What the options of `add_decoding` ask of each transcript."""
    from asr.recognition.recognizer import Options

    return Options(min_confidence=arguments.min_confidence, has_words=has_words)


def add_live(parser: argparse.ArgumentParser) -> None:
    """The options of live sound: one for each field of LiveConfig."""
    group = parser.add_argument_group("live", "Where sound is cut; without them as in a long recording.")
    group.add_argument(
        "--min-silence-ms", type=not_negative, metavar="MS", help="the shortest pause that ends a segment"
    )
    group.add_argument("--max-segment-s", type=not_negative, metavar="S", help="the longest segment")
    group.add_argument("--min-speech-ms", type=not_negative, metavar="MS", help="shorter sounds are knocks")
    group.add_argument(
        "--look-ahead-ms",
        type=not_negative,
        metavar="MS",
        help="future over which the noise is measured: less is faster, and mistakes more noise for speech",
    )
    group.add_argument(
        "--partial-ms",
        type=not_negative,
        default=100.0,
        metavar="MS",
        help="a partial result every so much of speech; 0: none (default 100)",
    )
    group.add_argument(
        "--early-silence-ms",
        type=not_negative,
        metavar="MS",
        help="with sentences or a lexicon: so much silence after what nothing can follow, and the result comes at once",
    )


def live_config(arguments: argparse.Namespace) -> "LiveConfig":
    """What the options of `add_live` ask for."""
    from dataclasses import fields

    from asr.recognition.live import LiveConfig

    return LiveConfig(**{field.name: getattr(arguments, field.name) for field in fields(LiveConfig)})


def add_files(parser: argparse.ArgumentParser) -> None:
    """The recordings of a command that takes many."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE_OR_FOLDER", help="sound of any format, or - for standard input"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """--model of a command that does without."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help="a run's folder, a .onnx file, or one that comes with the package: digits, english, english_small "
        "(default: the newest run in the folder runs here, else digits)",
    )


def choose_model(arguments: argparse.Namespace) -> Path:
    """The model that `add_model` asks for; without one, stderr says which it is."""
    from asr.modelfile.locate import SHIPPED, newest_model

    if arguments.model is not None:
        return Path(arguments.model)
    newest = newest_model(Path())
    say(f"model: {newest or f'the one that comes with the package ({SHIPPED.name})'}")
    return newest or SHIPPED


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text}")
    return int(text)


def whole(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text}")
    return int(text)


def share(text: str) -> float:
    """A number between 0 and 1, both excluded."""
    if not 0 < (share := _number(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return share


def probability(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= (probability := _number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {text}")
    return probability


def not_negative(text: str) -> float:
    """A number of at least 0."""
    if not 0 <= (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {text}")
    return number


def _number(text: str) -> float:
    """NaN for what is none, which is in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


@contextmanager
def training_packages(what: str) -> Iterator[None]:
    """Around the import of what training needs: a package that is missing is a mistake that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != "asr":
            raise UserError(extras.missing(what, error.name, "train")) from None
        raise
