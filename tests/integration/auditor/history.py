"""A small real history: members shop, hold, spend and lose value; the ledger books all of it.

Everything goes through the services' own use cases, with a clock that moves, so that every table
of every service has rows that mean something.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cagnotte.points.v1 import points_pb2, points_service_pb2
from deploy.programmes import load_publish_request, read_programme
from services.auditor.booking import POINTS, WALLET, BookableFact, Booking
from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import Database
from services.common.testing.clock import ManualClock
from services.common.testing.postgres import TestDatabase
from services.ledger.codec.chart import load_chart
from services.ledger.domain.expiry import expire_hold
from services.ledger.domain.journal import hash_command
from services.ledger.domain.transaction import (
    Basis,
    Kind,
    Leg,
    OpenAccount,
    TransactionCommand,
)
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch as CommitTransactions
from services.points.codec.checkout import parse_checkout_event
from services.points.codec.programme import parse_publish
from services.points.codec.ticket import parse_record_ticket
from services.points.domain.command import (
    Command,
    EnrolMember,
    ExpireValue,
    IdentifyMember,
    LinkCard,
)
from services.points.domain.ticket import TicketLimits
from services.points.usecases.commit_batch import CommitBatch as CommitPoints
from services.wallet.codec.event import MESSAGES
from services.wallet.domain.tender import TenderKind
from services.wallet.store.shelf import Shelf
from services.wallet.usecases.commit_batch import CommitBatch as CommitPayments
from tests.integration.auditor.wallet_history import SHORT, Phones, tender

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

PHONE_LINES: tuple[Line, ...] = ((1_200, 50, 550, "Private"), (800, 0, 2000, "National"))
"""A basket of 20.00, of which 19.50 is to be paid."""


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


async def _enroll(commit: CommitPoints) -> None:
    publish = load_publish_request(read_programme("demo")).programme
    enrolments = [
        EnrolMember(new_uuid7(), "", member, CUSTOMERS[n] if n else None, (CARDS[n],))
        for n, member in enumerate(MEMBERS)
    ]
    await commit([parse_publish(publish, event_id=new_uuid7(), trace_parent=""), *enrolments])
    await commit([IdentifyMember(new_uuid7(), "", MEMBERS[0], CUSTOMERS[0])])
    await commit([LinkCard(new_uuid7(), "", MEMBERS[0], "2990000000042")])


async def _shop(commit: CommitPoints, clock: ManualClock) -> None:
    """Tickets of members, of nobody, of a stranger's card, late, conflicting and by checkout."""
    day = clock()
    big = ((12_345, 0, 2000, "National"), (6_789, 45, 550, "Private"), (250, 0, 1000, "Private"))
    first = record(make_ticket(1, day, *big, shopper=CARDS[0]))
    conflicting = record(make_ticket(1, day, (999, 0, 550, "Private"), shopper=CARDS[0]))
    anonymous = record(make_ticket(2, day, (1_500, 0, 2000, "National"), shopper=None))
    await commit([first, conflicting, anonymous])
    clock.advance(seconds=3600)
    late = day - timedelta(days=12)
    await commit(
        [
            record(make_ticket(3, late, *big, shopper=MEMBERS[1])),
            record(make_ticket(4, day, (780, 0, 550, "Private"), shopper="2990000000998")),
            record(make_ticket(2, day, (1, 0, 2000, "National"), shopper=None)),
            record(make_ticket(5, day, (0, 0, 2000, "National"), shopper=MEMBERS[2])),
        ]
    )
    clock.advance(seconds=60)
    card = points_pb2.TENDER_KIND_CARD
    more = [
        record(make_ticket(20 + n, clock(), *big, shopper=MEMBERS[n], paid_by=card))
        for n in range(3)
    ]
    await commit(more)


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
    content = (Basis.COMMON, purpose, "paper")
    named = tuple(Leg(name, amount, "EUR") for name, amount in legs)
    return TransactionCommand(
        new_uuid7(),
        kind,
        named,
        None,
        *content,
        target_id,
        expire_time,
        hash_command(
            kind=kind,
            legs=named,
            effective_time=None,
            basis=content[0],
            purpose=content[1],
            reference=content[2],
            target_id=target_id,
            expire_time=expire_time,
        ),
    )


