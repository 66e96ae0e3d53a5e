"""The ledger as a process, a broker of its own beside it, and what its callers send."""

import asyncio
import os
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import clock_service_pb2_grpc
from cagnotte.ledger.v1 import ledger_pb2, ledger_service_pb2_grpc
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from deploy.local.ports import any_free_port
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import open_dev_keys
from services.common.runtime.grpc_client import open_channel
from services.common.testing.kafka import Broker, start_broker
from services.common.testing.postgres import TestDatabase

START = datetime(2017, 3, 1, 9, 0, tzinfo=UTC)
BANK, SALES, ALICE = "gl/512100", "gl/707100", "wallet/alice/prepaid"


@dataclass(frozen=True, slots=True)
class Service:
    """A running ledger, as finance and other services see it."""

    ledger: Any
    finance: Any
    clock: Any
    broker: Broker
    process: Process


@asynccontextmanager
async def run_ledger(database: TestDatabase, folder: Path) -> AsyncIterator[Service]:
    """Run ``python -m services.ledger serve`` beside a broker of its own."""
    keys = open_dev_keys(folder)
    address = f"127.0.0.1:{any_free_port()}"

    def token(kind: CallerKind) -> str:
        return keys.mint(kind, "test", now=datetime.now(UTC), lifetime=timedelta(hours=1))

    with start_broker() as broker:
        env = os.environ | {
            "LEDGER_POSTGRES__DSN": database.runtime_dsn,
            "LEDGER_KAFKA__BOOTSTRAP": broker.settings().bootstrap,
            "LEDGER_KAFKA__IDEMPOTENT": str(broker.settings().idempotent),
            "LEDGER_GRPC__LISTEN": address,
            "LEDGER_IDENTITY__JWKS_FILE": str(keys.jwks_file),
            "LEDGER_DEVELOPMENT": "true",
            "LEDGER_CLOCK": "simulated",
            "LEDGER_CLOCK_START_TIME": START.isoformat(),
            "LEDGER_SWEEP_IDLE_SECONDS": "0.1",
            "LEDGER_LOG__LEVEL": "warning",
        }
        process = await create_subprocess_exec(
            sys.executable, "-m", "services.ledger", "serve", env=env
        )
        try:
            async with (
                open_channel(address, token=token(CallerKind.SERVICE)) as channel,
                open_channel(address, token=token(CallerKind.FINANCE)) as finance,
                open_channel(address, token=token(CallerKind.OPERATOR)) as operator,
            ):
                await channel.channel_ready()
                yield Service(
                    ledger_service_pb2_grpc.LedgerServiceStub(channel),
                    ledger_service_pb2_grpc.LedgerServiceStub(finance),
                    clock_service_pb2_grpc.ClockServiceStub(operator),
                    broker,
                    process,
                )
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def post(*legs: tuple[str, int], group: int = 0) -> ledger_pb2.TransactionCommand:
    """Make a command in euros, credit positive, with a new id."""
    return ledger_pb2.TransactionCommand(
        transaction_id=str(new_uuid7()),
        link_group=group,
        purpose="test",
        post=ledger_pb2.Post(legs=[leg(*item) for item in legs]),
    )


def leg(account: str, amount: int) -> ledger_pb2.Leg:
    """Make a leg in euros."""
    side = ledger_pb2.SIDE_CREDIT if amount > 0 else ledger_pb2.SIDE_DEBIT
    return ledger_pb2.Leg(account=account, side=side, amount=abs(amount), asset="EUR")


def timestamp(time: datetime) -> Timestamp:
    """Render a time."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.05)


async def trial_balance(service: Service) -> dict[str, int]:
    """Give credits less debits by GL account."""
    answer = await service.finance.GetTrialBalance(pb.GetTrialBalanceRequest())
    return {line.gl_code: line.credit - line.debit for line in answer.lines}
