"""How a command ends: exit codes, and what is printed of an error.

0: done. 1: done, but some files could not be used; each is named on stderr. 2: what was asked cannot be done; one
sentence says why. 70: a bug of this package, with its traceback (EX_SOFTWARE of sysexits.h). 130: interrupted; 143 and
129: ended by SIGTERM and SIGHUP.
"""

import argparse
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from asr import machine, signals
from asr.errors import UserError
from asr.files import printable

BUG = 70


def run_command(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> NoReturn:
    """Run a command and leave the process with its exit code.

    UserError and OSError become one sentence and exit code 2; any other exception is a bug, see `BUG`.
    """
    # Transcripts and file names, also where a redirected stdout would have another encoding.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    _show_log()
    machine.keep_memory()
    signals.raise_them()
    try:
        code = command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        code = 128 + (error.number if isinstance(error, signals.Ended) else signal.SIGINT)
        print("interrupted" if code == 130 else f"ended by {signal.Signals(code - 128).name}", file=sys.stderr)
    except BrokenPipeError:  # the reader has had enough, as head has
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (UserError, OSError) as error:
        say(f"error: {error}")
        code = 2
    except Exception:
        traceback.print_exc()
        print("this is a bug in asr: please report it with the lines above", file=sys.stderr)
        code = BUG
    sys.exit(code)


def say(message: str) -> None:
    """A line on stderr; what comes from files in it cannot steer the terminal."""
    print(printable(message), file=sys.stderr)


def end_batch(done: str, num_failed: int, total: int, *, is_batch: bool) -> int:
    """The exit code of a command for many files: 0; 1 where some of a batch failed, which is printed; 2 for one file.

    `done` says what could not be done, as "transcribed".
    """
    if num_failed and is_batch:
        say(f"{num_failed} of {total} files could not be {done}")
    return 0 if not num_failed else 1 if is_batch else 2


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


def _show_log() -> None:
    """What the library reports goes to stderr as it is: progress, and notes about the input."""
    logger = logging.getLogger("asr")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Printable("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
