"""Every event booked once: each fact of points against the ledger's transaction, leg by leg.

The expected transaction is recomputed from the fact by the ledger's own posting rule, then
compared with what is stored. Both sides come sorted by the event's id, so a fact without a
transaction, a transaction without a fact and a fact that is there twice stand alone.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from services.auditor.booking import (
    BOOKABLE_TYPES,
    UNBOOKABLE,
    BookableFact,
    Booking,
)
from services.auditor.merge import merge
from services.auditor.parallel import Sources
from services.auditor.report import Check
from services.auditor.snapshot import batches, reading
from services.auditor.tally import Listener, Tally
from services.common.runtime.database import Connection, load_queries
from services.ledger.codec.chart import load_chart
from services.ledger.domain.journal import Entry
from services.ledger.domain.posting_rules import EVENT_PURPOSES, SALE
from services.ledger.domain.transaction import ACCEPTED, Leg, TransactionCommand

QUERIES: Final = load_queries(__package__, "books.sql")

PAIRS_MAX: Final = 1_000
"""Pairs whose legs are read together."""


class Pair(NamedTuple):
    """A fact and the transaction under its id; one of them may be missing."""

    event_id: UUID
    fact: BookableFact | None
    entry: Entry | None


Legs = dict[int, list[Leg]]
"""The settled legs of transactions by their number; one shard's."""


class BooksAudit:
    """Proves that events and books agree, while both stream by."""

    def __init__(self, ledger: Connection, booking: Booking, *, listener: Listener) -> None:
        """Compare with what ``booking`` says; ``ledger`` is asked for legs."""
        self._ledger = ledger
        self._booking = booking
        self._events = Tally("books.events_booked_once", listener=listener)
        self._sales = Tally("books.sales_by_vat_rate", listener=listener)
        self._expected: Counter[str] = Counter()
        """What all sales together should have done to each account."""

    async def run(self, facts: AsyncIterator[BookableFact]) -> list[Check]:
        """Compare every fact with its transaction, and every transaction with its fact."""
        pairs: list[Pair] = []
        left = ((fact.event_id, fact) async for fact in facts)
        right = ((entry.transaction_id, entry) async for entry in _entries(self._ledger))
        async for event_id, fact, entry in merge(left, right):
            pairs.append(Pair(event_id, fact, entry))
            if len(pairs) == PAIRS_MAX:
                await self._compare(pairs)
                pairs.clear()
        await self._compare(pairs)
        await self._compare_sales()
        return [
            self._events.close("every event is booked once, as its posting rule says"),
            self._sales.close(self._figures()),
        ]

    async def _compare(self, pairs: Sequence[Pair]) -> None:
        """Compare pairs whose legs are read together."""
        legs = await _legs_of(self._ledger, [pair.entry for pair in pairs if pair.entry])
        self._events.cover(len(pairs))
        for pair in pairs:
            for fault in self._faults(pair, legs):
                self._events.blame(fault)

    def _faults(self, pair: Pair, legs: dict[int, Legs]) -> list[str]:
        """Give what is wrong with one pair, in words."""
        _, fact, entry = pair
        if fact is None:
            return [f"transaction {pair.event_id} was booked from an event that does not exist"]
        try:
            command = self._booking.expected(fact)
        except UNBOOKABLE as error:
            return [f"event {pair.event_id} (seq {fact.seq}) cannot be booked: {error}"]
        if command is None:
            books_nothing = f"event {pair.event_id} (seq {fact.seq}) books nothing and was booked"
            return [books_nothing] if entry else []
        if command.purpose == SALE:
            self._sales.cover(1)
            self._expected.update({leg.account: leg.amount for leg in command.legs})
        if entry is None:
            return [f"event {pair.event_id} (seq {fact.seq}) is not yet consumed by the ledger"]
        stored = legs.get(entry.shard_id, {}).get(entry.seq, [])
        return [
            f"transaction {pair.event_id} has another {part} than its event (seq {fact.seq}) says"
            for part in _differences(command, entry, stored)
        ]

    async def _compare_sales(self) -> None:
        """All tickets together against all sales booked, account by account."""
        rows = await self._ledger.fetch(QUERIES["booked_by_account"], SALE)
        booked = {row["name"]: row["amount"] for row in rows}
        for account in sorted(booked.keys() | self._expected.keys()):
            self._sales.expect(
                holds=booked.get(account, 0) == self._expected[account],
                offender=f"{account}: booked {booked.get(account, 0)},"
                f" tickets say {self._expected[account]}",
            )

    def _figures(self) -> str:
        """Say the sales and their VAT by rate, in euros."""
        parts = []
        for rate_bp, line in sorted(self._booking.chart.vat_lines.items()):
            vat = self._expected[line.vat_account] if line.vat_account else 0
            net = self._expected[line.sales_account]
            if net or vat:
                parts.append(f"{rate_bp / 100:g} %: {_euros(net)} net + {_euros(vat)} VAT")
        return "sales booked are those of the tickets: " + ("; ".join(parts) or "none")


def _differences(command: TransactionCommand, entry: Entry, stored: list[Leg]) -> list[str]:
    """Name the parts in which a stored transaction differs from the expected one."""
    compared = (
        ("status", ACCEPTED, entry.status),
        ("kind", command.kind, entry.kind),
        ("time", command.effective_time, entry.effective_time),
        ("basis", command.basis, entry.basis),
        ("purpose", command.purpose, entry.purpose),
        ("reference", command.reference, entry.reference),
        ("target", command.target_id, entry.target_id),
        ("expiry", command.expire_time, entry.expire_time),
        ("request hash", command.request_hash, entry.request_hash),
        ("set of legs", sorted(command.legs), sorted(stored)),
    )
    return [part for part, expected, actual in compared if expected != actual]


def _euros(cents: int) -> str:
    """Write an amount in euros, exactly."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02} EUR"


async def audit_books(sources: Sources, listener: Listener) -> list[Check]:
    """Prove that the books are the events, all of them and nothing else."""
    async with reading(sources.points) as points, reading(sources.ledger) as ledger:
        audit = BooksAudit(ledger, Booking(load_chart(sources.chart_file)), listener=listener)
        return await audit.run(_facts(points))


async def _facts(conn: Connection) -> AsyncIterator[BookableFact]:
    """Stream the facts that the books look at, by event id."""
    async for rows in batches(conn, QUERIES["bookable_facts"], list(BOOKABLE_TYPES)):
        for row in rows:
            yield BookableFact(*row)


async def _entries(conn: Connection) -> AsyncIterator[Entry]:
    """Stream the transactions that only events make, by id."""
    async for rows in batches(conn, QUERIES["event_transactions"], sorted(EVENT_PURPOSES)):
        for row in rows:
            yield Entry(*row)


async def _legs_of(conn: Connection, entries: Sequence[Entry]) -> dict[int, Legs]:
    """Read the settled legs of transactions, by shard and number."""
    seqs: dict[int, list[int]] = {}
    for entry in entries:
        seqs.setdefault(entry.shard_id, []).append(entry.seq)
    legs: dict[int, Legs] = {}
    for shard_id, numbers in seqs.items():
        of_shard = legs[shard_id] = {}
        for seq, name, amount, asset, _ in await conn.fetch(QUERIES["legs"], shard_id, numbers):
            of_shard.setdefault(seq, []).append(Leg(name, amount, asset))
    return legs
