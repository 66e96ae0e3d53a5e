"""The wallet's neighbors as processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.wallet.sandbox import Sandbox, run_sandbox
from tests.integration.wallet.shop import HASTY_SECONDS, Shop, open_adapter


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run one sandbox provider; its shoppers are told apart by their ids."""
    with asyncio.Runner() as runner:
        running = run_sandbox(tmp_path_factory.mktemp("sandbox"))
        sandbox = runner.run(running.__aenter__())
        yield sandbox
        runner.run(running.__aexit__(None, None, None))


@pytest.fixture
async def shop(sandbox: Sandbox) -> AsyncIterator[Shop]:
    """Open the adapter on it."""
    async with (
        open_adapter(sandbox.url) as provider,
        open_adapter(sandbox.url, timeout_seconds=HASTY_SECONDS) as hasty,
    ):
        yield Shop(provider, hasty, sandbox)
