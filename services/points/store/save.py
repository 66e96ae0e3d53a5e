"""Writes what the facts of a batch have made and changed, one statement for each table."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.common.runtime.database import Connection
from services.points.domain.batch import Batch, Touched
from services.points.domain.state import Rows
from services.points.store.load import LOTS, MEMBERS

_TICKET_COLUMNS: Final = (
    "shard_id",
    "store_id",
    "business_date",
    "till_id",
    "sequence",
    "kind",
    "ticket_id",
    "event_id",
    "request_id",
    "member_id",
    "checkout_id",
    "occur_time",
    "record_time",
    "total_minor",
    "content_hash",
    "content",
    "decision",
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
_SETTLEMENT_COLUMNS: Final = (
    "shard_id",
    "checkout_id",
    "ticket_id",
    "member_id",
    "event_id",
    "settle_time",
    "content_hash",
    "settlement",
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
_LOT_COLUMNS: Final = (
    "shard_id",
    "lot_id",
    "member_id",
    "currency",
    "earned",
    "remaining",
    "held",
    "earn_time",
    "expire_time",
    "source_event_id",
    "programme_id",
    "programme_version",
    "rule_id",
)
_HOLD_COLUMNS: Final = (
    "shard_id",
    "hold_id",
    "member_id",
    "currency",
    "quantity",
    "spent_quantity",
    "expire_time",
    "state",
)
_HOLD_LOT_COLUMNS: Final = ("shard_id", "hold_id", "place", "lot_id", "quantity", "expire_time")
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
    tickets = [
        (
            shard_id,
            *ticket.event.key,
            ticket.event.ticket_id,
            ticket.event.stamp.event_id,
            ticket.event.request_id,
            ticket.event.member_id,
            ticket.event.checkout_id,
            ticket.event.stamp.occur_time,
            ticket.event.stamp.record_time,
            ticket.event.total_minor,
            ticket.event.content_hash,
            ticket.content,
            ticket.decision,
        )
        for ticket in batch.new_tickets
    ]
    await _copy(conn, "ticket", tickets, _TICKET_COLUMNS)
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
    settlements = [
        (
            shard_id,
            settlement.event.checkout_id,
            settlement.event.ticket_id,
            settlement.event.member_id,
            settlement.event.stamp.event_id,
            settlement.event.stamp.occur_time,
            settlement.event.content_hash,
            settlement.content,
        )
        for settlement in batch.new_settlements
    ]
    await _copy(conn, "ticket_settlement", settlements, _SETTLEMENT_COLUMNS)
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
        await conn.execute(
            MEMBERS["update_members"],
            shard_id,
            [member.member_id for member in of],
            [member.customer_id for member in of],
            [member.card_count for member in of],
        )


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
    made = []
    for lot_id in touched.new_lots:
        lot = rows.lots[lot_id]
        made.append(
            (
                shard_id,
                lot.lot_id,
                lot.member_id,
                lot.currency,
                lot.earned,
                lot.remaining,
                lot.held,
                lot.earn_time,
                lot.expire_time,
                lot.source_event_id,
                lot.programme_id,
                lot.programme_version,
                lot.rule_id,
            )
        )
    await _copy(conn, "lot", made, _LOT_COLUMNS)
    if touched.changed_lots:
        changed = [rows.lots[lot_id] for lot_id in sorted(touched.changed_lots)]
        await conn.execute(
            LOTS["update_lots"],
            shard_id,
            [lot.member_id for lot in changed],
            [lot.lot_id for lot in changed],
            [lot.remaining for lot in changed],
            [lot.held for lot in changed],
        )


async def _save_holds(conn: Connection, rows: Rows, touched: Touched, *, shard_id: int) -> None:
    holds = [rows.holds[hold_id] for hold_id in touched.new_holds]
    made = [
        (
            shard_id,
            hold.hold_id,
            hold.member_id,
            hold.currency,
            hold.quantity,
            hold.spent_quantity,
            hold.expire_time,
            hold.state,
        )
        for hold in holds
    ]
    await _copy(conn, "loyalty_hold", made, _HOLD_COLUMNS)
    shares = [
        (shard_id, hold.hold_id, place, share.lot_id, share.quantity, share.expire_time)
        for hold in holds
        for place, share in enumerate(hold.lots, 1)
    ]
    await _copy(conn, "hold_lot", shares, _HOLD_LOT_COLUMNS)
    if touched.changed_holds:
        changed = [rows.holds[hold_id] for hold_id in sorted(touched.changed_holds)]
        await conn.execute(
            LOTS["update_holds"],
            shard_id,
            [hold.hold_id for hold in changed],
            [hold.spent_quantity for hold in changed],
            [hold.state for hold in changed],
        )


async def _save_balances(conn: Connection, rows: Rows, touched: Touched, *, shard_id: int) -> None:
    if not touched.balances:
        return
    keys = sorted(touched.balances)
    balances = [rows.balances[key] for key in keys]
    await conn.execute(
        MEMBERS["write_balances"],
        shard_id,
        [member_id for member_id, _ in keys],
        [currency for _, currency in keys],
        [balance.available for balance in balances],
        [balance.held for balance in balances],
    )


async def _copy(
    conn: Connection, table: str, rows: Sequence[tuple[Any, ...]], columns: Iterable[str]
) -> None:
    """COPY the rows, if there are any: the cheapest way in, whatever their number."""
    if rows:
        await conn.copy_records_to_table(table, records=rows, columns=list(columns))
