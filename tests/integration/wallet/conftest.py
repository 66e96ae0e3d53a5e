"""The wallet on a real PostgreSQL, its neighbors as processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.common.testing.postgres import Postgres, TestDatabase
from services.wallet.clients.stripe import open_stripe
from tests.integration.wallet.card_desk import HASTY_SECONDS, CardDesk, open_adapter
from tests.integration.wallet.process import Town, build_town
from tests.integration.wallet.sandbox import KEY, Sandbox, run_sandbox
from tests.integration.wallet.world import Wallet, World, run_wallet

MIGRATIONS = "services.wallet.store.migrations"
PROVIDER_SECONDS = 1.0


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run one sandbox provider; its shoppers are told apart by their ids."""
    with asyncio.Runner() as runner:
        running = run_sandbox(tmp_path_factory.mktemp("sandbox"))
        sandbox = runner.run(running.__aenter__())
        yield sandbox
        runner.run(running.__aexit__(None, None, None))


@pytest.fixture
async def desk(sandbox: Sandbox) -> AsyncIterator[CardDesk]:
    """Open the adapter on it."""
    async with (
        open_adapter(sandbox.url) as provider,
        open_adapter(sandbox.url, timeout_seconds=HASTY_SECONDS) as hasty,
    ):
        yield CardDesk(provider, hasty, sandbox)


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


@pytest.fixture
async def world(database: TestDatabase, sandbox: Sandbox) -> AsyncIterator[World]:
    """Give what outlives a wallet, for one test."""
    async with open_stripe(
        api_key=KEY, url=sandbox.url, timeout_seconds=PROVIDER_SECONDS, connections_max=8
    ) as provider:
        yield World(database, provider, sandbox)


@pytest.fixture
async def wallet(world: World) -> AsyncIterator[Wallet]:
    """Run a wallet."""
    async with run_wallet(world) as running:
        yield running


@pytest.fixture
async def town(database: TestDatabase, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Town]:
    """Give what outlives a wallet's process, for one test."""
    async with build_town(database, sandbox, tmp_path) as built:
        yield built
