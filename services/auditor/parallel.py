"""Running the parts of an audit in processes of their own, so that two cores prove twice as much.

Each part talks to its parent over a pipe: progress while it runs, its checks at the end. A part
that dies is an error; an audit never passes because somebody was silent.
"""

import asyncio
import multiprocessing
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from services.auditor.report import Check
from services.auditor.snapshot import Source
from services.auditor.tally import Listener, Progress


class AuditError(Exception):
    """The audit itself could not run: nothing is proven, and nothing is disproven."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What an audit looks at: frozen databases, and the chart of accounts it books by.

    Without a chart's file the delivered one counts, as in the ledger.
    """

    ledger: Source
    points: Source
    wallet: Source | None
    chart_file: Path | None


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


@dataclass(frozen=True, slots=True)
class _Running:
    """A part at work: its place in the report, its process, and our end of its pipe."""

    place: int
    part: Part
    process: SpawnProcess
    pipe: Pipe


def run_parts(
    parts: Sequence[Part], sources: Sources, *, listener: Listener, processes_max: int
) -> list[list[Check]]:
    """Run the parts, the first ones first, and return their checks in the order of the parts.

    Raises AuditError when a part cannot finish; the others are stopped then.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(enumerate(parts))
    running: list[_Running] = []
    done: dict[int, list[Check]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes_max:
                running.append(_start(context, *waiting.popleft(), sources))
            for job in _ready(running):
                checks = _hear(job, listener)
                if checks is not None:
                    done[job.place] = checks
                    job.process.join()
                    running.remove(job)
    finally:
        for job in running:
            job.process.terminate()
    return [done[place] for place in range(len(parts))]


def _start(context: SpawnContext, place: int, part: Part, sources: Sources) -> _Running:
    """Start a part in a fresh interpreter: forking would copy an event loop and connections."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_run_part, args=(part, sources, theirs), daemon=True, name=f"verify-{part.name}"
    )
    process.start()
    theirs.close()
    return _Running(place, part, process, ours)


def _ready(running: Sequence[_Running]) -> list[_Running]:
    """Wait until at least one part has something to say."""
    speaking = wait([job.pipe for job in running])
    return [job for job in running if job.pipe in speaking]


def _hear(job: _Running, listener: Listener) -> list[Check] | None:
    """Take one message of a part; its checks are the last one."""
    try:
        message: Progress | _Failure | list[Check] = job.pipe.recv()
    except EOFError:
        text = f"{job.part.name}: the process died (exit code {job.process.exitcode})"
        raise AuditError(text) from None
    if isinstance(message, Progress):
        listener(message)
        return None
    if isinstance(message, _Failure):
        raise AuditError(message.message)
    return message


def _run_part(part: Part, sources: Sources, pipe: Pipe) -> None:
    """Run a part and send its checks: the whole life of the child process."""
    try:
        pipe.send(asyncio.run(_gather(part, sources, pipe)))
    except Exception as error:  # noqa: BLE001 -- the edge of the process: whatever it was, the parent must hear it.
        pipe.send(_Failure(f"{part.name}: {type(error).__name__}: {error}"))


async def _gather(part: Part, sources: Sources, pipe: Pipe) -> list[Check]:
    """Run a part's body with progress going to the parent."""
    return await part.body(sources, pipe.send)
