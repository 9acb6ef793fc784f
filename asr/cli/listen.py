"""`asr-listen`: recognise what a microphone or a pipe brings, while it comes."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from asr.cli.exits import run_command, say
from asr.cli.options import (
    add_decoding,
    add_format,
    add_live,
    add_model,
    call_options,
    choose_model,
    decoding_config,
    live_config,
    new_parser,
    positive,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asr.recognition.live import Event, Live

_BLOCK_MS = 20.0
_METER, _FLOOR_DB = 10, 60.0  # characters, and how far below full scale the first of them begins


def main() -> NoReturn:
    """`asr-listen`."""
    parser = new_parser("asr-listen", "Recognise speech while it is spoken.")
    parser.add_argument(
        "source",
        nargs="?",
        choices=["-"],
        metavar="-",
        help="raw sound of 16 bits, little-endian, one channel, from standard input (default: the microphone)",
    )
    parser.add_argument("--rate", type=positive, default=16000, metavar="HZ", help="of the sound (default 16000)")
    parser.add_argument("--device", metavar="N_OR_NAME", help="the microphone: a number or a part of the name")
    parser.add_argument("--devices", action="store_true", help="list the microphones, and end")
    add_model(parser)
    add_live(parser)
    add_decoding(parser)
    add_format(parser, "text", "json")
    run_command(_listen, parser.parse_args())


def _listen(arguments: argparse.Namespace) -> int:
    from asr.audio import microphone

    if arguments.devices:
        print("\n".join(microphone.devices()) or "no device records")
        return 0
    from asr.recognition.live import Live
    from asr.recognition.recognizer import Recognizer

    recognizer = Recognizer.load(choose_model(arguments), decoding=decoding_config(arguments), runtime="numpy")
    options = call_options(arguments, has_words=arguments.format == "json")
    live = Live(recognizer, live_config(arguments), sample_rate=arguments.rate, options=options)
    screen = _Screen(is_json=arguments.format == "json", is_terminal=sys.stdout.isatty())
    if arguments.source == "-":
        blocks: Iterator[npt.NDArray[np.int16]] = _piped(sys.stdin.buffer, arguments.rate)
    else:
        blocks = microphone.blocks(arguments.rate, _BLOCK_MS, arguments.device)
        say("listening; Ctrl-C ends")
    _follow(live, blocks, screen, arguments.rate)
    return 0


def _follow(live: "Live", blocks: "Iterator[npt.NDArray[np.int16]]", screen: "_Screen", rate: int) -> None:
    """Every event to the screen; Ctrl-C is the end of the sound."""
    try:
        for block in blocks:
            screen.level(block, rate)
            for event in live.feed(block):
                screen.show(event)
    except KeyboardInterrupt:
        pass
    finally:
        for event in live.flush():
            screen.show(event)
        screen.end()


def _piped(pipe: BinaryIO, rate: int) -> "Iterator[npt.NDArray[np.int16]]":
    """What comes through a pipe as soon as it comes, in blocks of at most `_BLOCK_MS`; a last half sample is none."""
    import numpy as np

    half = b""
    read = getattr(pipe, "read1", pipe.read)
    while data := read(2 * round(rate * _BLOCK_MS / 1000)):
        data = half + data
        half = data[len(data) // 2 * 2 :]
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)


class _Screen:
    """Where events go: lines of text or JSON, and on a terminal what may still change, rewritten in its place."""

    def __init__(self, *, is_json: bool, is_terminal: bool) -> None:
        self._is_json, self._is_terminal = is_json, is_terminal and not is_json
        self._meter, self._partial, self._since_s = "", "", 0.0

    def level(self, block: "npt.NDArray[np.int16]", rate: int) -> None:
        """Show how loud a block is, ten times a second."""
        import numpy as np

        self._since_s += len(block) / rate
        if not self._is_terminal or self._since_s < 0.1 or not len(block):
            return
        self._since_s = 0.0
        loudest = max(float(np.abs(block.astype(np.float32)).max()), 1.0) / 32768
        count = round(_METER * max(0.0, 1 + 20 * float(np.log10(loudest)) / _FLOOR_DB))
        self._meter = f"[{'#' * count:{_METER}}]"
        self._draw()

    def show(self, event: "Event") -> None:
        """A partial result in its place, or a final one on its line."""
        from asr.recognition.live import Final

        is_final = isinstance(event, Final)
        if self._is_json:
            print(json.dumps(_record(event), ensure_ascii=False), flush=True)
        elif is_final and event.text:
            self._wipe()
            print(event.text, flush=True)
        if self._is_terminal:
            self._partial = "" if is_final else event.text
            self._draw()

    def end(self) -> None:
        """Leave nothing that is not final."""
        self._wipe()

    def _draw(self) -> None:
        import shutil

        room = shutil.get_terminal_size().columns - len(self._meter) - 2
        text = self._partial if len(self._partial) <= room else "…" + self._partial[1 - room :]
        print(f"\r\x1b[K{self._meter} {text}", end="", flush=True)

    def _wipe(self) -> None:
        if self._is_terminal:
            print("\r\x1b[K", end="", flush=True)


def _record(event: "Event") -> dict[str, Any]:
    """An event as JSON."""
    from asr.recognition import formats
    from asr.recognition.live import Partial

    if isinstance(event, Partial):
        return {"partial": event.text, "num_stable": event.num_stable, "start_s": event.start_s, "end_s": event.end_s}
    return {"start_s": event.start_s, "end_s": event.end_s, **formats.record(event.transcript)}
