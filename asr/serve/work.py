"""Recognition beside the event loop: so many threads, and a queue that refuses more than it can answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asr.errors import UserError

Made = TypeVar("Made")


_PATIENCE_S = 0.1  # that a recording gives way to blocks of live sound


class BusyError(UserError):
    """More waits than may wait."""


class Work:
    """Threads that recognise. Streams have their own, so that no long recording keeps a speaker waiting.

    While there are streams, recordings go one at a time, each when no block of a stream waits, or after a moment.
    """

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "recognise")
        self._live = ThreadPoolExecutor(threads, "live")
        self._turns, self._one_turn = asyncio.Semaphore(threads), asyncio.Semaphore(1)
        self._num_blocks, self._has_none = 0, asyncio.Event()
        self._has_none.set()
        self._max_waiting = max_waiting
        self.num_waiting = 0
        self._streams: set[Callable[[], Awaitable[None]]] = set()
        self._is_ending = False

    async def recording(self, make: Callable[[], Made]) -> Made:
        """What a thread makes of a recording. Raises BusyError where too many wait."""
        if self.num_waiting >= self._max_waiting:
            raise BusyError(f"{self.num_waiting} requests are waiting; try again in a moment")
        self.num_waiting += 1
        try:
            async with self._one_turn if self._streams else self._turns:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._has_none.wait(), _PATIENCE_S)
                return await asyncio.get_running_loop().run_in_executor(self._pool, make)
        finally:
            self.num_waiting -= 1

    async def block(self, make: Callable[[], Made]) -> Made:
        """What a thread makes of a block of live sound."""
        self._num_blocks += 1
        self._has_none.clear()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._live, make)
        finally:
            self._num_blocks -= 1
            if not self._num_blocks:
                self._has_none.set()

    @property
    def num_streams(self) -> int:
        """Connections of live sound that are open."""
        return len(self._streams)

    def open_stream(self, end: Callable[[], Awaitable[None]], max_streams: int) -> None:
        """Count a connection of live sound; `end` gives it what it has spoken, and closes it. Raises BusyError."""
        if self._is_ending:
            raise BusyError("the server is ending; try again later")
        if self.num_streams >= max_streams:
            raise BusyError(f"{self.num_streams} streams are open; try again later")
        self._streams.add(end)

    def close_stream(self, end: Callable[[], Awaitable[None]]) -> None:
        """It is over; of one that was never opened nothing happens."""
        self._streams.discard(end)

    async def end_streams(self, patience_s: float) -> None:
        """Give every stream its final result at once, and take no new one; in at most so many seconds."""
        self._is_ending = True
        ends = [asyncio.ensure_future(end()) for end in self._streams]
        if ends:
            await asyncio.wait(ends, timeout=patience_s)

    def close(self) -> None:
        """Wait for what is being made."""
        self._pool.shutdown()
        self._live.shutdown()
