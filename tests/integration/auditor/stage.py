"""The databases of one stack, the writers of its services, and what they are given to write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cagnotte.points.v1 import points_pb2, points_service_pb2
from services.auditor.booking import POINTS, WALLET, BookableFact, Booking
from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import Database
from services.common.testing.clock import ManualClock
from services.common.testing.postgres import TestDatabase
from services.ledger.codec.chart import load_chart
from services.ledger.domain.transaction import (
    Kind,
    TransactionCommand,
)
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch as CommitTransactions
from services.points.codec.checkout import parse_checkout_event
from services.points.codec.ticket import parse_record_ticket
from services.points.domain.command import (
    Command,
)
from services.points.domain.ticket import TicketLimits
from services.points.usecases.commit_batch import CommitBatch as CommitPoints
from services.wallet.codec.event import MESSAGES
from services.wallet.store.shelf import Shelf
from services.wallet.usecases.commit_batch import CommitBatch as CommitPayments
from tests.integration.auditor.wallet_history import Phones
from tests.ledger_commands import make_command

START = datetime(2017, 1, 10, 9, tzinfo=UTC)

LATER = datetime(2018, 6, 1, 12, tzinfo=UTC)

"""After everything in the history."""

MEMBERS = tuple(UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000 + n) for n in (1, 2, 3))

CARDS = ("2990000000011", "2990000000028", "2990000000035")

CUSTOMERS = tuple(UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0100 + n) for n in (1, 2, 3))

PREPAID = "wallet/alice/prepaid"

BANK = "gl/512100"

Line = tuple[int, int, int, str]

"""Sales, supplier coupon, VAT rate in basis points, brand."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The databases of one stack."""

    ledger: TestDatabase
    points: TestDatabase
    wallet: TestDatabase

    def of(self, service: str) -> TestDatabase:
        """Give a service's database."""
        return {"ledger": self.ledger, "points": self.points, "wallet": self.wallet}[service]


def make_ticket(
    sequence: int,
    at: datetime,
    *lines: Line,
    shopper: str | UUID | None,
    paid_by: points_pb2.TenderKind.ValueType = points_pb2.TENDER_KIND_CASH,
    checkout_id: str = "",
) -> points_pb2.Ticket:
    """Make a ticket; a line is (sales, coupon, VAT rate, brand)."""
    total, coupons = sum(line[0] for line in lines), sum(line[1] for line in lines)
    ticket = points_pb2.Ticket(
        key=points_pb2.TicketKey(
            store_id="0330",
            business_date=at.date().isoformat(),
            till_id="07",
            sequence=sequence,
            kind=points_pb2.TICKET_KIND_SALE,
        ),
        channel=points_pb2.CHANNEL_STORE,
        checkout_id=checkout_id,
        currency_code="EUR",
        lines=[
            points_pb2.TicketLine(
                line_number=number,
                product_id=str(1000 + number),
                department="GROCERY",
                brand=brand,
                quantity_milli=1000,
                sales_minor=sales,
                supplier_coupon_minor=coupon,
                vat_rate_bp=rate,
            )
            for number, (sales, coupon, rate, brand) in enumerate(lines, 1)
        ],
        tenders=[points_pb2.Tender(kind=paid_by, amount_minor=total - coupons)],
        total_minor=total,
    )
    if coupons:
        kind = points_pb2.TENDER_KIND_SUPPLIER_COUPON
        ticket.tenders.append(points_pb2.Tender(kind=kind, amount_minor=coupons))
    ticket.occur_time.FromDatetime(at)
    if isinstance(shopper, UUID):
        ticket.member_id = str(shopper)
    elif shopper:
        ticket.card_number = shopper
    return ticket


def record(ticket: points_pb2.Ticket) -> Command:
    """Make the command that records a ticket."""
    request = points_service_pb2.RecordTicketRequest(request_id=str(new_uuid7()), ticket=ticket)
    return parse_record_ticket(request, event_id=new_uuid7(), trace_parent="")


def _wake_nobody(*_seq: int) -> None:
    """Stand in for the relay's alarm clock: no relay runs here."""


