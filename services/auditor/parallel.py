"""Running the parts of an audit in processes of their own, so that two cores prove twice as much.

Each part talks to its parent over a pipe: progress while it runs, its checks at the end. A part
that dies is an error; an audit never passes because somebody was silent.
"""

import asyncio
import gc
import multiprocessing
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Final

from services.auditor.report import Check
from services.auditor.snapshot import Source
from services.auditor.tally import Listener, Progress

GC_ALLOCATIONS: Final = 100_000
"""Objects between two looks for cycles in a worker."""


class AuditError(Exception):
    """The audit itself could not run: nothing is proven, and nothing is disproven."""


@dataclass(frozen=True, slots=True)
class ProviderSource:
    """A payment provider that speaks Stripe's API; an empty ``url`` is Stripe itself.

    ``frozen_time`` is when the databases were frozen, in Unix seconds: what the provider made since is not in them.
    """

    url: str
    key: str = field(repr=False)
    frozen_time: int


@dataclass(frozen=True, slots=True)
class Sources:
    """What an audit looks at: frozen databases, the provider, and the chart of accounts it books by.

    Without a chart's file the delivered one counts, as in the ledger. ``arrived`` tells whether nothing was under way
    between the services when they were frozen: a difference between them is a matter of time then.
    """

    ledger: Source
    points: Source
    wallet: Source | None
    chart_file: Path | None
    provider: ProviderSource | None = None
    arrived: bool = True


PartBody = Callable[[Sources, Listener], Awaitable[list[Check]]]


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the audit that runs on its own; ``body`` is a module's function, to be sent."""

    name: str
    body: PartBody


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a part says instead of its checks when it could not run."""

    message: str


@dataclass(slots=True)
class _Worker:
    """A process that runs one part after the other, our end of its pipe, and what it runs now."""

    process: SpawnProcess
    pipe: Pipe
    place: int


def run_parts(
    parts: Sequence[Part], sources: Sources, *, listener: Listener, processes_max: int
) -> list[list[Check]]:
    """Run the parts, the first ones first, and return their checks in the order of the parts.

    Raises AuditError when a part cannot finish; the others are stopped then.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(enumerate(parts))
    workers = [_start(context, sources) for _ in range(min(processes_max, len(parts)))]
    done: dict[int, list[Check]] = {}
    try:
        for worker in workers:
            worker.place = _hand_over(worker, waiting)
        while len(done) < len(parts):
            for worker in _speaking(workers):
                checks = _hear(worker, parts[worker.place], listener)
                if checks is not None:
                    done[worker.place] = checks
                    worker.place = _hand_over(worker, waiting) if waiting else worker.place
    finally:
        for worker in workers:
            worker.process.terminate()
    return [done[place] for place in range(len(parts))]


def _start(context: SpawnContext, sources: Sources) -> _Worker:
    """Start a fresh interpreter: forking would copy an event loop and connections."""
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(sources, theirs), daemon=True, name="verify")
    process.start()
    theirs.close()
    return _Worker(process, ours, 0)


def _hand_over(worker: _Worker, waiting: deque[tuple[int, Part]]) -> int:
    """Give the next part to a worker, and return the part's place."""
    place, part = waiting.popleft()
    worker.pipe.send(part)
    return place


def _speaking(workers: Sequence[_Worker]) -> list[_Worker]:
    """Wait until at least one worker has something to say."""
    speaking = wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in speaking]


def _hear(worker: _Worker, part: Part, listener: Listener) -> list[Check] | None:
    """Take one message of a worker; a part's checks are the last one about it."""
    try:
        message: Progress | _Failure | list[Check] = worker.pipe.recv()
    except EOFError:
        worker.process.join()
        code = worker.process.exitcode
        raise AuditError(f"{part.name}: the process died (exit code {code})") from None
    if isinstance(message, Progress):
        listener(message)
        return None
    if isinstance(message, _Failure):
        raise AuditError(message.message)
    return message


def _work(sources: Sources, pipe: Pipe) -> None:
    """Run parts as they come, and send their checks: the whole life of a worker."""
    # What streams by makes no cycles; looking for them as often as usual costs a fifth of the time.
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)
    while True:
        part: Part = pipe.recv()
        try:
            pipe.send(asyncio.run(_run(part, sources, pipe)))
        except Exception as error:  # noqa: BLE001 -- whatever it was, the parent must hear it.
            pipe.send(_Failure(f"{part.name}: {type(error).__name__}: {error}"))


async def _run(part: Part, sources: Sources, pipe: Pipe) -> list[Check]:
    """Run a part's body with progress going to the parent."""
    return await part.body(sources, pipe.send)
