"""One command through a group commit, as its caller sees it."""

import asyncio
from collections.abc import Sequence

import pytest

from services.common.kernel.errors import DomainError, NotFound
from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.outcomes import execute


async def commit(commands: Sequence[int]) -> list[str | DomainError]:
    """Know nothing below 0."""
    return [NotFound("nothing") if command < 0 else str(command) for command in commands]


class TestExecute:
    async def test_gives_outcomes_and_raises_refusals(self) -> None:
        """A refusal is a result of the batch, and the exception of its caller alone."""
        queue = GroupCommit(commit, batch_max=10, queue_max=10, name="test")
        running = asyncio.create_task(queue.run())

        assert await execute(queue, 7, str) == "7"
        with pytest.raises(NotFound):
            await execute(queue, -1, str)

        await queue.stop()
        await running