def points_writer(db: Database, clock: ManualClock) -> CommitPoints:
    """Make the writer of points."""
    limits = TicketLimits(future_tolerance=timedelta(minutes=5), age_max=timedelta(days=30))
    return CommitPoints(db, clock, limits=limits, shard_id=0, on_commit=_wake_nobody)


def ledger_writer(db: Database, clock: ManualClock) -> CommitTransactions:
    """Make the writer of the ledger."""
    directory = AccountDirectory(shard_id=0, size_max=1000)
    return CommitTransactions(
        db, directory, load_chart(None), clock, shard_id=0, on_commit=lambda _units: None
    )


async def book_facts(stack: Stack, clock: ManualClock) -> None:
    """Book the facts of points and wallet that are not booked yet, as the ledger's consumers do."""
    async with stack.ledger.open() as db:
        commit = ledger_writer(db, clock)
        for origin, database in ((POINTS, stack.points), (WALLET, stack.wallet)):
            booking = Booking(load_chart(None), origin)
            async with database.open_as_owner() as conn:
                rows = await conn.fetch(
                    "SELECT event_id, event_type, seq, payload FROM fact"
                    " WHERE event_type = ANY($1) ORDER BY seq",
                    list(origin.types),
                )
            due = [command for row in rows for command in booking.expected(BookableFact(*row))]
            for place in range(0, len(due), 3):
                await commit(due[place : place + 3])
                clock.advance(seconds=1)


async def follow_checkouts(stack: Stack, commit: CommitPoints) -> None:
    """Take the wallet's settlements and refunds in, as the consumer of points does."""
    async with stack.wallet.open_as_owner() as conn:
        rows = await conn.fetch("SELECT event_type, payload FROM fact ORDER BY seq")
    for event_type, payload in rows:
        name = MESSAGES[event_type].DESCRIPTOR.full_name
        command = parse_checkout_event(name, payload)
        if command is not None:
            await commit([command])


def make_transaction(
    kind: Kind,
    *legs: tuple[str, int],
    target_id: UUID | None = None,
    expire_time: datetime | None = None,
    purpose: str = "top-up",
) -> TransactionCommand:
    """Make a transaction in euros."""
    return make_command(
        new_uuid7(),
        *legs,
        kind=kind,
        target_id=target_id,
        expire_time=expire_time,
        purpose=purpose,
        reference="paper",
    )


async def publish_again(database: TestDatabase) -> None:
    """Move the relay to the journal's head once more."""
    async with database.open_as_owner() as conn:
        await conn.execute(
            "UPDATE relay_cursor SET seq = head.seq FROM shard_head AS head"
            " WHERE head.shard_id = relay_cursor.shard_id"
        )


def wallet_writer(db: Database, clock: ManualClock) -> CommitPayments:
    """Make the writer of the wallet."""
    shelf = Shelf(shard_id=0, size_max=100)
    return CommitPayments(
        db,
        clock,
        shelf,
        shard_id=0,
        on_commit=lambda _payments: None,
        on_public=_wake_nobody,
    )


@asynccontextmanager
async def phones_of(stack: Stack, clock: ManualClock) -> AsyncIterator[Phones]:
    """Give shoppers and tills in front of a stack."""
    async with (
        stack.points.open() as points,
        stack.wallet.open() as wallet,
        stack.ledger.open() as ledger,
    ):
        yield Phones(
            wallet_writer(wallet, clock),
            points_writer(points, clock),
            ledger_writer(ledger, clock),
            clock,
        )


async def publish_everything(stack: Stack) -> None:
    """Move all relays to their journals' heads once more."""
    for database in (stack.ledger, stack.points, stack.wallet):
        await publish_again(database)


def make_checkout_ticket(sequence: int, at: datetime, *lines: Line) -> points_pb2.Ticket:
    """Make a ticket that a phone is to pay."""
    checkout = points_pb2.TENDER_KIND_CHECKOUT
    return make_ticket(
        sequence, at, *lines, shopper=None, paid_by=checkout, checkout_id=str(new_uuid7())
    )
