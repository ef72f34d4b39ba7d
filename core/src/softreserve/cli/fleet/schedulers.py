"""Who does the work: this process, or processes beside it. Each hands out batches and gives the answers.

Answers come in any order, and batches are made only as fast as they are worked on. A worker that dies takes nothing
along: its batch is done again, by halves, until the machine is found that it died of.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from softreserve.cli.fleet.work import Asked, batch, killed, work
from softreserve.model.errors import InputError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from softreserve.config.inventory.parcel import Parcel

__all__ = ["DEATHS", "MISSING", "Batch", "Processes", "Scheduler", "cores", "encoded", "here", "processes"]

#: How many processes a machine may end that work on it alone before it is given up.
DEATHS: Final = 3
#: Batches that wait for each process, beside the one that it works on.
_WAITING: Final = 2
#: Seconds between two looks whether the process is there that the work is for.
_LOOK: Final = 1.0
MISSING: Final = "needs {}, which is not installed: pip install 'softreserve[fleet]'"


class Batch(NamedTuple):
    """Machines that are asked together.

    :param machines: each with its digest.
    :param deaths: how many processes it ended that had nothing else to do.
    """

    machines: tuple[tuple[str, Parcel], ...]
    deaths: int = 0

    def halves(self) -> list[Batch]:
        """The same in two."""
        middle = len(self.machines) // 2
        return [Batch(self.machines[:middle]), Batch(self.machines[middle:])]


class Scheduler(Protocol):
    """Has batches worked on."""

    def __call__(self, asked: Asked, batches: Iterator[Batch]) -> Iterator[bytes]:
        """Answers of batches, in any order."""
        ...


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def encoded(asked: Asked) -> bytes:
    """Who asks what, as batches begin."""
    import json

    return json.dumps(asked.as_json()).encode()


def here(asked: Asked, batches: Iterator[Batch]) -> Iterator[bytes]:
    """Work in this process."""
    head = encoded(asked)
    for one in batches:
        yield work(batch(head, one.machines))


def processes(jobs: int) -> Scheduler:
    """Processes beside this one, by joblib's loky.

    :raises InputError: joblib is not installed.
    """
    try:
        from joblib.externals.loky import ProcessPoolExecutor
    except ImportError:
        raise InputError(f"--jobs {jobs} {MISSING.format('joblib')}; --jobs 1 works without") from None

    def pool(workers: int) -> Executor:
        made: Executor = ProcessPoolExecutor(max_workers=workers, initializer=_end_with, initargs=(os.getpid(),))
        return made

    return Processes(jobs, pool)


class Processes:
    """Processes of a pool; one that loses a process is broken, and another takes its place."""

    def __init__(self, jobs: int, pool: Callable[[int], Executor]) -> None:
        self._jobs = jobs
        self._pool = pool

    def __call__(self, asked: Asked, batches: Iterator[Batch]) -> Iterator[bytes]:
        """See :class:`Scheduler`."""
        head = encoded(asked)
        while True:
            running: dict[Future[bytes], Batch] = {}
            pool = self._pool(self._jobs)
            try:
                yield from self._answers(pool, head, batches, running)
                return
            except BrokenExecutor:
                pass
            finally:
                _end(pool)
            # each of those that may have done it by itself, so that it is known which one did
            yield from self._alone(asked, head, deque(running.values()))

    def _answers(
        self, pool: Executor, head: bytes, batches: Iterator[Batch], running: dict[Future[bytes], Batch]
    ) -> Iterator[bytes]:
        """Answers as they come.

        :param running: gets what is worked on.
        """
        more = True
        while True:
            while more and len(running) < self._jobs * (1 + _WAITING):
                one = next(batches, None)
                if one is None:
                    more = False
                else:
                    nobody: Future[bytes] = Future()  # who takes no more work has not done this
                    running[nobody] = one
                    future = pool.submit(work, batch(head, one.machines))
                    running[future] = running.pop(nobody)
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                answer = done.result()
                del running[done]
                yield answer

    def _alone(self, asked: Asked, head: bytes, suspects: deque[Batch]) -> Iterator[bytes]:
        """Answers of batches that may end a process: one at a time."""
        pool = self._pool(1)
        try:
            while suspects:
                one = suspects.popleft()
                try:
                    yield pool.submit(work, batch(head, one.machines)).result()
                except BrokenExecutor:
                    _end(pool)
                    pool = self._pool(1)
                    if len(one.machines) > 1:
                        suspects.extendleft(reversed(one.halves()))
                    elif one.deaths + 1 < DEATHS:
                        suspects.appendleft(one._replace(deaths=one.deaths + 1))
                    else:
                        yield killed(one.machines[0][0], asked)
        finally:
            _end(pool)


def _end_with(parent: int) -> None:
    """See that this process ends when the one is gone that it works for: loky's would wait for good."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, name="softreserve-parent", daemon=True).start()


def _end(pool: Executor) -> None:
    """End a pool and what it still works on; nobody waits for it."""
    pool.shutdown(wait=False, kill_workers=True)  # type: ignore[call-arg] # loky's
