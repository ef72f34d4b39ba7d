"""What a worker is asked, and answers: bytes, so that it may be another process, or on another machine.

A batch is a line of JSON and the content of files: who asks, what, and of which machines. Its answer is a line of JSON
for each machine: ``digest``, and ``rows``, or why it is no machine (``passed_over``).
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, NamedTuple

from softreserve import __version__
from softreserve.config import NoMachineError
from softreserve.config.inventory.parcel import HERE, Parcel, described
from softreserve.model.errors import SoftReserveError
from softreserve.model.plain import plain
from softreserve.plugins.selection import Layer, Wishes, asking
from softreserve.views.fleet.question import Question
from softreserve.views.fleet.row import Row, failed, row

__all__ = ["DIGEST", "DIGEST_SIZE", "Asked", "answered", "batch", "killed", "work"]

#: Where the digest stands in a line of an answer.
DIGEST: Final = slice(len('{"digest": "'), len('{"digest": "') + 64)
#: Bytes of a digest.
DIGEST_SIZE: Final = 32
_OURS: Final = 3
#: In whose name something is done is the same for all threads of a process; workers of clusters have several.
_ONE_AT_A_TIME: Final = Lock()


class Asked(NamedTuple):
    """Who asks what.

    :param wishes: plugins that somebody wants or leaves out.
    :param timed: whether rows say how many seconds they took.
    """

    questions: tuple[Question, ...]
    wishes: Wishes
    timed: bool = False

    def as_json(self) -> dict[str, Any]:
        """As :meth:`of_json` takes it, and as it tells one run from another."""
        return {
            "version": __version__,
            "questions": [question.as_json() for question in self.questions],
            "wishes": {**self.wishes._asdict(), "below": list(self.wishes.below), "above": list(self.wishes.above)},
            "timed": self.timed,
        }

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Asked:
        """What :meth:`as_json` told."""
        below, above = (
            tuple(Layer(place, tuple(words), folder) for place, words, folder in told["wishes"][name])
            for name in ("below", "above")
        )
        questions = tuple(map(Question.of_json, told["questions"]))
        return cls(questions, Wishes(below, above, told["wishes"]["only_named"]), told["timed"])


def batch(asked: bytes, machines: Sequence[tuple[str, Parcel]]) -> bytes:
    """What a worker is asked about some machines.

    :param asked: an :class:`Asked` as JSON.
    :param machines: each with its digest.
    """
    index = [[digest, parcel.spec, [[path, len(data)] for path, data in parcel.files]] for digest, parcel in machines]
    content = b"".join(data for _, parcel in machines for _, data in parcel.files)
    return b"%s\n%s\n%s" % (asked, json.dumps(index).encode(), content)


def work(asked: bytes) -> bytes:
    """Answer a batch."""
    head, index, content = asked.split(b"\n", 2)
    told = json.loads(head)
    if told["version"] != __version__:
        raise RuntimeError(f"asked by softreserve {told['version']}, and this is {__version__}")
    question = Asked.of_json(told)
    with _ONE_AT_A_TIME, asking(question.wishes), _uncollected():
        return b"".join(answered(digest, parcel, question) for digest, parcel in _parcels(json.loads(index), content))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for garbage afterwards: next to none of what a boot makes is in circles, and looking takes a sixth of it."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _parcels(index: list[Any], content: bytes) -> Iterator[tuple[str, Parcel]]:
    at = 0
    for digest, spec, sizes in index:
        files = []
        for path, size in sizes:
            files.append((path, content[at : at + size]))
            at += size
        yield digest, Parcel(HERE, spec, files)


def answered(digest: str, parcel: Parcel, asked: Asked) -> bytes:
    """The answer of a machine, as a line."""
    rows: list[dict[str, Any]] = []
    try:
        scenario = described(parcel)
        for question in asked.questions:
            began = time.perf_counter()
            rows.append(_told(row(scenario, question, machine=HERE, digest=digest)))
            if asked.timed:
                rows[-1]["seconds"] = round(time.perf_counter() - began, 6)
    except NoMachineError as error:
        return _line(digest, passed_over=str(error).removeprefix(f"{HERE}: "))
    except SoftReserveError as error:
        return _without_answer(digest, asked, str(error), error.exit_code)
    except (Exception, RecursionError) as error:  # of ours, or of a plugin's that nobody saw to
        return _without_answer(digest, asked, f"internal error: {type(error).__name__}: {error}", _OURS)
    return _line(digest, rows=rows)


def killed(digest: str, asked: Asked) -> bytes:
    """The answer of a machine that ends every process that works on it."""
    return _without_answer(digest, asked, "every process that asked it was killed", _OURS)


def _without_answer(digest: str, asked: Asked, why: str, status: int) -> bytes:
    rows = [_told(failed(HERE, digest, question, why, status)) for question in asked.questions]
    return _line(digest, rows=rows)


def _told(found: Row) -> dict[str, Any]:
    told: dict[str, Any] = plain(found)
    return told


def _line(digest: str, **values: Any) -> bytes:
    return json.dumps({"digest": digest, **values}).encode() + b"\n"
