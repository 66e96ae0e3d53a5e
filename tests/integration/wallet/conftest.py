"""The wallet on a real PostgreSQL, with the sandbox provider as the process that it is."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from services.common.testing.postgres import Postgres, TestDatabase
from services.wallet.clients.stripe import open_stripe
from tests.integration.wallet.sandbox import KEY, Sandbox, run_sandbox
from tests.integration.wallet.shop import Shop, World, run_shop

MIGRATIONS = "services.wallet.store.migrations"
PROVIDER_SECONDS = 1.0


@pytest.fixture(scope="session")
def wallet_template(postgres: Postgres) -> TestDatabase:
    """Migrate one database that tests clone."""
    return asyncio.run(
        postgres.create_template("wallet_template", package=MIGRATIONS, journal="facts")
    )


@pytest.fixture
async def database(
    postgres: Postgres, wallet_template: TestDatabase
) -> AsyncIterator[TestDatabase]:
    """Give a database of the wallet's, empty but migrated."""
    async with postgres.clone(wallet_template) as clone:
        yield clone


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run one sandbox for all; its shoppers are told apart by their ids."""
    with asyncio.Runner() as runner:
        running = run_sandbox(tmp_path_factory.mktemp("sandbox"))
        sandbox = runner.run(running.__aenter__())
        yield sandbox
        runner.run(running.__aexit__(None, None, None))


@pytest.fixture
async def world(database: TestDatabase, shared_sandbox: Sandbox) -> AsyncIterator[World]:
    """Give what outlives a wallet, for one test."""
    async with open_stripe(
        api_key=KEY,
        url=shared_sandbox.url,
        timeout_seconds=PROVIDER_SECONDS,
        connections_max=8,
    ) as provider:
        yield World(database, provider, shared_sandbox)


@pytest.fixture
async def shop(world: World) -> AsyncIterator[Shop]:
    """Run a wallet."""
    async with run_shop(world) as running:
        yield running
