"""Looks at a stack from outside: which of its parts live and answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.health import is_listening, is_serving
from deploy.local.lock import running_pid
from deploy.local.paths import StackPaths
from deploy.local.postgres import is_accepting
from deploy.local.postgres_install import wheel_programs
from deploy.local.processes import is_alive
from deploy.local.secrets import SERVICES
from deploy.local.state import PartState, known_state


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part as it is now."""

    name: str
    pid: int | None
    """None when no process of the part lives."""
    address: str
    healthy: bool
    """Whether it answers its own kind of health check."""

    def to_json(self) -> Mapping[str, object]:
        """Return it as ``cagnotte status --json`` writes it."""
        return {
            "name": self.name,
            "pid": self.pid,
            "address": self.address,
            "healthy": self.healthy,
        }


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack as it is now: who keeps it running, and its parts."""

    paths: StackPaths
    supervisor_pid: int | None
    """The ``up`` that starts parts again; None when no such process lives."""
    parts: tuple[PartStatus, ...]

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it runs, parts that an ``up`` left behind included."""
        return self.supervisor_pid is None and all(part.pid is None for part in self.parts)

    @property
    def is_healthy(self) -> bool:
        """Whether every part answers, and somebody would start it again."""
        is_kept = self.supervisor_pid is not None
        return is_kept and bool(self.parts) and all(part.healthy for part in self.parts)

    @property
    def warning(self) -> str | None:
        """What the parts' own health does not tell, with what to do; None when there is no such thing."""
        if self.supervisor_pid is not None or self.is_stopped:
            return None
        return (
            "The `up` of this stack was killed: its parts run on, but nobody starts one again when it ends. "
            f"`{self.paths.command('up')}` takes over (it starts every part anew, the data stays), "
            f"`{self.paths.command('down')}` stops them."
        )

    def to_json(self) -> Mapping[str, object]:
        """Return it as ``cagnotte status --json`` writes it."""
        return {
            "supervisor_pid": self.supervisor_pid,
            "parts": [part.to_json() for part in self.parts],
            "warning": self.warning,
        }


async def look_at_stack(paths: StackPaths) -> StackStatus:
    """Return the folder's stack as it is; raises StackError when there never was one."""
    # Before its parts: one that stops just now is then never taken for a killed one.
    supervisor_pid = running_pid(paths)
    return StackStatus(paths, supervisor_pid, tuple(await look_at_parts(paths)))


async def look_at_parts(paths: StackPaths) -> list[PartStatus]:
    """Return every part of the folder's stack; none runs when the stack is stopped.

    Raises StackError when there never was a stack.
    """
    parts = known_state(paths).parts
    return list(await asyncio.gather(*(_look_at(part) for part in parts)))


async def _look_at(part: PartState) -> PartStatus:
    alive = part.process is not None and is_alive(part.process)
    pid = part.process.pid if alive and part.process is not None else None
    healthy = alive and await answers(part)
    return PartStatus(part.name, pid, part.address, healthy)


async def answers(part: PartState) -> bool:
    """Tell whether a part answers its own kind of health check."""
    if part.name in SERVICES:
        return await is_serving(part.address)
    if part.name == "postgres":
        return await is_accepting(wheel_programs(), int(part.address.rpartition(":")[2]))
    return await is_listening(part.address)
