"""Kills parts of a running stack and watches them come back."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.local.paths import StackPaths
from deploy.local.processes import ProcessIdentity, is_alive
from deploy.local.state import PartState, known_state
from deploy.local.status import answers
from services.chaos.errors import ChaosError
from services.chaos.plan import Kill

_POLL_SECONDS: Final = 0.05
_RECOVERY_SECONDS_MAX: Final = 300.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """One part that was killed and came back."""

    round_number: int
    part: str
    at_seconds: float
    """When it was killed, since the experiment began."""
    seconds: float
    """How long it took until it answered again."""


class Killer:
    """Kills by plan; what it did is in ``recoveries``, also when it is cancelled."""

    def __init__(self, paths: StackPaths, *, report: Callable[[str], None]) -> None:
        """Take the stack, and who is told what happens."""
        self.recoveries: list[Recovery] = []
        self.rounds_done = 0
        self._paths = paths
        self._report = report
        self._began = time.monotonic()

    async def run(self, kills: Sequence[Kill]) -> None:
        """Kill round after round; raises ChaosError when a part does not come back."""
        for kill in kills:
            await asyncio.sleep(kill.pause_seconds)
            await self._kill(kill)
            self.rounds_done += 1

    async def _kill(self, kill: Kill) -> None:
        victims = {name: await self._until_back(name) for name in kill.parts}
        at = time.monotonic()
        for process in victims.values():
            # It may have ended by itself just now; then it is on its way back anyhow.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self._report(f"round {kill.round_number}: killed {' and '.join(kill.parts)}")
        returns = (self._watch(kill, name, process, at) for name, process in victims.items())
        await asyncio.gather(*returns)

    async def _watch(self, kill: Kill, name: str, killed: ProcessIdentity, at: float) -> None:
        await self._until_back(name, killed=killed)
        taken = time.monotonic() - at
        self.recoveries.append(Recovery(kill.round_number, name, at - self._began, taken))
        self._report(f"round {kill.round_number}: {name} answers again after {taken:.1f} s")

    async def _until_back(
        self, name: str, *, killed: ProcessIdentity | None = None
    ) -> ProcessIdentity:
        """Wait until a part answers, from another process than the one that was killed."""
        since = time.monotonic()
        while True:
            part = _part(self._paths, name)
            process = None if part.process == killed else part.process
            if process is not None and is_alive(process) and await answers(part):
                return process
            if time.monotonic() - since > _RECOVERY_SECONDS_MAX:
                message = (
                    f"{name} did not come back within {_RECOVERY_SECONDS_MAX:.0f} s. Look into "
                    f"{self._paths.logs}."
                )
                raise ChaosError(message)
            await asyncio.sleep(_POLL_SECONDS)


def _part(paths: StackPaths, name: str) -> PartState:
    return next(part for part in known_state(paths).parts if part.name == name)
