"""A database with the shared tables, a broker, and a server that does what it is told: for the tests of the library."""

import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
import structlog

from services.common.runtime.config import LogSettings
from services.common.runtime.database import Database
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.grpc_client import open_channel
from services.common.runtime.grpc_server import GrpcServer
from services.common.runtime.logging import configure_logging
from services.common.runtime.migrate import SHARED_PACKAGE
from services.common.testing.kafka import Broker, start_broker
from services.common.testing.postgres import Postgres, TestDatabase
from tests.integration.common.talk import Talk, build, token


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


@pytest.fixture
def talk() -> Talk:
    """Give the servicer."""
    return Talk()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> DevKeys:
    """Give development keys."""
    return open_dev_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def server(talk: Talk, keys: DevKeys) -> AsyncIterator[GrpcServer]:
    """Give a running server."""
    server = build(talk, keys)
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


@pytest.fixture
async def till(server: GrpcServer, keys: DevKeys) -> AsyncIterator[grpc.aio.Channel]:
    """Give a till's channel."""
    async with open_channel(server.address, token=token(keys), attempts_max=1) as channel:
        yield channel


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Give the canonical lines that were written."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers = []
    configure_logging(LogSettings(), service="talk", stream=stream)

    def lines() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == "grpc.call_finished"]

    yield lines
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()