async def _move_money(commit: CommitTransactions, clock: ManualClock) -> None:
    """Top up, hold (posted in part, voided, expired, open), reverse, refuse."""
    top_up = make_transaction(Kind.POSTED, (BANK, -5_000), (PREPAID, 5_000))
    await commit([OpenAccount(PREPAID, "EUR", 0, "467100"), top_up])
    soon, never = clock() + timedelta(hours=1), clock() + timedelta(days=3_000)
    holds = [
        make_transaction(Kind.HOLD, (PREPAID, -amount), (BANK, amount), expire_time=expire_time)
        for amount, expire_time in ((700, never), (300, never), (200, soon), (100, never))
    ]
    await commit(holds)
    posted = make_transaction(
        Kind.HOLD_POSTED, (PREPAID, -500), (BANK, 500), target_id=holds[0].transaction_id
    )
    voided = make_transaction(Kind.HOLD_VOIDED, target_id=holds[1].transaction_id)
    refused = make_transaction(Kind.POSTED, (PREPAID, -999_999), (BANK, 999_999))
    clock.advance(seconds=10)
    await commit([posted, voided, refused])
    reversal = make_transaction(Kind.REVERSAL, target_id=top_up.transaction_id)
    small = make_transaction(Kind.POSTED, (BANK, -800), (PREPAID, 800))
    await commit([small, make_transaction(Kind.REVERSAL, target_id=small.transaction_id), reversal])
    clock.advance(seconds=7_200)
    await commit([expire_hold(holds[2].transaction_id, expire_time=soon)])


async def publish(db: Database) -> None:
    """Move the relay to the journal's head, and leave traces of a relay and a consumer."""
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO relay_cursor (shard_id, seq) SELECT shard_id, seq FROM shard_head"
        )
        await conn.execute(
            "INSERT INTO relay_offset (shard_id, topic, partition, log_offset, seq) VALUES (0, 'topic', 0, 41, 1)"
        )
        await conn.execute("INSERT INTO inbox VALUES ('source', gen_random_uuid())")
        await conn.execute("INSERT INTO service_clock VALUES (true, now())")


async def publish_again(database: TestDatabase) -> None:
    """Move the relay to the journal's head once more."""
    async with database.open_as_owner() as conn:
        await conn.execute(
            "UPDATE relay_cursor SET seq = head.seq FROM shard_head AS head"
            " WHERE head.shard_id = relay_cursor.shard_id"
        )


async def play(stack: Stack) -> None:
    """Play the whole history."""
    clock = ManualClock(START)
    async with (
        stack.points.open() as points,
        stack.wallet.open() as wallet,
        stack.ledger.open() as ledger,
    ):
        commit = points_writer(points, clock)
        await _enroll(commit)
        await _shop(commit, clock)
        await book_facts(stack, clock)
        phones = Phones(wallet_writer(wallet, clock), commit, ledger_writer(ledger, clock), clock)
        late = await _pay_by_phone(stack, phones)
        await _move_money(ledger_writer(ledger, clock), clock)
        clock.move_to(datetime(2018, 5, 2, 8, tzinfo=UTC))
        await commit([ExpireValue(new_uuid7(), "", 100)])
        await phones.refund(late)
        await follow_checkouts(stack, commit)
        await commit([record(make_ticket(9, clock(), (999, 0, 550, "Private"), shopper=CARDS[1]))])
        await book_facts(stack, clock)
        await publish(points)
        await publish(wallet)
        await publish(ledger)


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


async def _pay_by_phone(stack: Stack, phones: Phones) -> UUID:
    """Checkouts of every end; what is settled is followed in points and booked. Gives one that is not given back."""
    alice, bob, carol = CUSTOMERS
    clock = phones.clock
    await phones.enroll_card(alice)
    await phones.top_up(alice, 5_000)
    await phones.top_up(bob, 2_000)
    await phones.top_up(carol, 900, card="declined")
    await book_facts(stack, clock)
    tickets = (make_checkout_ticket(100 + n, clock(), *PHONE_LINES) for n in range(20))
    await _settle(stack, phones, tickets)
    await _give_up(phones, tickets)
    late = await _wait(stack, phones, tickets)
    await book_facts(stack, clock)
    return late


