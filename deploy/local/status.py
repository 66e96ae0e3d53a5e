"""Looks at a stack from outside: which of its parts live and answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.health import is_listening, is_serving
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
