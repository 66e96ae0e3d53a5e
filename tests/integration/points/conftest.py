"""The points service on a real PostgreSQL: its queue and questions, or the whole process."""

import asyncio
import os
import sys
from asyncio import create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from deploy.local.ports import any_free_port
from services.common.kernel.clock import SimulatedClock
from services.common.runtime.config import CallerKind
from services.common.runtime.database import Database
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.grpc_client import open_channel
from services.common.testing.postgres import Postgres, TestDatabase
from services.points.domain.ticket import TicketLimits
from services.points.usecases.commit_batch import CommitBatch
from services.points.usecases.execute import Queue
from services.points.usecases.read import Reader

MIGRATIONS = "services.points.store.migrations"
START = datetime(2017, 1, 5, 12, tzinfo=UTC)
LIMITS = TicketLimits(timedelta(minutes=5), timedelta(days=30))


@dataclass(frozen=True, slots=True)
class Points:
    """The service without its API, on a clock that the test moves."""

    queue: Queue
    reader: Reader
    clock: SimulatedClock
    db: Database
    database: TestDatabase


@pytest.fixture(scope="session")
def points_template(postgres: Postgres) -> TestDatabase:
    """Migrate one database that tests clone."""
    return asyncio.run(
        postgres.create_template("points_template", package=MIGRATIONS, journal="facts")
    )


@pytest.fixture
async def database(
    postgres: Postgres, points_template: TestDatabase
) -> AsyncIterator[TestDatabase]:
    """Give a database of the service's, empty but migrated."""
    async with postgres.clone(points_template) as clone:
        yield clone


@pytest.fixture
async def points(database: TestDatabase) -> AsyncIterator[Points]:
    """Run the service's queue on a database of its own, with the rights of its role."""
    async with _run_queue(database) as points:
        yield points


@pytest.fixture
async def other_points(postgres: Postgres, points_template: TestDatabase) -> AsyncIterator[Points]:
    """Run a second service beside the first, to compare the two."""
    async with postgres.clone(points_template) as clone, _run_queue(clone) as points:
        yield points


@pytest.fixture
async def neighbour(points: Points) -> AsyncIterator[Points]:
    """Run a second process of the same shard: the same database, another queue."""
    async with _run_queue(points.database) as neighbour:
        yield neighbour


@asynccontextmanager
async def _run_queue(database: TestDatabase) -> AsyncIterator[Points]:
    clock = SimulatedClock(START)
    async with database.open() as db, asyncio.TaskGroup() as tasks:
        commit = CommitBatch(db, clock, limits=LIMITS, shard_id=0, on_commit=lambda: None)
        queue: Queue = GroupCommit(commit, batch_max=500, queue_max=5000)
        tasks.create_task(queue.run())
        yield Points(queue, Reader(db, shard_id=0), clock, db, database)
        await queue.stop()


Channels = Callable[..., grpc.aio.Channel]
"""Opens a channel to the running service as a caller of some kind."""


@pytest.fixture
async def channels(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Channels]:
    """Run ``python -m services.points serve`` and open channels to it."""
    keys = open_dev_keys(tmp_path)
    async with _process(database, keys) as address:
        opened: list[grpc.aio.Channel] = []

        def open_as(
            kind: CallerKind, subject: str, store_ids: Sequence[str] | None = None
        ) -> grpc.aio.Channel:
            now, lifetime = datetime.now(UTC), timedelta(hours=1)
            token = keys.mint(kind, subject, now=now, lifetime=lifetime, store_ids=store_ids)
            opened.append(open_channel(address, token=token))
            return opened[-1]

        await open_as(CallerKind.OPERATOR, "start").channel_ready()
        yield open_as
        for channel in opened:
            await channel.close()


@asynccontextmanager
async def _process(database: TestDatabase, keys: DevKeys) -> AsyncIterator[str]:
    address = f"127.0.0.1:{any_free_port()}"
    env = os.environ | {
        "POINTS_POSTGRES__DSN": database.runtime_dsn,
        "POINTS_KAFKA__BOOTSTRAP": "127.0.0.1:9",
        "POINTS_GRPC__LISTEN": address,
        "POINTS_IDENTITY__JWKS_FILE": str(keys.jwks_file),
        "POINTS_DEVELOPMENT": "true",
        "POINTS_CLOCK": "simulated",
        "POINTS_CLOCK_START_TIME": START.isoformat(),
    }
    process = await create_subprocess_exec(
        sys.executable, "-m", "services.points", "serve", env=env
    )
    try:
        yield address
    finally:
        process.terminate()
        assert await process.wait() == 0, "a service ends cleanly when it is asked to"
