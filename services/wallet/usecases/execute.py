"""Hand commands to the queue; a refusal becomes the caller's exception again."""

from typing import TypeAlias, TypeVar

from services.common.kernel.errors import DomainError
from services.common.runtime.group_commit import GroupCommit
from services.wallet.domain.command import Command
from services.wallet.domain.decide import Outcome, Verdict

Queue: TypeAlias = GroupCommit[Command, Verdict]
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
