"""A wallet without its API, in this process, on a real database and a real provider's process."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from cagnotte.points.v1 import points_pb2
from services.common.kernel.clock import SimulatedClock
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import CallerKind, KafkaSettings
from services.common.runtime.database import Database
from services.common.runtime.identity import Caller
from services.common.testing.postgres import TestDatabase
from services.wallet.clients.provider import Provider
from services.wallet.codec.basket import parse_new_basket
from services.wallet.codec.time import render_time
from services.wallet.config import Settings
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.command import EnrolMethod, RegisterShopper
from services.wallet.domain.enrolling import ShopperOutcome
from services.wallet.domain.tender import TenderKind, TenderRequest
from services.wallet.main import Engine
from services.wallet.usecases.checkouts import Checkouts
from services.wallet.usecases.drive import Performs
from services.wallet.usecases.execute import execute
from services.wallet.usecases.funds import ReadFunds
from services.wallet.usecases.pay import Pay, PayRequest, PayTerms
from services.wallet.usecases.perform import Perform
from services.wallet.usecases.top_up import TopUps
from tests.integration.wallet.holds import Moneys, Purse, Values
from tests.integration.wallet.sandbox import Sandbox

START = datetime(2017, 1, 5, 12, tzinfo=UTC)
TILL = Caller(CallerKind.TILL, "330/07")
LINES = ((1, 1_500, 550), (2, 800, 2_000), (3, 700, 550))
"""Number, sales in cents and VAT rate of each line."""
DUE_MINOR = 3_000
KITTY_MINOR = 500
PREPAID_MINOR = 1_000
CARD_MINOR = DUE_MINOR - KITTY_MINOR - PREPAID_MINOR
MIXED = (TenderKind.KITTY, TenderKind.PREPAID, TenderKind.CARD)
BUDGET_SECONDS = 20.0
PROBE_SECONDS = 0.02


_UNPAID = {"requires_payment_method"}
"""How the provider keeps what its bank has declined."""


def somebody_else() -> Caller:
    """Make another shopper."""
    return Caller(CallerKind.SHOPPER, str(new_uuid7()))


def ticket(checkout_id: UUID, *, sequence: int) -> points_pb2.Ticket:
    """Make the ticket of a basket of 30.00 EUR, to be paid by phone."""
    return points_pb2.Ticket(
        key=points_pb2.TicketKey(
            store_id="0330",
            business_date="2017-01-05",
            till_id="07",
            sequence=sequence,
            kind=points_pb2.TICKET_KIND_SALE,
        ),
        occur_time=render_time(START),
        currency_code="EUR",
        channel=points_pb2.CHANNEL_STORE,
        checkout_id=str(checkout_id),
        lines=[
            points_pb2.TicketLine(
                line_number=number, department="GROCERY", sales_minor=sales, vat_rate_bp=rate
            )
            for number, sales, rate in LINES
        ],
        tenders=[points_pb2.Tender(kind=points_pb2.TENDER_KIND_CHECKOUT, amount_minor=DUE_MINOR)],
        total_minor=DUE_MINOR,
    )


@dataclass(slots=True)
class World:
    """What outlives the wallet: database, provider, points and ledger, time."""

    database: TestDatabase
    provider: Provider
    sandbox: Sandbox
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(START))
    customer_id: UUID = field(default_factory=new_uuid7)
    purse: Purse = field(
        default_factory=lambda: Purse(
            {
                TenderKind.KITTY: KITTY_MINOR,
                TenderKind.POINTS: 0,
                TenderKind.PREPAID: PREPAID_MINOR,
            }
        )
    )
    sequence: int = 0
    provider_customer: str = ""
    """The provider's name of the shopper, once a card is enrolled."""

    @property
    def shopper(self) -> Caller:
        """Give the shopper as a caller."""
        return Caller(CallerKind.SHOPPER, str(self.customer_id))

    def perform(self) -> Perform:
        """Make what makes calls."""
        return Perform(self.provider, Values(self.purse), Moneys(self.purse), calls_max=16)

    async def intents(self) -> list[dict[str, Any]]:
        """List the shopper's payments as the provider keeps them."""
        return await self._list(f"/v1/payment_intents?customer={self.provider_customer}&limit=100")

    async def captured_minor(self) -> int:
        """Sum what the provider has captured from the shopper; nothing may be left reserved."""
        intents = await self.intents()
        assert {intent["status"] for intent in intents} <= {"succeeded", "canceled"} | _UNPAID
        return sum(intent["amount_received"] for intent in intents)

    async def refunded_minor(self) -> int:
        """Sum what the provider has refunded to the shopper."""
        refunds = [
            refund
            for intent in await self.intents()
            for refund in await self._list(f"/v1/refunds?payment_intent={intent['id']}")
        ]
        return sum(refund["amount"] for refund in refunds if refund["status"] == "succeeded")

    async def _list(self, path: str) -> list[dict[str, Any]]:
        answer = await self.sandbox.get(path)
        items = answer["data"]
        assert isinstance(items, list)
        return items


