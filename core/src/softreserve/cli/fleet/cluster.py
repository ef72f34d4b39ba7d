"""A cluster of dask.distributed as the one who does the work. Workers need softreserve of its version, and no files.

What goes there and back are bytes of :mod:`softreserve.cli.fleet.work`. The cluster gives a batch of a worker that
dies to another one; of one that has lost several, it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from softreserve.cli.fleet.schedulers import MISSING, Batch, Scheduler, encoded
from softreserve.cli.fleet.work import Asked, batch, killed, work
from softreserve.model.errors import InputError

__all__ = ["PATIENCE", "cluster"]

#: Seconds in which the scheduler, and then a worker, has to be there.
PATIENCE: Final = 30
#: Batches that wait for each thread of a worker, beside the one that it works on.
_WAITING: Final = 2


def cluster(address: str) -> Scheduler:
    """The workers of a scheduler.

    :param address: ``tcp://HOST:PORT``.
    :raises InputError: distributed is not installed.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(f"--scheduler {MISSING.format('distributed')}") from None

    def worked(asked: Asked, batches: Iterator[Batch]) -> Iterator[bytes]:
        """See :class:`Scheduler`."""
        from distributed import Client

        try:
            client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, ImportError) as error:  # ImportError: a protocol that is not there
            raise InputError(f"no scheduler of dask.distributed answers: {error}", path=address) from None
        with client:
            yield from _answers(client, address, asked, batches)

    return worked


def _answers(client: Any, address: str, asked: Asked, batches: Iterator[Batch]) -> Iterator[bytes]:
    from distributed import CancelledError, KilledWorker, as_completed

    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise InputError(f"the scheduler has no workers after {PATIENCE} seconds", path=address) from None
    head = encoded(asked)
    running: dict[Any, Batch] = {}
    ended = as_completed(loop=client.loop)

    def submit(one: Batch) -> None:
        future = client.submit(work, batch(head, one.machines), pure=False)
        running[future] = one
        ended.add(future)

    while True:
        room = (1 + _WAITING) * max(1, sum(client.nthreads().values()))
        while len(running) < room and (following := next(batches, None)) is not None:
            submit(following)
        if not running:
            return
        future = next(ended)
        one = running.pop(future)
        try:
            answer: bytes = future.result()
        except KilledWorker:
            if len(one.machines) == 1:
                yield killed(one.machines[0][0], asked)
            else:
                for half in one.halves():
                    submit(half)
        except CancelledError:
            raise InputError("the scheduler is gone", path=address) from None
        except Exception as error:
            raise InputError(f"a worker cannot do it: {type(error).__name__}: {error}", path=address) from None
        else:
            yield answer
