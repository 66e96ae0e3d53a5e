"""Every event booked once: each fact of points and wallet against the ledger's transactions, leg by leg.

The expected transactions are recomputed from the fact by the ledger's own posting rules, then
compared with what is stored. Both sides come sorted by the transaction's id, so a fact without its
transaction, a transaction without a fact and a fact that is there twice stand alone.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from services.auditor.booking import POINTS, UNBOOKABLE, WALLET, BookableFact, Booking, Origin
from services.auditor.merge import merge
from services.auditor.parallel import Sources
from services.auditor.report import UNCONSUMED, BreakKind, Check, Fault
from services.auditor.snapshot import Source, batches, reading
from services.auditor.tally import Listener, Tally
from services.common.runtime.database import Connection, load_queries
from services.ledger.codec.chart import load_chart
from services.ledger.domain.journal import Entry
from services.ledger.domain.transaction import ACCEPTED, Kind, Layer, TransactionCommand

QUERIES: Final = load_queries(__package__, "books.sql")

PAIRS_MAX: Final = 1_000
"""Pairs whose legs are read together."""

DERIVED_BITS: Final = 8
"""An id that is derived from an event's differs from it in these last bits only."""


class Due(NamedTuple):
    """A fact and one transaction that it must have become, or why it can become none."""

    fact: BookableFact
    command: TransactionCommand | None
    fault: str | None


class Pair(NamedTuple):
    """What is due under an id and the transaction that stands there; one of them may be missing."""

    transaction_id: UUID
    due: Due | None
    entry: Entry | None


class PostedLeg(NamedTuple):
    """What a transaction did to one balance of one account."""

    account: str
    amount: int
    asset: str
    layer: int


Legs = dict[int, list[PostedLeg]]
"""The postings of transactions by their number; one shard's."""


class BooksAudit:
    """Proves that the events of one service and the books agree, while both stream by."""

    def __init__(
        self, ledger: Connection, booking: Booking, *, checks: tuple[str, str], listener: Listener
    ) -> None:
        """Compare with what ``booking`` says; ``ledger`` is asked for legs; ``checks`` names the two verdicts."""
        self._ledger = ledger
        self._booking = booking
        self._events, self._sales = (Tally(name, listener=listener) for name in checks)
        self._expected: Counter[str] = Counter()
        """What all sales together should have done to each account."""

    async def run(self, facts: AsyncIterator[BookableFact]) -> list[Check]:
        """Compare every fact with its transactions, and every transaction with its fact."""
        pairs: list[Pair] = []
        right = _entries(self._ledger, self._booking.origin)
        async for transaction_id, due, entry in merge(self._due(facts), right):
            pairs.append(Pair(transaction_id, due, entry))
            if len(pairs) == PAIRS_MAX:
                await self._compare(pairs)
                pairs.clear()
        await self._compare(pairs)
        await self._compare_sales()
        return [
            self._events.close("every event is booked once, as its posting rule says"),
            self._sales.close(self._figures()),
        ]

    async def _due(self, facts: AsyncIterator[BookableFact]) -> AsyncIterator[tuple[UUID, Due]]:
        """Stream what is due in the order of transaction ids; facts come in the order of theirs.

        Ids that are derived from an event's differ in the last byte only, so sorting is a matter of neighbors.
        """
        near: list[tuple[UUID, Due]] = []
        async for fact in facts:
            if near and near[0][0].int >> DERIVED_BITS != fact.event_id.int >> DERIVED_BITS:
                for item in sorted(near, key=lambda item: item[0]):
                    yield item
                near.clear()
            near.extend(self._due_of(fact))
        for item in sorted(near, key=lambda item: item[0]):
            yield item

    def _due_of(self, fact: BookableFact) -> Iterator[tuple[UUID, Due]]:
        """Give what is due for one fact; one that books nothing must have no transaction under its id."""
        try:
            commands = self._booking.expected(fact)
        except UNBOOKABLE as error:
            yield fact.event_id, Due(fact, None, f"cannot be booked: {error}")
            return
        for command in commands:
            yield command.transaction_id, Due(fact, command, None)
        if not commands:
            yield fact.event_id, Due(fact, None, None)

    async def _compare(self, pairs: Sequence[Pair]) -> None:
        """Compare pairs whose legs are read together."""
        legs = await _legs_of(self._ledger, [pair.entry for pair in pairs if pair.entry])
        self._events.cover(len(pairs))
        for pair in pairs:
            for fault in self._faults(pair, legs):
                self._events.blame(fault.text, fault.kind)

    def _faults(self, pair: Pair, legs: dict[int, Legs]) -> list[Fault]:
        """Give what is wrong with one pair, in words."""
        transaction_id, due, entry = pair
        if due is None:
            text = f"transaction {transaction_id} was booked from an event that does not exist"
            return [Fault(text)]
        fact, command, fault = due
        event = f"event {fact.event_id} (seq {fact.seq})"
        if fault is not None:
            return [Fault(f"{event} {fault}")]
        if command is None:
            return [Fault(f"{event} books nothing and was booked")] if entry else []
        if command.purpose in self._booking.origin.sale_purposes:
            self._sales.cover(1)
            self._expected.update({leg.account: leg.amount for leg in command.legs})
        if entry is None:
            return [Fault(f"{event} {UNCONSUMED.format('the ledger')}", BreakKind.BUSINESS)]
        stored = legs.get(entry.shard_id, {}).get(entry.seq, [])
        # What the books refused is frozen under its id, and has neither the status nor the legs.
        kind = BreakKind.PROOF if entry.status == ACCEPTED else BreakKind.BUSINESS
        return [
            Fault(
                f"transaction {transaction_id} has another {part} than its event (seq {fact.seq}) says",
                kind,
            )
            for part in _differences(command, entry, stored)
        ]

    async def _compare_sales(self) -> None:
        """All sales of the facts together against all sales booked, account by account."""
        purposes = sorted(self._booking.origin.sale_purposes)
        rows = await self._ledger.fetch(QUERIES["booked_by_account"], purposes)
        booked = {row["name"]: row["amount"] for row in rows}
        for account in sorted(booked.keys() | self._expected.keys()):
            self._sales.expect(
                holds=booked.get(account, 0) == self._expected[account],
                # The difference alone: it stays the same while more is sold, and can be acknowledged.
                offender=f"{account}: the books are {booked.get(account, 0) - self._expected[account]:+}"
                " beside the events",
                kind=self._events.kind,
            )

    def _figures(self) -> str:
        """Say the sales and their VAT by rate, in euros."""
        parts = []
        for rate_bp, line in sorted(self._booking.chart.vat_lines.items()):
            vat = self._expected[line.vat_account] if line.vat_account else 0
            net = self._expected[line.sales_account]
            if net or vat:
                parts.append(f"{rate_bp / 100:g} %: {_euros(net)} net + {_euros(vat)} VAT")
        return "sales booked are those of the events: " + ("; ".join(parts) or "none")


