"""The queue of the service, and how commands go through it."""

from collections.abc import Sequence
from typing import TypeAlias

from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.outcomes import execute
from services.points.domain.command import Command
from services.points.domain.decide import Answer

Queue: TypeAlias = GroupCommit[Command, Answer]
"""The one queue of the service."""

__all__ = ["Queue", "execute", "execute_many"]


async def execute_many(queue: Queue, commands: Sequence[Command]) -> list[Answer]:
    """Execute commands in their order and give all answers; none disturbs another."""
    return await queue.submit_many(commands)
