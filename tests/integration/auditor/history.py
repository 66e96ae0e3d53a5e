"""A small real history: members shop, hold, spend and lose value; the ledger books all of it.

Everything goes through the services' own use cases, with a clock that moves, so that every table
of every service has rows that mean something.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cagnotte.points.v1 import points_pb2, points_service_pb2
from deploy.programmes import load_publish_request, read_programme
from services.auditor.booking import POINTS, BookableFact, Booking
from services.common.kernel.ids import derive_id, new_uuid7
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Database
from services.common.runtime.journal import Fact, append_facts, lock_head
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
from services.points.codec.programme import parse_publish
from services.points.codec.ticket import parse_record_ticket
from services.points.domain.command import (
    Command,
    EnrolMember,
    ExpireValue,
    HoldValue,
    IdentifyMember,
    LinkCard,
    ReleaseHold,
    SpendHold,
)
from services.points.domain.ticket import TicketLimits
from services.points.usecases.commit_batch import CommitBatch as CommitPoints

START = datetime(2017, 1, 10, 9, tzinfo=UTC)
LATER = datetime(2018, 6, 1, 12, tzinfo=UTC)
"""After everything in the history."""
MEMBERS = tuple(UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000 + n) for n in (1, 2, 3))
CARDS = ("2990000000011", "2990000000028", "2990000000035")
PREPAID = "wallet/alice/prepaid"
BANK = "gl/512100"


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
    *lines: tuple[int, int, int, str],
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


async def play_points(db: Database, clock: ManualClock) -> None:
    """Let members enroll, shop, hold, spend and lose value."""
    commit = points_writer(db, clock)
    await _enroll(commit)
    await _shop(commit, clock)
    await _hold(commit, clock)
    clock.move_to(datetime(2018, 5, 2, 8, tzinfo=UTC))
    await commit([ExpireValue(new_uuid7(), "", 100)])
    await commit([record(make_ticket(9, clock(), (999, 0, 550, "Private"), shopper=CARDS[1]))])


async def _enroll(commit: CommitPoints) -> None:
    publish = load_publish_request(read_programme("demo")).programme
    enrolments = [
        EnrolMember(new_uuid7(), "", member, new_uuid7() if n else None, (CARDS[n],))
        for n, member in enumerate(MEMBERS)
    ]
    await commit([parse_publish(publish, event_id=new_uuid7(), trace_parent=""), *enrolments])
    await commit([IdentifyMember(new_uuid7(), "", MEMBERS[0], new_uuid7())])
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
            record(
                make_ticket(
                    6,
                    day,
                    (4_200, 0, 2000, "Private"),
                    shopper=MEMBERS[2],
                    paid_by=points_pb2.TENDER_KIND_CHECKOUT,
                    checkout_id=str(new_uuid7()),
                )
            ),
        ]
    )
    clock.advance(seconds=60)
    card = points_pb2.TENDER_KIND_CARD
    more = [
        record(make_ticket(20 + n, clock(), *big, shopper=MEMBERS[n], paid_by=card))
        for n in range(3)
    ]
    await commit(more)


async def _hold(commit: CommitPoints, clock: ManualClock) -> None:
    """Holds that are spent in part, given back, run out, and one that stays open."""

    def hold(member: UUID, currency: LoyaltyCurrency, quantity: int, *, days: int) -> HoldValue:
        until = clock() + timedelta(days=days)
        return HoldValue(new_uuid7(), "", new_uuid7(), member, None, currency, quantity, until)

    points, kitty = LoyaltyCurrency.POINTS, LoyaltyCurrency.KITTY
    spent = hold(MEMBERS[0], points, 200, days=1)
    released = hold(MEMBERS[0], kitty, 300, days=1)
    runs_out = hold(MEMBERS[1], points, 50, days=1)
    stays = hold(MEMBERS[1], kitty, 100, days=3_000)
    await commit([spent, released, runs_out, stays])
    clock.advance(seconds=600)
    await commit([SpendHold(new_uuid7(), "", spent.hold_id, 150)])
    await commit([ReleaseHold(new_uuid7(), "", released.hold_id)])


def ledger_writer(db: Database, clock: ManualClock) -> CommitTransactions:
    """Make the writer of the ledger."""
    directory = AccountDirectory(shard_id=0, size_max=1000)
    return CommitTransactions(
        db, directory, load_chart(None), clock, shard_id=0, on_commit=lambda _units: None
    )


async def book_facts(stack: Stack, clock: ManualClock) -> None:
    """Book the facts of points that are not booked yet, as the ledger's consumer does."""
    booking = Booking(load_chart(None), POINTS)
    async with stack.points.open_as_owner() as conn:
        rows = await conn.fetch(
            "SELECT event_id, event_type, seq, payload FROM fact"
            " WHERE event_type = ANY($1) ORDER BY seq",
            list(POINTS.types),
        )
    commands = [command for row in rows for command in booking.expected(BookableFact(*row))]
    async with stack.ledger.open() as db:
        commit = ledger_writer(db, clock)
        for place in range(0, len(commands), 3):
            await commit(commands[place : place + 3])
            clock.advance(seconds=1)


async def play_ledger(stack: Stack, clock: ManualClock) -> None:
    """Book the facts of points, then money of its own: holds of every end, reversals, refusals."""
    await book_facts(stack, clock)
    async with stack.ledger.open() as db:
        await _move_money(ledger_writer(db, clock), clock)
        await publish(db)


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


async def play_wallet(db: Database, clock: ManualClock) -> None:
    """Journal a few facts, as the wallet's use cases will."""
    base = new_uuid7()
    async with db.transaction() as conn:
        head = await lock_head(conn, 0)
        for n in range(1, 4):
            facts = [
                Fact(derive_id(base, 10 * n + place), 1, base, f"fact {n}".encode())
                for place in range(2)
            ]
            head = await append_facts(conn, head, facts, recorded_time=clock())


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
    async with stack.points.open() as points:
        await play_points(points, clock)
        await publish(points)
    await play_ledger(stack, clock)
    async with stack.wallet.open() as wallet:
        await play_wallet(wallet, clock)
        await publish(wallet)
