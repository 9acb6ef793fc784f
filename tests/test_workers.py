"""Worker processes: order, errors, and what is said of one that dies."""

import itertools
import logging
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from asr import workers
from asr.errors import UserError
from asr.workers import WorkerError, Workers


def start():
    return squares


def squares(numbers):
    for number in numbers:
        if number == -1:
            raise UserError("the number -1 is not wanted")
        if number == -2:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == -3:
            os._exit(7)
        time.sleep(number % 3 / 1000)
        yield number * number


def refuse():
    raise UserError("there is nothing to start with")


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_order(jobs):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 1000, 200).tolist()
    cuts = [0, *sorted(rng.integers(0, 200, 20).tolist()), 200]
    parts = [numbers[left:right] for left, right in itertools.pairwise(cuts)]
    with Workers(start, jobs) as workers:
        assert list(workers.map(parts)) == [number * number for number in numbers]
        assert list(workers.map([[3]])) == [9], "and again"
        assert list(workers.map([])) == []


def test_what_a_worker_raises_is_raised():
    with Workers(start, 2) as workers, pytest.raises(UserError, match="-1 is not wanted"):
        list(workers.map([[1], [-1], [2]]))
    with Workers(refuse, 2) as workers, pytest.raises(UserError, match="nothing to start with"):
        list(workers.map([[1], [2]]))


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "said"), [(-2, "item -2 and 1 more was killed by signal 9.*memory"),
                                              (-3, "item -3 and 1 more ended with exit code 7")])  # fmt: skip
def test_a_dead_worker_is_one_sentence_and_not_a_hang(number, said):
    with Workers(start, 2, "item {}".format) as workers, pytest.raises(WorkerError, match=said):
        list(workers.map([[1], [number, 5], [2]]))


def test_nothing_is_left_running():
    with Workers(start, 3) as workers:
        processes = list(workers._workers.values())
        next(workers.map([[1]]))
    assert not any(process.is_alive() for process in processes)


def begin():
    return once


def once(numbers):
    """Counts how often this process was asked, and leaves a temporary file."""
    once.count = getattr(once, "count", 0) + 1
    handle, path = tempfile.mkstemp()
    os.close(handle)
    for number in numbers:
        yield number, once.count, os.getpid(), path


def test_fresh_workers_do_one_part_each_and_leave_no_temporary_files():
    with Workers(begin, 2, is_fresh=True) as workers:
        made = list(workers.map([[1, 2], [3], [4]]))
        assert [number for number, *_ in made] == [1, 2, 3, 4] and {count for _, count, *_ in made} == {1}
        assert len({process for *_, process, _ in made}) == 3
        assert all(Path(path).exists() for *_, path in made)
    assert not any(Path(path).parent.exists() for *_, path in made)


def warn():
    logging.getLogger("asr.workers").warning("started")
    return warn_of_each


def warn_of_each(numbers):
    for number in numbers:
        logging.getLogger("asr.workers").warning("item %d", number)
        yield number


def test_one_worker_warns_of_what_it_finds_at_its_start_and_each_of_its_items(capfd):
    log, handler = logging.getLogger("asr"), logging.StreamHandler(os.fdopen(os.dup(2), "w"))
    log.addHandler(handler)
    try:
        with Workers(warn, 3) as workers:
            assert list(workers.map([[1], [2], [3], [4]])) == [1, 2, 3, 4]
    finally:
        log.removeHandler(handler)
    lines = capfd.readouterr().err.splitlines()
    assert lines.count("started") == 1 and {"item 1", "item 2", "item 3", "item 4"} <= set(lines)


def test_ahead_keeps_order_and_passes_errors_on():
    assert list(workers.ahead(lambda number: number * 2, range(50), depth=5)) == list(range(0, 100, 2))

    def fail(number):
        if number == 3:
            raise ValueError("three")
        return number

    made = workers.ahead(fail, range(10), depth=4)
    assert [next(made), next(made), next(made)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(made)
