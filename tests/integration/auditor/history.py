"""A small real history: members shop, hold, spend and lose value; the ledger books all of it.

Everything goes through the services' own use cases, with a clock that moves, so that every table
of every service has rows that mean something.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cagnotte.points.v1 import points_pb2
from deploy.programmes import load_publish_request, read_programme
from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import Database
from services.common.testing.clock import ManualClock
from services.ledger.domain.expiry import expire_hold
from services.ledger.domain.transaction import (
    Kind,
    OpenAccount,
)
from services.ledger.usecases.commit_batch import CommitBatch as CommitTransactions
from services.points.codec.programme import parse_publish
from services.points.domain.command import (
    EnrolMember,
    ExpireValue,
    IdentifyMember,
    LinkCard,
)
from services.points.usecases.commit_batch import CommitBatch as CommitPoints
from services.wallet.domain.tender import TenderKind
from tests.integration.auditor.stage import (
    BANK,
    CARDS,
    CUSTOMERS,
    MEMBERS,
    PREPAID,
    START,
    Line,
    Stack,
    book_facts,
    follow_checkouts,
    ledger_writer,
    make_checkout_ticket,
    make_ticket,
    make_transaction,
    points_writer,
    record,
    wallet_writer,
)
from tests.integration.auditor.wallet_history import SHORT, Phones, tender

PHONE_LINES: tuple[Line, ...] = ((1_200, 50, 550, "Private"), (800, 0, 2000, "National"))

"""A basket of 20.00, of which 19.50 is to be paid."""


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
    part = make_transaction(
        Kind.REVERSAL, (BANK, -300), (PREPAID, 300), target_id=small.transaction_id
    )
    rest = make_transaction(Kind.REVERSAL, target_id=small.transaction_id)
    await commit([small, part, rest, reversal])
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
