"""One played history for all tests of the auditor: they leave it as they found it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from services.common.runtime.migrate import Journal
from services.common.testing.postgres import Postgres, TestDatabase
from tests.integration.auditor.history import play
from tests.integration.auditor.stage import Stack

JOURNALS: dict[str, Journal] = {"ledger": "own", "points": "facts", "wallet": "facts"}


@pytest.fixture(scope="session")
def stack(postgres: Postgres) -> Stack:
    """Give a stack with a small real history."""

    async def make() -> Stack:
        databases: dict[str, TestDatabase] = {}
        for service, journal in JOURNALS.items():
            databases[service] = await postgres.create_template(
                f"audited_{service}",
                package=f"services.{service}.store.migrations",
                journal=journal,
            )
        stack = Stack(**databases)
        await play(stack)
        return stack

    return asyncio.run(make())


@pytest.fixture
async def copy(postgres: Postgres, stack: Stack) -> AsyncIterator[Stack]:
    """Give a copy of the played history that a test may spoil."""
    async with AsyncExitStack() as clones:
        yield Stack(
            ledger=await clones.enter_async_context(postgres.clone(stack.ledger)),
            points=await clones.enter_async_context(postgres.clone(stack.points)),
            wallet=await clones.enter_async_context(postgres.clone(stack.wallet)),
        )
