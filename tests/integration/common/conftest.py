"""A database with the shared tables, and a broker, for the common library's tests."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from services.common.runtime.database import Database
from services.common.runtime.migrate import SHARED_PACKAGE
from services.common.testing.kafka import Broker, start_broker
from services.common.testing.postgres import Postgres, TestDatabase


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def common_template(postgres: Postgres) -> TestDatabase:
    """Make a database with the shared tables once."""
    return await postgres.create_template("common", package=SHARED_PACKAGE, journal="facts")


@pytest.fixture
async def database(
    postgres: Postgres, common_template: TestDatabase
) -> AsyncIterator[TestDatabase]:
    """Give the test a database of its own."""
    async with postgres.clone(common_template) as clone:
        yield clone


@pytest.fixture
async def db(database: TestDatabase) -> AsyncIterator[Database]:
    """Open it with the rights of a service."""
    async with database.open() as opened:
        yield opened


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Give the test a broker that knows nothing yet."""
    with start_broker() as running:
        yield running