def _differences(command: TransactionCommand, entry: Entry, stored: list[PostedLeg]) -> list[str]:
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
        ("set of legs", sorted(_expected_legs(command)), sorted(stored)),
    )
    return [part for part, expected, actual in compared if expected != actual]


def _expected_legs(command: TransactionCommand) -> Iterator[PostedLeg]:
    """Give what a command does to each balance; the posting of a whole hold also ends what was held."""
    for account, amount, asset in command.legs:
        yield PostedLeg(account, amount, asset, Layer.SETTLED)
        if command.kind == Kind.HOLD_POSTED:
            layer = Layer.HELD_OUT if amount < 0 else Layer.HELD_IN
            yield PostedLeg(account, -amount, asset, layer)


def _euros(cents: int) -> str:
    """Write an amount in euros, exactly."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02} EUR"


async def audit_books(sources: Sources, listener: Listener) -> list[Check]:
    """Prove that the books are the events of points, all of them and nothing else."""
    checks = ("books.events_booked_once", "books.sales_by_vat_rate")
    return await _audit(sources, sources.points, POINTS, checks=checks, listener=listener)


async def audit_checkout_books(sources: Sources, listener: Listener) -> list[Check]:
    """Prove the same of the wallet's events, where there is a wallet."""
    if sources.wallet is None:
        return []
    checks = ("books.checkouts_booked_once", "books.checkout_sales_by_vat_rate")
    return await _audit(sources, sources.wallet, WALLET, checks=checks, listener=listener)


async def _audit(
    sources: Sources, source: Source, origin: Origin, *, checks: tuple[str, str], listener: Listener
) -> list[Check]:
    """Compare one service's facts with the ledger."""
    booking = Booking(load_chart(sources.chart_file), origin)
    async with reading(source) as conn, reading(sources.ledger) as ledger:
        audit = BooksAudit(ledger, booking, checks=checks, listener=listener)
        return await audit.run(_facts(conn, origin))


async def _facts(conn: Connection, origin: Origin) -> AsyncIterator[BookableFact]:
    """Stream the facts that the books look at, by event id."""
    async for rows in batches(conn, QUERIES["bookable_facts"], list(origin.types)):
        for row in rows:
            yield BookableFact(*row)


async def _entries(conn: Connection, origin: Origin) -> AsyncIterator[tuple[UUID, Entry]]:
    """Stream the transactions that only the origin's events make, by id."""
    async for rows in batches(conn, QUERIES["event_transactions"], sorted(origin.purposes)):
        for row in rows:
            entry = Entry(*row)
            yield entry.transaction_id, entry


async def _legs_of(conn: Connection, entries: Sequence[Entry]) -> dict[int, Legs]:
    """Read the postings of transactions, by shard and number."""
    seqs: dict[int, list[int]] = {}
    for entry in entries:
        seqs.setdefault(entry.shard_id, []).append(entry.seq)
    legs: dict[int, Legs] = {}
    for shard_id, numbers in seqs.items():
        of_shard = legs[shard_id] = {}
        for seq, *leg in await conn.fetch(QUERIES["legs"], shard_id, numbers):
            of_shard.setdefault(seq, []).append(PostedLeg(*leg))
    return legs
