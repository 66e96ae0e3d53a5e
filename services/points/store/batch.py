"""Writing a small batch: its facts, the block that seals them, and the rows that follow, in one statement.

Where tickets come one by one, a round trip to the database costs more than the work that is done there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.common.runtime.database import Connection, load_queries
from services.common.runtime.journal import Fact, Head, sealed, sealed_parameters
from services.points.domain.batch import Batch, Touched
from services.points.store import rows

BATCH: Final = load_queries(__package__, "batch.sql")


def fits_one_statement(batch: Batch, touched: Touched) -> bool:
    """Tell whether the statement knows all tables that a batch writes to; the others are rare."""
    return not (
        batch.new_conflicts
        or batch.new_reversals
        or touched.new_members
        or touched.identified_members
        or touched.counted_members
        or touched.new_cards
        or touched.new_programmes
    )


async def write_batch(
    conn: Connection,
    head: Head,
    batch: Batch,
    touched: Touched,
    facts: Sequence[Fact],
    *,
    recorded_time: datetime,
) -> Head | None:
    """Write facts after the head with all that follows, and give the new head; None when it was no longer there.

    One statement: it needs no transaction and no lock, and without them it is whole or not at all.
    """
    assert fits_one_statement(batch, touched), "nothing is left out silently"
    after = sealed(head, facts, recorded_time=recorded_time)
    holds_only = _is_of_holds(batch, touched)
    moved = await conn.fetchval(
        BATCH["write_holds" if holds_only else "write_batch"],
        *sealed_parameters(head, after, facts, recorded_time=recorded_time),
        *(_hold_columns(batch, touched) if holds_only else _columns(batch, touched)),
    )
    return after if moved else None


def _is_of_holds(batch: Batch, touched: Touched) -> bool:
    """Tell whether a batch does nothing but make holds."""
    return not (
        batch.new_tickets or batch.new_settlements or touched.new_lots or touched.changed_holds
    )


def _hold_columns(batch: Batch, touched: Touched) -> list[list[object]]:
    """Give the columns of the tables that new holds are written to."""
    of = batch.rows
    return [
        *rows.columns_of(rows.changed_lot_rows(of, touched), rows.ChangedLotRow._fields),
        *rows.columns_of(rows.new_hold_rows(of, touched), rows.NewHoldRow._fields),
        *rows.columns_of(rows.hold_lot_rows(of, touched), rows.HoldLotRow._fields),
        *rows.columns_of(rows.balance_rows(of, touched), rows.BalanceRow._fields),
    ]


def _columns(batch: Batch, touched: Touched) -> list[list[object]]:
    """Give the columns of all tables in the order of the statement's parameters."""
    of = batch.rows
    return [
        *rows.columns_of(rows.ticket_rows(batch), rows.TicketRow._fields),
        *rows.columns_of(rows.settlement_rows(batch), rows.SettlementRow._fields),
        *rows.columns_of(rows.new_lot_rows(of, touched), rows.NewLotRow._fields),
        *rows.columns_of(rows.changed_lot_rows(of, touched), rows.ChangedLotRow._fields),
        *rows.columns_of(rows.new_hold_rows(of, touched), rows.NewHoldRow._fields),
        *rows.columns_of(rows.hold_lot_rows(of, touched), rows.HoldLotRow._fields),
        *rows.columns_of(rows.changed_hold_rows(of, touched), rows.ChangedHoldRow._fields),
        *rows.columns_of(rows.balance_rows(of, touched), rows.BalanceRow._fields),
    ]