async def _settle(stack: Stack, phones: Phones, tickets: Iterator[points_pb2.Ticket]) -> None:
    """Checkouts that are paid, at the first or second attempt, and some given back."""
    alice, bob, carol = CUSTOMERS
    points = phones.points
    split, twice, back, other, bare = [next(tickets) for _ in range(5)]
    # The till sends a ticket before the checkout is settled, one after it, and one differently.
    await points([record(split)])
    paid = (
        tender(TenderKind.KITTY, 90, 90),
        tender(TenderKind.PREPAID, 1_000),
        tender(TenderKind.CARD, 860),
    )
    await phones.pay(await phones.open(split, alice), alice, *paid)
    second = await phones.open(twice, bob)
    refused = (
        tender(TenderKind.POINTS, 50, 50),
        tender(TenderKind.PREPAID, 900),
        tender(TenderKind.CARD, 1_000),
    )
    await phones.pay(second, bob, *refused, card="declined")
    await phones.pay(second, bob, tender(TenderKind.CARD, 1_950))
    given_back = await phones.open(back, alice)
    paid = (
        tender(TenderKind.KITTY, 60, 60),
        tender(TenderKind.PREPAID, 500),
        tender(TenderKind.CARD, 1_390),
    )
    await phones.pay(given_back, alice, *paid)
    await phones.pay(await phones.open(bare, carol), carol, tender(TenderKind.CARD, 1_950))
    different = points_pb2.Ticket.FromString(other.SerializeToString())
    different.lines[0].product_id = "9999"
    await points([record(different)])
    points_only = await phones.open(other, alice)
    await phones.pay(points_only, alice, tender(TenderKind.POINTS, 1_950, 100))
    await follow_checkouts(stack, points)
    await points([record(twice)])
    await phones.refund(given_back)
    await phones.refund(points_only)
    await follow_checkouts(stack, points)


async def _give_up(phones: Phones, tickets: Iterator[points_pb2.Ticket]) -> None:
    """Checkouts that are cancelled, before and while they are paid, and one that expires."""
    _, bob, carol = CUSTOMERS
    await phones.cancel(await phones.open(next(tickets), carol))
    unwanted = await phones.open(next(tickets), bob)
    paid = (tender(TenderKind.PREPAID, 950), tender(TenderKind.CARD, 1_000))
    await phones.pay(unwanted, bob, *paid, card="silent")
    await phones.cancel(unwanted)
    await phones.open(next(tickets), None)
    phones.clock.advance(seconds=3_600)
    await phones.sweep()


async def _wait(stack: Stack, phones: Phones, tickets: Iterator[points_pb2.Ticket]) -> UUID:
    """Checkouts whose card is silent: one for ever, one beyond its holds, one until it is captured."""
    alice, bob, _ = CUSTOMERS
    stays = await phones.open(next(tickets), bob)
    await phones.pay(
        stays, bob, tender(TenderKind.KITTY, 10, 10), tender(TenderKind.CARD, 1_940), card="silent"
    )
    runs_out = await phones.open(next(tickets), bob)
    paid = (
        tender(TenderKind.KITTY, 7, 7),
        tender(TenderKind.PREPAID, 43),
        tender(TenderKind.CARD, 1_900),
    )
    await phones.pay(runs_out, bob, *paid, card="silent", hold=SHORT)
    late = await phones.open(next(tickets), alice)
    soon = (tender(TenderKind.KITTY, 8, 8), tender(TenderKind.CARD, 1_942))
    payment = await phones.pay(late, alice, *soon, card="silent capture", hold=SHORT)
    phones.clock.advance(seconds=2 * 86_400)
    await _expire_money_hold(stack, phones)
    await phones.points([ExpireValue(new_uuid7(), "", 100)])
    await phones.go_on(payment)
    await follow_checkouts(stack, phones.points)
    return late


async def _expire_money_hold(stack: Stack, phones: Phones) -> None:
    """Release the prepaid hold whose time is over, as the ledger's sweep does."""
    async with stack.ledger.open_as_owner() as conn:
        rows = await conn.fetch(
            "SELECT transaction_id, expire_time FROM hold WHERE state = 0 AND expire_time < $1",
            phones.clock(),
        )
    assert len(rows) == 1
    await phones.ledger([expire_hold(rows[0][0], expire_time=rows[0][1])])
