"""Hand commands to the queue; a refusal becomes the caller's exception again."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from services.common.kernel.errors import DomainError
from services.common.runtime.group_commit import GroupCommit
from services.points.domain.command import Command
from services.points.domain.decide import Answer, Outcome

Queue: TypeAlias = GroupCommit[Command, Answer]
"""The one queue of the service."""

O_co = TypeVar("O_co", bound=Outcome, covariant=True)


async def execute(queue: Queue, command: Command, kind: type[O_co]) -> O_co:
    """Execute one command and give its outcome, which is of the kind that belongs to it.

    Raises:
        DomainError: the command was refused.
    """
    answer = await queue.submit(command)
    if isinstance(answer, DomainError):
        raise answer
    assert isinstance(answer, kind), "each command has one kind of outcome"
    return answer


async def execute_many(queue: Queue, commands: Sequence[Command]) -> list[Answer]:
    """Execute commands in their order and give all answers; none disturbs another."""
    return await queue.submit_many(commands)
