"""Signals that ask a program to end: as an exception where it waits, as a question where it has something to save."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Ended(KeyboardInterrupt):
    """A signal has asked the program to end."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.number = int(number)


def raise_them() -> None:
    """From now on SIGTERM and SIGHUP raise `Ended`, as SIGINT raises KeyboardInterrupt, so that what is open is closed.

    Signals that are ignored, as nohup has it, stay so. Does nothing outside the main thread.
    """

    owner = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # forked from here, and has nothing open of its own
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise Ended(number)

    if threading.current_thread() is threading.main_thread():
        for number in _ENDING[1:]:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)


class Requests:
    """Signals that have come while `kept` keeps them."""

    def __init__(self) -> None:
        self.number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None


@contextmanager
def kept() -> Iterator[Requests]:
    """In here the first signal is kept, to be asked for where it suits; a second one raises `Ended` at once.

    Outside the main thread there are no signals to keep.
    """
    requests = Requests()
    before: dict[int, Any] = {}

    def note(number: int, _: FrameType | None) -> None:
        if requests.number is not None:
            raise Ended(number)
        requests.number = number

    try:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, note)
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