def settings(database: TestDatabase) -> Settings:
    """Give the settings of a wallet under test."""
    return Settings(
        postgres=database.settings(),
        kafka=KafkaSettings(bootstrap="127.0.0.1:9"),
        answer_budget_seconds=BUDGET_SECONDS,
        recovery_idle_seconds=0.05,
        provider={"api_key": SecretStr("none")},  # type: ignore[arg-type]  # parsed by pydantic
    )


@dataclass(slots=True)
class Wallet:
    """A running wallet, and the shopper and till that use it."""

    world: World
    engine: Engine
    db: Database
    checkouts: Checkouts
    paying: Pay
    top_ups: TopUps

    async def enrol(self, card: str) -> str:
        """Register the shopper with a card that the sandbox knows by its name."""
        world = self.world
        provider_customer = await world.provider.register_shopper(world.customer_id)
        world.provider_customer = provider_customer
        register = RegisterShopper(
            event_id=new_uuid7(),
            trace_parent="",
            customer_id=world.customer_id,
            provider_customer=provider_customer,
        )
        await execute(self.engine.queue, register, ShopperOutcome)
        enrol = EnrolMethod(
            event_id=new_uuid7(),
            trace_parent="",
            customer_id=world.customer_id,
            payment_method_id=new_uuid7(),
            provider_method=card,
            fingerprint="f",
            brand="visa",
            last_four="4242",
            expire_month=12,
            expire_year=2030,
        )
        await execute(self.engine.queue, enrol, ShopperOutcome)
        return provider_customer

    async def open_checkout(self) -> UUID:
        """Open a checkout for a ticket of its own."""
        checkout_id = new_uuid7()
        self.world.sequence += 1
        basket = parse_new_basket(ticket(checkout_id, sequence=self.world.sequence))
        await self.checkouts.open(checkout_id, basket)
        return checkout_id

    async def open_claimed(self) -> UUID:
        """Open a checkout and claim it."""
        checkout_id = await self.open_checkout()
        await self.checkouts.claim(checkout_id, caller=self.world.shopper)
        return checkout_id

    async def pay(
        self,
        checkout_id: UUID,
        kinds: Sequence[TenderKind] = MIXED,
        *,
        request_id: UUID | None = None,
        amounts: Mapping[TenderKind, int] | None = None,
    ) -> Checkout:
        """Pay with these means, each with as much as it has, or with the amount that is named for it."""
        named = amounts or {}
        request = PayRequest(
            request_id=request_id or new_uuid7(),
            request_hash=sha256(repr((kinds, named)).encode()).digest(),
            checkout_id=checkout_id,
            tenders=[TenderRequest(kind, named.get(kind, 0), None) for kind in kinds],
        )
        payment = await self.paying.pay(request, caller=self.world.shopper)
        assert isinstance(payment, Checkout)
        return payment

    async def read(self, checkout_id: UUID) -> Checkout:
        """Read a checkout."""
        return await self.engine.reader.checkout(checkout_id, caller=TILL)

    async def at_rest(self, checkout_id: UUID) -> Checkout:
        """Wait until nothing is in flight."""
        async with asyncio.timeout(60):
            while (checkout := await self.read(checkout_id)).in_flight:
                await self.engine.in_time.await_rest(checkout)
        return checkout


@asynccontextmanager
async def run_wallet(world: World, perform: Performs | None = None) -> AsyncIterator[Wallet]:
    """Run a wallet until the body ends; what it is doing then is cut off, as a crash would."""
    config = settings(world.database)
    async with world.database.open() as db:
        engine = Engine(
            config,
            db,
            world.clock,
            perform or world.perform(),
            delay=lambda _: PROBE_SECONDS,
            on_public=lambda: None,
        )
        loops = [
            asyncio.create_task(loop())
            for loop in (engine.recovery.run, engine.driver.run, engine.queue.run)
        ]
        checkouts = Checkouts(
            engine.queue,
            engine.in_time,
            world.clock,
            checkout_duration=config.checkout_duration,
        )
        paying = Pay(
            engine.reader,
            ReadFunds(Values(world.purse), Moneys(world.purse)),
            engine.in_time,
            world.clock,
            engine.declines,
            terms=PayTerms(
                hold_duration=config.hold_duration,
                settle_duration=config.settle_duration,
                attempts_max=config.attempts_max,
                point_value_minor_per_100=100,
                card_least_minor=config.provider.card_least_minor,
            ),
        )
        try:
            top_ups = TopUps(engine.reader, engine.in_time, engine.declines)
            yield Wallet(world, engine, db, checkouts, paying, top_ups)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
