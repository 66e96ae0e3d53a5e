"""Reads outside of batches: members, balances, tickets, totals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Connection, load_queries
from services.points.domain.event import ReversedAmount
from services.points.domain.state import MemberRow
from services.points.domain.ticket import TicketKey
from services.points.store.holders import MemberName
from services.points.store.load import CHECKOUTS, MEMBERS, TICKETS

TOTALS: Final = load_queries(__package__, "totals.sql")


class KeptConflict(NamedTuple):
    """Other content under the key of a ticket, and when it came."""

    record_time: datetime
    content: bytes


class KeptReversal(NamedTuple):
    """What the refund of a checkout undid, by currency."""

    refund_id: UUID
    reverse_time: datetime
    amounts: Sequence[ReversedAmount]


class KeptTicket(NamedTuple):
    """A recorded ticket as it was sent and answered, and its conflicts by arrival.

    With a checkout: how it was settled and what its refund undid, as far as these have happened.
    """

    record_time: datetime
    content: bytes
    decision: bytes
    conflicts: Sequence[KeptConflict]
    settlement: bytes | None
    reversal: KeptReversal | None


class CurrencyTotal(NamedTuple):
    """The position of one currency over all members; what came back or was taken back is apart."""

    currency: LoyaltyCurrency
    issued: int
    spent: int
    outstanding: int
    held: int
    restored: int
    reversed: int
    absorbed: int

    @property
    def expired(self) -> int:
        """Give what is neither there, nor spent, nor taken back: it has expired."""
        return self.issued - self.reversed - self.spent + self.restored - self.outstanding


class Totals(NamedTuple):
    """Counts of rows, of facts by type, and what became of the currencies."""

    currencies: Sequence[CurrencyTotal]
    members: int
    tickets: int
    conflicts: int
    facts: Sequence[tuple[int, int]]


async def find_member(conn: Connection, name: MemberName, *, shard_id: int) -> MemberRow | None:
    """Read the member that is named, if there is one."""
    found = await conn.fetchrow(MEMBERS["find_member"], shard_id, *name)
    return MemberRow(*found) if found else None


async def cards_of(conn: Connection, member_id: UUID, *, shard_id: int) -> list[str]:
    """Read the numbers of a member's cards, ascending."""
    return [row[0] for row in await conn.fetch(MEMBERS["cards_of"], shard_id, member_id)]


async def read_ticket(conn: Connection, key: TicketKey, *, shard_id: int) -> KeptTicket | None:
    """Read what is recorded under a key, if anything is."""
    row = await conn.fetchrow(TICKETS["read_ticket"], shard_id, *key)
    if row is None:
        return None
    conflicts = await conn.fetch(TICKETS["read_conflicts"], shard_id, row["ticket_id"])
    settlement, reversal = row["settlement"], None
    if settlement is not None:
        reversal = await _read_reversal(conn, row["checkout_id"], shard_id=shard_id)
    return KeptTicket(
        row["record_time"],
        row["content"],
        row["decision"],
        [KeptConflict(*conflict) for conflict in conflicts],
        settlement,
        reversal,
    )


async def _read_reversal(
    conn: Connection, checkout_id: UUID, *, shard_id: int
) -> KeptReversal | None:
    rows = await conn.fetch(CHECKOUTS["read_reversal"], shard_id, checkout_id)
    if not rows:
        return None
    amounts = [
        ReversedAmount(
            LoyaltyCurrency(row["currency"]), row["restored"], row["taken"], row["shortfall"]
        )
        for row in rows
    ]
    return KeptReversal(rows[0]["refund_id"], rows[0]["reverse_time"], amounts)


async def read_totals(conn: Connection, *, shard_id: int) -> Totals:
    """Sum all lots and holds, and count rows and facts."""
    lots = {row[0]: row for row in await conn.fetch(TOTALS["lot_totals"], shard_id)}
    spent = dict[int, int](await conn.fetch(TOTALS["spent_totals"], shard_id))
    counts = await conn.fetchrow(TOTALS["row_counts"], shard_id)
    assert counts is not None, "counts are one row"
    facts = await conn.fetch(TOTALS["fact_counts"], shard_id)
    moved = {row[0]: row for row in await conn.fetch(CHECKOUTS["reversal_totals"], shard_id)}
    currencies = []
    for currency in LoyaltyCurrency:
        issued, outstanding, held = lots[currency][1:] if currency in lots else (0, 0, 0)
        restored, taken, absorbed = moved[currency][1:] if currency in moved else (0, 0, 0)
        currencies.append(
            CurrencyTotal(
                currency=currency,
                issued=issued,
                spent=spent.get(currency, 0),
                outstanding=outstanding,
                held=held,
                restored=restored,
                reversed=taken,
                absorbed=absorbed,
            )
        )
    return Totals(
        currencies,
        counts["members"],
        counts["tickets"],
        counts["conflicts"],
        [(row[0], row[1]) for row in facts],
    )
