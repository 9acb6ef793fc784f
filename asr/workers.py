"""Many items on many cores: worker processes and threads, results in order, and no silence when a process dies.

Processes rather than threads: half of what a short file takes is Python and numpy's small calls. Each is one thread
(onnxruntime's and BLAS's own would only get in each other's way). No process outlives the one that started it.
"""

import logging
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

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

    def __init__(
        self,
        start: Callable[[], Make[Item, Made]],
        jobs: int,
        name: Callable[[Item], str] = str,
        *,
        is_fresh: bool = False,
    ) -> None:
        """`name` is what an item is called in the sentence about a worker that died over it.

        With `is_fresh` each part gets a new process that has loaded nothing, whose temporary files are removed however
        it ends: for libraries with a state, of which it is then known. `start` and the items must be picklable.
        """
        is_forked = sys.platform == "linux" and not is_fresh
        self._context: Any = multiprocessing.get_context("fork" if is_forked else "spawn")
        self._start, self._jobs, self._name, self._is_fresh = start, jobs, name, is_fresh
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="asr-")) if is_fresh else None
        self._workers: dict[Connection, BaseProcess] = {}
        for number in range(0 if is_fresh else jobs):
            self._begin(is_first=number == 0)

    def __enter__(self) -> "Workers[Item, Made]":
        return self

    def __exit__(self, *raised: object) -> None:
        for process in self._workers.values():
            process.terminate()
        for worker in list(self._workers):
            self._end(worker)
        self._stack.close()

    def _begin(self, *, is_first: bool) -> Connection:
        ours, theirs = self._context.Pipe()
        arguments = (self._start, ours, theirs, self._folder, is_first)
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends with the worker
        self._workers[ours] = process
        return cast(Connection, ours)

    def _end(self, worker: Connection) -> None:
        """Wait for a worker that has nothing left to do."""
        worker.close()
        self._workers.pop(worker).join()

    def map(self, parts: Iterable[Sequence[Item]]) -> Iterator[Made]:
        """What is made of each part, in the order of the parts, as soon as all before it is there.

        Whatever a worker raises is raised here; WorkerError says what became of one that was killed.
        """
        todo = enumerate(parts)
        idle = [*self._workers]
        busy: dict[Connection, tuple[int, Sequence[Item]]] = {}
        done: dict[int, list[Made]] = {}
        reached = 0
        while True:
            while len(busy) < self._jobs and (task := next(todo, None)):
                worker = idle.pop() if idle else self._begin(is_first=task[0] == 0)
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
                if self._is_fresh:
                    self._end(ready)
                else:
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


def _work(
    start: Callable[[], Make[Item, Made]], ours: Connection, pipe: Connection, folder: str | None, is_first: bool
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process, and the parent ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which is how it does
    ours.close()  # so that the pipe ends with the parent
    if folder:
        tempfile.tempdir = folder
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
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


def _watch(folder: str | None) -> None:
    """End this process once its parent has been killed: it would work on for nobody."""
    parent = multiprocessing.parent_process()
    if parent:
        connection.wait([parent.sentinel])
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


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
