"""`asr-serve`: recognise over the network."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asr import extras, machine
from asr.cli.exits import run_command
from asr.cli.options import (
    add_decoding,
    add_live,
    call_options,
    decoding_config,
    live_config,
    new_parser,
    not_negative,
    positive,
    whole,
)
from asr.errors import UserError

if TYPE_CHECKING:
    from asr.serve.config import ServeConfig


def main() -> NoReturn:
    """`asr-serve`."""
    parser = new_parser("asr-serve", "Recognise over the network: files, live sound, and a page for a browser.")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]RUN_OR_ONNX",
        help="a run's folder, a .onnx file or a model that comes with the package; again for more, the first is the "
        "default (default: the newest run in the folder runs here, else digits)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1: this machine alone)")
    parser.add_argument("--port", type=whole, default=8080, help="of HTTP and WebSocket (default 8080)")
    parser.add_argument(
        "--wyoming",
        type=whole,
        nargs="?",
        const=10300,
        metavar="PORT",
        help="speak Wyoming too, for Home Assistant (default port 10300)",
    )
    parser.add_argument(
        "--token", metavar="TOKEN", help="what clients must send as bearer token (default: $ASR_TOKEN, else none)"
    )
    parser.add_argument(
        "--threads", type=positive, default=machine.num_cores(), metavar="N", help="recordings at once (default: cores)"
    )
    record = parser.add_argument_group("record", "Record one's own words in the page, and train on them.")
    record.add_argument("--record", type=Path, metavar="FOLDER", help="where takes, prompts and runs are kept")
    record.add_argument(
        "--recipe", type=Path, metavar="RECIPE.yaml", help="what trains on them (default: recipes/own_words.yaml)"
    )
    record.add_argument(
        "--train-setting",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting that replaces the recipe's, as in train.epochs=5; again for more",
    )
    limits = parser.add_argument_group("limits", "What is refused.")
    limits.add_argument("--max-mb", type=not_negative, default=100.0, metavar="MB", help="of a file (default 100)")
    limits.add_argument(
        "--max-seconds", type=not_negative, default=3600.0, metavar="S", help="of a file (default 3600)"
    )
    limits.add_argument("--max-waiting", type=positive, default=64, metavar="N", help="requests at once (default 64)")
    limits.add_argument("--max-streams", type=positive, default=100, metavar="N", help="of live sound (default 100)")
    add_live(parser)
    add_decoding(parser)
    run_command(_serve, parser.parse_args())


def _serve(arguments: argparse.Namespace) -> int:
    try:
        from asr.serve import server
        from asr.serve.app import Server
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != "asr":
            raise UserError(extras.missing("asr-serve", error.name, "serve")) from None
        raise
    loaded = Server.load(
        _config(arguments), decoding_config(arguments), live_config(arguments), call_options(arguments)
    )
    server.run(loaded)
    return 0


def _config(arguments: argparse.Namespace) -> "ServeConfig":
    from asr.modelfile.locate import SHIPPED, newest_model
    from asr.serve.config import Limits, RecordConfig, ServeConfig, named_models

    if not arguments.record and (arguments.recipe or arguments.train_setting):
        raise UserError("--recipe and --train-setting are for --record FOLDER")
    record = RecordConfig(arguments.record, arguments.recipe, tuple(arguments.train_setting))
    limits = Limits(arguments.max_mb, arguments.max_seconds, arguments.max_waiting, arguments.max_streams)
    return ServeConfig(
        models=named_models(arguments.model, newest_model(Path()) or SHIPPED),
        host=arguments.host,
        port=arguments.port,
        wyoming_port=arguments.wyoming,
        token=arguments.token or os.environ.get("ASR_TOKEN") or None,
        threads=arguments.threads,
        limits=limits,
        record=record if arguments.record else None,
    )
