"""Many items on many cores: worker processes and threads, results in order, and no silence when a process dies.

Processes rather than threads: half of what a short file takes is Python and numpy's small calls. Each is one thread
(onnxruntime's and BLAS's own would only get in each other's way). Only the commands start them, where they pay.
"""

import logging
import multiprocessing
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from asr.errors import UserError

Item = TypeVar("Item")
Made = TypeVar("Made")
Make = Callable[[Sequence[Item]], Iterable[Made]]


class WorkerError(UserError):
    """A worker process that has died; the message is one sentence."""


class Workers(Generic[Item, Made]):
    """Processes that each call `start` and then what it returns, again and again; to be used in a with statement.

    Start them before onnxruntime is loaded: where there is a fork, it copies a process that has no other thread yet.
    Elsewhere `start` and the items must be picklable.
    """

    def __init__(self, start: Callable[[], Make[Item, Made]], jobs: int, name: Callable[[Item], str] = str) -> None:
        """`name` is what an item is called in the sentence about a worker that died over it."""
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._name = name
        self._workers: dict[Connection, BaseProcess] = {}
        for number in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(start, ours, theirs, number == 0), daemon=True)
            process.start()
            theirs.close()  # so that the pipe ends with the worker
            self._workers[ours] = process

    def __enter__(self) -> "Workers[Item, Made]":
        return self

    def __exit__(self, *raised: object) -> None:
        for ours, process in self._workers.items():
            process.terminate()
            ours.close()
        for process in self._workers.values():
            process.join()

    def map(self, parts: Iterable[Sequence[Item]]) -> Iterator[Made]:
        """What is made of each part, in the order of the parts, as soon as all before it is there.

        Whatever a worker raises is raised here; WorkerError says what became of one that was killed.
        """
        todo = enumerate(parts)
        idle = list(self._workers)
        busy: dict[Connection, tuple[int, Sequence[Item]]] = {}
        done: dict[int, list[Made]] = {}
        reached = 0
        while True:
            while idle and (task := next(todo, None)):
                worker = idle.pop()
                busy[worker] = task
                with suppress(BrokenPipeError):  # what became of it is found out below
                    worker.send(task[1])
            if not busy:
                return
            for ready in connection.wait(list(busy)):
                assert isinstance(ready, Connection)
                number, part = busy.pop(ready)
                try:
                    result = ready.recv()
                except (EOFError, ConnectionError):
                    raise self._died(ready, part) from None
                if isinstance(result, BaseException):
                    raise result
                done[number] = result
                idle.append(ready)
            while reached in done:
                yield from done.pop(reached)
                reached += 1

    def _died(self, worker: Connection, part: Sequence[Item]) -> WorkerError:
        process = self._workers[worker]
        process.join()
        code = process.exitcode or 0
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was killed by signal {-code}"
        if code == -9:
            how += ", as the system does when memory runs out; fewer --jobs need less"
        others = f" and {len(part) - 1} more" if len(part) > 1 else ""
        return WorkerError(f"the process that had {self._name(part[0])}{others} {how}")


def _work(start: Callable[[], Make[Item, Made]], ours: Connection, pipe: Connection, is_first: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process, and the parent ends its workers
    ours.close()  # so that the pipe ends with the parent
    make: Make[Item, Made] | Exception
    log = logging.getLogger("asr")
    level = log.level
    try:
        if not is_first:  # all of them start alike: one warns of what it finds
            log.setLevel(logging.ERROR)
        make = start()
    except Exception as error:
        make = _traced(error)
    log.setLevel(level)
    with suppress(EOFError, ConnectionError):  # the parent is gone
        while True:
            part = pipe.recv()
            try:
                if isinstance(make, Exception):
                    raise make
                made: list[Made] | Exception = list(make(part))
            except Exception as error:
                made = _traced(error)
            pipe.send(made)


def _traced(error: Exception) -> Exception:
    """The error with its traceback as a note: what is pickled loses it, and a bug in a worker must be found, too."""
    if not isinstance(error, UserError | OSError):
        error.add_note("".join(traceback.format_exception(error)))
    return error


def ahead(make: Callable[[Item], Made], items: Iterable[Item], *, depth: int, threads: int = 2) -> Iterator[Made]:
    """`map(make, items)` on threads, in order, with at most `depth` results waiting."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) >= depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
