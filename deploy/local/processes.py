"""Processes by identity: a pid alone may belong to somebody else by now."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

_POLL_SECONDS: Final = 0.05
_SAME_START_SECONDS: Final = 5.0
"""Start times move a little when the machine's clock is set; no pid comes round again within that."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, told apart from a later one with the same pid by when it started."""

    pid: int
    start_seconds: float
    """Since the epoch."""


def identify(pid: int) -> ProcessIdentity | None:
    """Return who runs under a pid now, or None when nobody does."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, process.create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(process: ProcessIdentity) -> bool:
    """Tell whether exactly this process still runs."""
    current = identify(process.pid)
    return (
        current is not None
        and abs(current.start_seconds - process.start_seconds) < _SAME_START_SECONDS
    )


def stop_leftovers(processes: Sequence[ProcessIdentity], *, seconds_max: float) -> list[int]:
    """Stop the parts that an ``up`` left behind when it was killed; return the pids that were still there.

    They get an interrupt (PostgreSQL's fast shutdown, a service's graceful one) and, when that takes too long, a kill:
    whatever they had acknowledged is in PostgreSQL's log.
    """
    left = [process for process in processes if is_alive(process)]
    for process in left:
        _signal(process, signal.SIGINT)
    until = time.monotonic() + seconds_max
    while any(is_alive(process) for process in left) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    for process in left:
        if is_alive(process):
            _signal(process, signal.SIGKILL)
    return [process.pid for process in left]


def _signal(process: ProcessIdentity, number: signal.Signals) -> None:
    # It may end between the look and the signal, which is what was wanted.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
