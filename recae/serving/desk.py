"""Where answers are computed: at once where that is quick, else in one of a few threads, for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from recae.jit import run_serially
from recae.serving.limits import Limits

T = TypeVar("T")
QUICK = 0.005  # seconds; a thread costs a tenth of a millisecond, and the turns of Python's threads five


class BusyError(Exception):
    """There is no room for another request, or its time is over: the client is to come back."""


class Desk:
    """Runs jobs for requests.

    A job that takes longer than a request may is given up by the request, not by its thread: Python cannot end it. So
    the jobs that are there are counted, and where they are too many the next request is refused at once.
    """

    def __init__(self, limits: Limits, threads: int) -> None:
        self._limits = limits
        self._pool = ThreadPoolExecutor(threads, "recae-serving", run_serially)
        self._jobs = 0

    async def run(self, job: Callable[[], T], *, quick: bool) -> T:
        """The result of a job.

        Raises:
            BusyError: too many jobs are there, or this one takes too long.
        """
        if quick:
            return job()
        if self._jobs >= self._limits.waiting:
            raise BusyError(f"{self._jobs} requests wait already; try again in a moment")
        self._jobs += 1
        future = self._pool.submit(job)
        future.add_done_callback(self._count_down(asyncio.get_running_loop()))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._limits.seconds)
        except TimeoutError:
            raise BusyError(f"the answer takes longer than {self._limits.seconds:g} seconds; ask for less") from None

    def _count_down(self, loop: asyncio.AbstractEventLoop) -> Callable[[Future[T]], None]:
        def one_less() -> None:
            self._jobs -= 1

        def done(_: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(one_less)

        return done

    def close(self) -> None:
        """Begin no job any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
