"""Hand a command to a group commit; a refusal becomes the caller's exception again."""

from typing import TypeVar

from services.common.kernel.errors import DomainError
from services.common.runtime.group_commit import GroupCommit

C = TypeVar("C")
R = TypeVar("R")
Kind = TypeVar("Kind")


async def execute(queue: GroupCommit[C, R], command: C, kind: type[Kind]) -> Kind:
    """Execute one command and give its outcome, which is of the kind that belongs to it.

    Raises:
        DomainError: the command was refused.
    """
    answer = await queue.submit(command)
    if isinstance(answer, DomainError):
        raise answer
    assert isinstance(answer, kind), "each command has one kind of outcome"
    return answer
