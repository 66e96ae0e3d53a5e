"""The simulated clock over gRPC, kept in a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import SecretStr

from cagnotte.common.v1 import clock_service_pb2 as pb
from cagnotte.common.v1 import clock_service_pb2_grpc
from services.common.kernel.clock import SimulatedClock
from services.common.runtime.clock import ClockBackwards, ServiceClock, open_clock
from services.common.runtime.clock_service import clock_registration
from services.common.runtime.config import (
    CallerKind,
    ClockKind,
    GrpcSettings,
    IdentitySettings,
    KafkaSettings,
    PostgresSettings,
    ServiceSettings,
)
from services.common.runtime.database import Database
from services.common.runtime.dev_keys import open_dev_keys
from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.grpc_server import build_server
from services.common.runtime.identity import Identity
from services.common.testing.postgres import Postgres, TestDatabase

MARCH = datetime(2017, 3, 1, 22, 59, 59, 999999, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def template(postgres: Postgres) -> TestDatabase:
    """Migrate a database that has the shared tables alone."""
    return asyncio.run(
        postgres.create_template(
            "clock", package="services.common.runtime.migrations", journal="own"
        )
    )


@pytest.fixture
async def db(postgres: Postgres, template: TestDatabase) -> AsyncIterator[Database]:
    """Give a database of its own, with the rights of a service."""
    async with postgres.clone(template) as database, database.open() as db:
        yield db


def settings(clock: ClockKind) -> ServiceSettings:
    """Make the settings of a development stack."""
    return ServiceSettings(
        postgres=PostgresSettings(dsn=SecretStr("postgresql://unused")),
        kafka=KafkaSettings(bootstrap="unused"),
        development=True,
        clock=clock,
    )


@asynccontextmanager
async def operator_of(
    clock: ServiceClock, folder: Path
) -> AsyncIterator["clock_service_pb2_grpc.ClockServiceAsyncStub"]:
    """Serve the clock, and give an operator's stub."""
    keys = open_dev_keys(folder / "keys")
    token = keys.mint(CallerKind.OPERATOR, "ops", now=datetime.now(UTC), lifetime=DAY)
    server = build_server(
        GrpcSettings(),
        services=[clock_registration(clock)],
        identity=Identity(IdentitySettings(jwks_file=keys.jwks_file)),
    )
    await server.start()
    async with open_channel(server.address, token=token) as channel:
        yield clock_service_pb2_grpc.ClockServiceStub(channel)
    await server.stop(grace_seconds=0)


def at(instant: datetime) -> pb.SetTimeRequest:
    """Ask for a time."""
    request = pb.SetTimeRequest()
    request.business_time.FromDatetime(instant)
    return request


class TestSimulatedClock:
    async def test_moves_forwards_and_stands_still(self, db: Database, tmp_path: Path) -> None:
        """Time is what the operator says, to the microsecond, until the next call."""
        clock = await open_clock(settings(ClockKind.SIMULATED), db)
        async with operator_of(clock, tmp_path) as operator:
            answer = await operator.SetTime(at(MARCH))
            told = await operator.GetTime(pb.GetTimeRequest())

        assert answer.business_time.ToDatetime(tzinfo=UTC) == MARCH
        assert told.business_time == answer.business_time
        assert told.simulated
        assert clock() == MARCH

    async def test_survives_a_restart(self, db: Database) -> None:
        """A stack that is started again goes on where it stood."""
        clock = await open_clock(settings(ClockKind.SIMULATED), db)
        await clock.set_time(MARCH)

        again = await open_clock(settings(ClockKind.SIMULATED), db)

        assert again() == MARCH

    async def test_never_goes_back(self, db: Database, tmp_path: Path) -> None:
        """An earlier time is refused, the same time is done already."""
        clock = await open_clock(settings(ClockKind.SIMULATED), db)
        async with operator_of(clock, tmp_path) as operator:
            await operator.SetTime(at(MARCH))
            await operator.SetTime(at(MARCH))
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await operator.SetTime(at(MARCH - timedelta(microseconds=1)))

        assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert parse_error(error.value).reason == "CLOCK_BACKWARDS"
        assert parse_error(error.value).metadata == {"business_time": "2017-03-01T22:59:59.999999Z"}

    async def test_two_processes_never_disagree_backwards(self, db: Database) -> None:
        """A process that had not heard of a later time takes it over."""
        one = await open_clock(settings(ClockKind.SIMULATED), db)
        other = await open_clock(settings(ClockKind.SIMULATED), db)
        await one.set_time(MARCH + DAY)

        assert await other.set_time(MARCH) == MARCH + DAY

    async def test_concurrent_moves_end_at_the_latest(self, db: Database) -> None:
        """Whatever the order in which they are carried out."""
        clock = await open_clock(settings(ClockKind.SIMULATED), db)
        moves = [clock.set_time(MARCH + n * DAY) for n in (3, 1, 2)]

        outcomes = await asyncio.gather(*moves, return_exceptions=True)

        assert clock() == MARCH + 3 * DAY
        assert [isinstance(outcome, ClockBackwards) for outcome in outcomes] == [
            False,
            True,
            True,
        ]

    async def test_no_such_time_is_bad_input(self, db: Database, tmp_path: Path) -> None:
        """Year 300000 names the field, and moves nothing."""
        clock = await open_clock(settings(ClockKind.SIMULATED), db)
        begin = clock()
        request = pb.SetTimeRequest(business_time=Timestamp(seconds=10**13))
        async with operator_of(clock, tmp_path) as operator:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await operator.SetTime(request)

        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert clock() == begin


class TestSystemClock:
    async def test_cannot_be_set(self, db: Database, tmp_path: Path) -> None:
        """The machine's clock belongs to nobody."""
        clock = await open_clock(settings(ClockKind.SYSTEM), db)
        async with operator_of(clock, tmp_path) as operator:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await operator.SetTime(at(datetime.now(UTC) + DAY))
            told = await operator.GetTime(pb.GetTimeRequest())

        assert parse_error(error.value).reason == "CLOCK_NOT_SIMULATED"
        assert not told.simulated
        assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=5)

    def test_a_simulated_time_has_a_place_to_be_kept(self) -> None:
        """A simulated clock without a database is a bug."""
        with pytest.raises(AssertionError):
            ServiceClock(simulated=SimulatedClock(MARCH))
