"""CPU time by part of the stack, PostgreSQL's sessions included."""

import contextlib
import time
from collections.abc import Mapping
from typing import Final

import psutil

CLIENT: Final = "client"
"""The load generator itself: it has the same cores as what it measures."""

_MICROSECONDS: Final = 1e6


class CpuMeter:
    """Tells how much CPU each part has used since ``start``."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Take the process of each part."""
        self._pids = pids
        self._before: dict[str, float] = {}

    def start(self) -> None:
        """Begin to count."""
        self._before = self._seconds()

    def per_unit(self, units: int) -> dict[str, float]:
        """Give the microseconds a unit, by part."""
        now = self._seconds()
        return {
            name: (now[name] - before) / units * _MICROSECONDS
            for name, before in self._before.items()
        }

    def _seconds(self) -> dict[str, float]:
        used = {name: _with_children(pid) for name, pid in self._pids.items()}
        return used | {CLIENT: time.process_time()}


def _with_children(pid: int) -> float:
    """Sum up a process, the children it has now, and those that have ended (as PostgreSQL's sessions do)."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    seconds = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            of_child = child.cpu_times()
            seconds += of_child.user + of_child.system
    return float(seconds)
