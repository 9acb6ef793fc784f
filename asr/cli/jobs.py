"""How many worker processes a command starts, and what each of them gets at a time."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from asr import machine

if TYPE_CHECKING:
    from asr.modelfile.session import Runtime
    from asr.workers import Make, Workers

Item = TypeVar("Item")
Made = TypeVar("Made")


_BYTES_PER_JOB = 8 << 20  # of sound files: what a core does while another process starts
_SHORT_BYTES = 1 << 20  # of sound files: what NumPy recognises while onnxruntime starts
_PART, _PART_BYTES = 32, 4 << 20  # files, and bytes of them, that a process gets at a time


def start_workers(
    start: "Callable[[], Make[Item, Made]]", jobs: int | None, items: "Sequence[Item]", path: "Callable[[Item], str]"
) -> "AbstractContextManager[Workers[Item, Made] | None]":
    """As many processes as asked for, or as pay; None where one does, or where one alone can read a pipe."""
    paths = {path(item) for item in items}
    if jobs is None:
        jobs = min(machine.num_cores(), 1 + sum(map(_size, paths)) // _BYTES_PER_JOB)
    jobs = min(jobs, len(items))
    if jobs < 2 or any(path == "-" or path.startswith("/dev/") for path in paths):
        return nullcontext()
    from asr.workers import Workers

    return Workers(start, jobs, path)


def choose_runtime(paths: Sequence[str]) -> "Runtime":
    """NumPy for a little sound, or for a pipe, of which nobody knows; else onnxruntime."""
    return "numpy" if sum(map(_size, paths)) <= _SHORT_BYTES else "onnxruntime"


def portions(items: "Sequence[Item]", path: "Callable[[Item], str]") -> "Iterator[list[Item]]":
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
    except (OSError, ValueError):  # ValueError: a name with a NUL
        return 0
