"""The wallet as a process: migrated, started, asked, restarted and stopped."""

import os
import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import clock_service_pb2, clock_service_pb2_grpc
from cagnotte.wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc
from deploy.local.ports import any_free_port
from services.common.kernel.chain import GENESIS
from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.grpc_client import open_channel
from services.common.testing.postgres import RUNTIME_ROLE, Postgres, TestDatabase

NEW_YEAR = datetime(2017, 1, 1, tzinfo=UTC)


@pytest.fixture
async def wallet_database(postgres: Postgres) -> TestDatabase:
    """Make a database of the wallet's that ``migrate`` has brought up to date."""
    return await postgres.create_template(
        f"wallet_{os.urandom(4).hex()}",
        package="services.wallet.store.migrations",
        journal="facts",
    )


@asynccontextmanager
async def run_wallet(
    database: TestDatabase, keys: DevKeys
) -> AsyncIterator[tuple[grpc.aio.Channel, Process]]:
    """Run ``python -m services.wallet serve`` and open an operator's channel to it."""
    address = f"127.0.0.1:{any_free_port()}"
    env = os.environ | {
        "WALLET_POSTGRES__DSN": database.runtime_dsn,
        "WALLET_KAFKA__BOOTSTRAP": "127.0.0.1:9",
        "WALLET_GRPC__LISTEN": address,
        "WALLET_GRPC__DRAIN_SECONDS": "0",
        "WALLET_IDENTITY__JWKS_FILE": str(keys.jwks_file),
        "WALLET_DEVELOPMENT": "true",
        "WALLET_CLOCK": "simulated",
        "WALLET_RUNTIME_ROLE": RUNTIME_ROLE,
    }
    process = await create_subprocess_exec(
        sys.executable, "-m", "services.wallet", "serve", env=env
    )
    token = keys.mint(
        CallerKind.OPERATOR, "test", now=datetime.now(UTC), lifetime=timedelta(hours=1)
    )
    try:
        async with open_channel(address, token=token) as channel:
            await channel.channel_ready()
            yield channel, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class TestWalletService:
    async def test_proves_its_empty_journal(
        self, wallet_database: TestDatabase, tmp_path: Path
    ) -> None:
        """A new wallet's chain holds: no fact, no block, the genesis hash."""
        async with run_wallet(wallet_database, open_dev_keys(tmp_path)) as (channel, _):
            stub = wallet_service_pb2_grpc.WalletServiceStub(channel)

            proof = await stub.VerifyJournal(wallet_service_pb2.VerifyJournalRequest())

        assert (proof.ok, proof.fact_count, proof.block_count) == (True, 0, 0)
        assert proof.head_hash == GENESIS.hex()

    async def test_keeps_its_simulated_time_over_a_restart(
        self, wallet_database: TestDatabase, tmp_path: Path
    ) -> None:
        """Business time that an operator set is there after the process was killed."""
        keys = open_dev_keys(tmp_path)
        moment = Timestamp()
        moment.FromDatetime(NEW_YEAR)
        async with run_wallet(wallet_database, keys) as (channel, _):
            clock = clock_service_pb2_grpc.ClockServiceStub(channel)
            await clock.SetTime(clock_service_pb2.SetTimeRequest(business_time=moment))

        async with run_wallet(wallet_database, keys) as (channel, _):
            clock = clock_service_pb2_grpc.ClockServiceStub(channel)
            answer = await clock.GetTime(clock_service_pb2.GetTimeRequest())

        assert answer.simulated
        assert answer.business_time.ToDatetime(tzinfo=UTC) == NEW_YEAR

    async def test_stops_cleanly_when_asked(
        self, wallet_database: TestDatabase, tmp_path: Path
    ) -> None:
        """SIGTERM ends the process with exit code 0."""
        async with run_wallet(wallet_database, open_dev_keys(tmp_path)) as (_, process):
            process.send_signal(signal.SIGTERM)
            code = await process.wait()

        assert code == 0

    async def test_says_which_setting_is_missing(self) -> None:
        """A start without settings names them on the error stream and exits with 2."""
        bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

        process = await create_subprocess_exec(
            *(sys.executable, "-m", "services.wallet", "serve"), env=bare, stderr=-1
        )
        _, errors = await process.communicate()

        assert process.returncode == 2
        assert b"settings: WALLET_POSTGRES: Field required" in errors
