"""The wallet as the process that it is, its neighbors beside it, and whoever calls it."""

import os
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import grpc

from cagnotte.wallet.v1 import (
    checkout_service_pb2,
    checkout_service_pb2_grpc,
    payment_method_service_pb2,
    payment_method_service_pb2_grpc,
    prepaid_service_pb2_grpc,
    wallet_pb2,
    wallet_service_pb2_grpc,
)
from deploy.local.ports import any_free_port
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.grpc_client import open_channel
from services.common.testing.postgres import TestDatabase
from services.wallet.domain.tender import TenderKind
from tests.integration.wallet.holds import Purse
from tests.integration.wallet.neighbors import Neighbors, run_neighbors
from tests.integration.wallet.sandbox import KEY, Sandbox
from tests.integration.wallet.world import (
    BUDGET_SECONDS,
    KITTY_MINOR,
    MIXED,
    PREPAID_MINOR,
    START,
    ticket,
)

PROVIDER_SECONDS = "1.0"


class Caller:
    """Somebody with a channel to the wallet."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take an open channel that says who calls."""
        self.checkouts = checkout_service_pb2_grpc.CheckoutServiceStub(channel)
        self.methods = payment_method_service_pb2_grpc.PaymentMethodServiceStub(channel)
        self.prepaid = prepaid_service_pb2_grpc.PrepaidServiceStub(channel)
        self.wallet = wallet_service_pb2_grpc.WalletServiceStub(channel)


@dataclass(slots=True)
class Town:
    """What outlives the wallet's process, and how to start one."""

    database: TestDatabase
    sandbox: Sandbox
    neighbors: Neighbors
    keys: DevKeys
    address: str = field(default_factory=lambda: f"127.0.0.1:{any_free_port()}")
    customer_id: UUID = field(default_factory=new_uuid7)
    sequence: int = 0

    @asynccontextmanager
    async def running(self, *, budget_seconds: float = BUDGET_SECONDS) -> AsyncIterator[Process]:
        """Run ``python -m services.wallet serve`` for the body, unless the body ends it."""
        process = await create_subprocess_exec(
            sys.executable,
            *("-m", "services.wallet", "serve"),
            env=os.environ
            | {
                "WALLET_POSTGRES__DSN": self.database.runtime_dsn,
                "WALLET_KAFKA__BOOTSTRAP": "127.0.0.1:9",
                "WALLET_GRPC__LISTEN": self.address,
                "WALLET_IDENTITY__JWKS_FILE": str(self.keys.jwks_file),
                "WALLET_DEVELOPMENT": "true",
                "WALLET_CLOCK": "simulated",
                "WALLET_CLOCK_START_TIME": START.isoformat(),
                "WALLET_POINTS__ADDRESS": self.neighbors.address,
                "WALLET_LEDGER__ADDRESS": self.neighbors.address,
                "WALLET_PROVIDER__URL": self.sandbox.url,
                "WALLET_PROVIDER__API_KEY": KEY,
                "WALLET_PROVIDER__TIMEOUT_SECONDS": PROVIDER_SECONDS,
                "WALLET_ANSWER_BUDGET_SECONDS": str(budget_seconds),
                "WALLET_LOG__LEVEL": "warning",
            },
        )
        try:
            async with self.calling(CallerKind.OPERATOR, "start") as channel:
                await channel.channel_ready()
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                assert await process.wait() == 0, "a service ends cleanly when it is asked to"

    @asynccontextmanager
    async def calling(
        self, kind: CallerKind, subject: str, store_ids: Sequence[str] | None = None
    ) -> AsyncIterator[grpc.aio.Channel]:
        """Open a channel to the wallet for the body."""
        now, lifetime = datetime.now(UTC), timedelta(hours=1)
        token = self.keys.mint(kind, subject, now=now, lifetime=lifetime, store_ids=store_ids)
        async with open_channel(self.address, token=token) as channel:
            yield channel

    @asynccontextmanager
    async def phone(self, customer_id: UUID | None = None) -> AsyncIterator[Caller]:
        """Give a shopper's phone; the town's own shopper where none is named."""
        subject = str(customer_id or self.customer_id)
        async with self.calling(CallerKind.SHOPPER, subject) as channel:
            yield Caller(channel)

    @asynccontextmanager
    async def till(self, *store_ids: str) -> AsyncIterator[Caller]:
        """Give a till: of these stores, or of any where none is named."""
        async with self.calling(CallerKind.TILL, "330/07", store_ids or None) as channel:
            yield Caller(channel)

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[Caller]:
        """Give an operator."""
        async with self.calling(CallerKind.OPERATOR, "op") as channel:
            yield Caller(channel)

    async def enrol(self, phone: Caller, card: str) -> wallet_pb2.PaymentMethod:
        """Enroll a card through the provider, as a phone does."""
        begun = await phone.methods.CreateEnrolment(
            payment_method_service_pb2.CreateEnrolmentRequest(request_id=str(new_uuid7()))
        )
        await self.sandbox.post(
            f"/v1/setup_intents/{begun.provider_reference}/confirm", payment_method=card
        )
        ended = await phone.methods.ConfirmEnrolment(
            payment_method_service_pb2.ConfirmEnrolmentRequest(
                provider_reference=begun.provider_reference
            )
        )
        return ended.payment_method

    async def open_checkout(self, till: Caller) -> str:
        """Open a checkout for a ticket of its own."""
        checkout_id = new_uuid7()
        self.sequence += 1
        request = checkout_service_pb2.OpenCheckoutRequest(
            ticket=ticket(checkout_id, sequence=self.sequence)
        )
        return (await till.checkouts.OpenCheckout(request)).checkout.checkout_id

    async def open_claimed(self, till: Caller, phone: Caller) -> str:
        """Open a checkout and claim it."""
        checkout_id = await self.open_checkout(till)
        await phone.checkouts.ClaimCheckout(
            checkout_service_pb2.ClaimCheckoutRequest(checkout_id=checkout_id)
        )
        return checkout_id


def pay_request(
    checkout_id: str, *kinds: TenderKind, request_id: str = ""
) -> checkout_service_pb2.PayCheckoutRequest:
    """Ask to pay with these means (all three where none is named), each with as much as it has."""
    return checkout_service_pb2.PayCheckoutRequest(
        request_id=request_id or str(new_uuid7()),
        checkout_id=checkout_id,
        tenders=[
            wallet_pb2.TenderRequest(kind=wallet_pb2.TenderKind.ValueType(kind))
            for kind in kinds or MIXED
        ],
    )


@asynccontextmanager
async def build_town(database: TestDatabase, sandbox: Sandbox, folder: Path) -> AsyncIterator[Town]:
    """Start what outlives a wallet."""
    purse = Purse(
        {
            TenderKind.KITTY: KITTY_MINOR,
            TenderKind.POINTS: 0,
            TenderKind.PREPAID: PREPAID_MINOR,
        }
    )
    async with AsyncExitStack() as stack:
        neighbors = await stack.enter_async_context(run_neighbors(purse))
        yield Town(database, sandbox, neighbors, open_dev_keys(folder))
