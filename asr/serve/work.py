"""Recognition beside the event loop: so many threads, and a queue that refuses more than it can answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asr.errors import UserError

Made = TypeVar("Made")


class BusyError(UserError):
    """More waits than may wait."""


class Work:
    """Threads that recognise. Streams have their own, so that no long recording keeps a speaker waiting."""

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "recognise")
        self._live = ThreadPoolExecutor(threads, "live")
        self._max_waiting = max_waiting
        self.num_waiting = 0
        self.num_streams = 0

    async def recording(self, make: Callable[[], Made]) -> Made:
        """What a thread makes of a recording. Raises BusyError where too many wait."""
        if self.num_waiting >= self._max_waiting:
            raise BusyError(f"{self.num_waiting} requests are waiting; try again in a moment")
        self.num_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, make)
        finally:
            self.num_waiting -= 1

    async def block(self, make: Callable[[], Made]) -> Made:
        """What a thread makes of a block of live sound."""
        return await asyncio.get_running_loop().run_in_executor(self._live, make)

    def close(self) -> None:
        """Wait for what is being made."""
        self._pool.shutdown()
        self._live.shutdown()
