"""Writes what the facts of a batch have made and changed, one statement for each table."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.common.runtime.database import Connection
from services.points.domain.batch import Batch, Touched
from services.points.domain.state import Rows
from services.points.store.load import LOTS, MEMBERS
from services.points.store.rows import (
    BalanceRow,
    ChangedHoldRow,
    ChangedLotRow,
    EndedLotRow,
    HoldLotRow,
    NewHoldRow,
    NewLotRow,
    SettlementRow,
    TicketRow,
    balance_rows,
    changed_hold_rows,
    changed_lot_rows,
    columns_of,
    ended_lot_rows,
    hold_lot_rows,
    new_hold_rows,
    new_lot_rows,
    settlement_rows,
    ticket_rows,
)

_CONFLICT_COLUMNS: Final = (
    "shard_id",
    "ticket_id",
    "content_hash",
    "event_id",
    "request_id",
    "record_time",
    "content",
)
_REVERSAL_COLUMNS: Final = (
    "shard_id",
    "checkout_id",
    "currency",
    "ticket_id",
    "member_id",
    "event_id",
    "refund_id",
    "reverse_time",
    "restored",
    "taken",
    "shortfall",
)
_MEMBER_COLUMNS: Final = (
    "shard_id",
    "member_id",
    "customer_id",
    "enrol_time",
    "enrolment_hash",
    "card_count",
)
_CARD_COLUMNS: Final = ("shard_id", "card_number", "member_id", "link_time")
_PROGRAMME_COLUMNS: Final = (
    "shard_id",
    "programme_id",
    "version",
    "effective_from",
    "content",
    "publish_time",
)


class RowsMissing(Exception):
    """Rows to be changed are not there: something else than the service has written to its tables."""


async def save_batch(conn: Connection, batch: Batch, touched: Touched, *, shard_id: int) -> None:
    """Write the rows of a decided batch; its facts are the journal's to write."""
    await _save_tickets(conn, batch, shard_id=shard_id)
    await _save_checkouts(conn, batch, shard_id=shard_id)
    await _save_members(conn, batch.rows, touched, shard_id=shard_id)
    await _save_programmes(conn, touched, shard_id=shard_id)
    await _save_lots(conn, batch.rows, touched, shard_id=shard_id)
    await _save_holds(conn, batch.rows, touched, shard_id=shard_id)
    await _save_balances(conn, batch.rows, touched, shard_id=shard_id)


async def _save_tickets(conn: Connection, batch: Batch, *, shard_id: int) -> None:
    await _copy_rows(conn, "ticket", ticket_rows(batch), TicketRow._fields, shard_id=shard_id)
    conflicts = [
        (
            shard_id,
            conflict.event.ticket_id,
            conflict.event.other_content_hash,
            conflict.event.stamp.event_id,
            conflict.event.request_id,
            conflict.event.stamp.record_time,
            conflict.content,
        )
        for conflict in batch.new_conflicts
    ]
    await _copy(conn, "ticket_conflict", conflicts, _CONFLICT_COLUMNS)


async def _save_checkouts(conn: Connection, batch: Batch, *, shard_id: int) -> None:
    await _copy_rows(
        conn, "ticket_settlement", settlement_rows(batch), SettlementRow._fields, shard_id=shard_id
    )
    reversals = [
        (
            shard_id,
            event.checkout_id,
            amount.currency,
            event.ticket_id,
            event.member_id,
            event.stamp.event_id,
            event.refund_id,
            event.stamp.occur_time,
            amount.restored,
            amount.taken,
            amount.shortfall,
        )
        for event in batch.new_reversals
        for amount in event.amounts()
    ]
    await _copy(conn, "ticket_reversal", reversals, _REVERSAL_COLUMNS)


async def _save_members(conn: Connection, rows: Rows, touched: Touched, *, shard_id: int) -> None:
    members = [rows.members[member_id] for member_id in touched.new_members]
    made = [
        (
            shard_id,
            member.member_id,
            member.customer_id,
            member.enrol_time,
            member.enrolment_hash,
            member.card_count,
        )
        for member in members
    ]
    await _copy(conn, "member", made, _MEMBER_COLUMNS)
    cards = [(shard_id, *card) for card in touched.new_cards]
    await _copy(conn, "card", cards, _CARD_COLUMNS)
    changed = touched.changed_members()
    if changed:
        of = [rows.members[member_id] for member_id in changed]
        columns = zip(
            *((member.member_id, member.customer_id, member.card_count) for member in of),
            strict=True,
        )
        await _update(conn, MEMBERS["update_members"], shard_id, *map(list, columns))


async def _save_programmes(conn: Connection, touched: Touched, *, shard_id: int) -> None:
    published = [
        (
            shard_id,
            event.programme.programme_id,
            event.programme.version,
            event.programme.effective_from,
            event.content,
            event.stamp.occur_time,
        )
        for event in touched.new_programmes
    ]
    await _copy(conn, "programme", published, _PROGRAMME_COLUMNS)


async def _save_lots(conn: Connection, rows: Rows, touched: Touched, *, shard_id: int) -> None:
    made = new_lot_rows(rows, touched)
    await _copy_rows(conn, "lot", made, NewLotRow._fields, shard_id=shard_id)
    changed = list(changed_lot_rows(rows, touched))
    if changed:
        columns = columns_of(changed, ChangedLotRow._fields)
        await _update(conn, LOTS["update_lots"], shard_id, *columns)
    ended = list(ended_lot_rows(rows, touched))
    if ended:
        columns = columns_of(ended, EndedLotRow._fields)
        await _update(conn, LOTS["end_lots"], shard_id, *columns)


async def _save_holds(conn: Connection, rows: Rows, touched: Touched, *, shard_id: int) -> None:
    made = new_hold_rows(rows, touched)
    await _copy_rows(conn, "loyalty_hold", made, NewHoldRow._fields, shard_id=shard_id)
    shares = hold_lot_rows(rows, touched)
    await _copy_rows(conn, "hold_lot", shares, HoldLotRow._fields, shard_id=shard_id)
    changed = list(changed_hold_rows(rows, touched))
    if changed:
        columns = columns_of(changed, ChangedHoldRow._fields)
        await _update(conn, LOTS["update_holds"], shard_id, *columns)


async def _save_balances(conn: Connection, rows: Rows, touched: Touched, *, shard_id: int) -> None:
    moved = list(balance_rows(rows, touched))
    if moved:
        await conn.execute(
            MEMBERS["write_balances"], shard_id, *columns_of(moved, BalanceRow._fields)
        )


async def _update(conn: Connection, query: str, shard_id: int, *columns: list[Any]) -> None:
    """Change rows that were read: one that is not there any more is a bug, and fails the transaction."""
    done = await conn.execute(query, shard_id, *columns)
    if done != f"UPDATE {len(columns[0])}":
        message = f"{len(columns[0])} rows were to be changed: {done}"
        raise RowsMissing(message)


async def _copy_rows(
    conn: Connection,
    table: str,
    rows: Iterable[tuple[object, ...]],
    fields: Sequence[str],
    *,
    shard_id: int,
) -> None:
    """COPY rows whose fields are the table's columns after the shard."""
    await _copy(conn, table, [(shard_id, *row) for row in rows], ("shard_id", *fields))


async def _copy(
    conn: Connection, table: str, rows: Sequence[tuple[Any, ...]], columns: Iterable[str]
) -> None:
    """COPY the rows, if there are any: the cheapest way in, whatever their number."""
    if rows:
        await conn.copy_records_to_table(table, records=rows, columns=list(columns))
