"""One played history for all tests of the auditor: they leave it as they found it."""

import asyncio

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
