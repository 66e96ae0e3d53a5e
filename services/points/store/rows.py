"""The rows that the facts of a batch have made or changed, table by table; the shard is the writer's to add."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.points.domain.batch import Batch, Touched
from services.points.domain.state import Rows


class TicketRow(NamedTuple):
    """A recorded ticket, with what was sent and what was decided."""

    store_id: str
    business_date: date
    till_id: str
    sequence: int
    kind: int
    ticket_id: UUID
    event_id: UUID
    request_id: UUID
    member_id: UUID | None
    checkout_id: UUID | None
    occur_time: datetime
    record_time: datetime
    total_minor: int
    content_hash: bytes
    content: bytes
    decision: bytes


class SettlementRow(NamedTuple):
    """How a checkout was settled."""

    checkout_id: UUID
    ticket_id: UUID
    member_id: UUID | None
    event_id: UUID
    settle_time: datetime
    content_hash: bytes
    settlement: bytes


class NewLotRow(NamedTuple):
    """A lot as it is made."""

    lot_id: UUID
    member_id: UUID
    currency: int
    earned: int
    remaining: int
    held: int
    earn_time: datetime
    expire_time: datetime
    source_event_id: UUID
    programme_id: str
    programme_version: int
    rule_id: str


class ChangedLotRow(NamedTuple):
    """What can change of a lot."""

    member_id: UUID
    lot_id: UUID
    remaining: int
    held: int


class EndedLotRow(NamedTuple):
    """A lot that ends sooner than it was earned to."""

    member_id: UUID
    lot_id: UUID
    expire_time: datetime


class NewHoldRow(NamedTuple):
    """A hold as it is made."""

    hold_id: UUID
    member_id: UUID
    currency: int
    quantity: int
    spent_quantity: int
    expire_time: datetime
    state: int


class HoldLotRow(NamedTuple):
    """A lot behind a hold; places count from 1 in the order of use."""

    hold_id: UUID
    place: int
    lot_id: UUID
    quantity: int
    expire_time: datetime


class ChangedHoldRow(NamedTuple):
    """What can change of a hold."""

    hold_id: UUID
    spent_quantity: int
    state: int


class BalanceRow(NamedTuple):
    """A member's position in one currency."""

    member_id: UUID
    currency: int
    available: int
    held: int


def columns_of(rows: Iterable[tuple[object, ...]], fields: Sequence[str]) -> list[list[object]]:
    """Turn rows of these fields into one list for each, for ``unnest``."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in fields]


def ticket_rows(batch: Batch) -> Iterator[TicketRow]:
    """Give the tickets that were recorded, in their order."""
    for event, content, decision in batch.new_tickets:
        yield TicketRow(
            *event.key,
            ticket_id=event.ticket_id,
            event_id=event.stamp.event_id,
            request_id=event.request_id,
            member_id=event.member_id,
            checkout_id=event.checkout_id,
            occur_time=event.stamp.occur_time,
            record_time=event.stamp.record_time,
            total_minor=event.total_minor,
            content_hash=event.content_hash,
            content=content,
            decision=decision,
        )


def settlement_rows(batch: Batch) -> Iterator[SettlementRow]:
    """Give the checkouts that were settled."""
    for event, content in batch.new_settlements:
        yield SettlementRow(
            checkout_id=event.checkout_id,
            ticket_id=event.ticket_id,
            member_id=event.member_id,
            event_id=event.stamp.event_id,
            settle_time=event.stamp.occur_time,
            content_hash=event.content_hash,
            settlement=content,
        )


def new_lot_rows(rows: Rows, touched: Touched) -> Iterator[NewLotRow]:
    """Give the lots that were earned."""
    for lot_id in touched.new_lots:
        lot = rows.lots[lot_id]
        yield NewLotRow(
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


def changed_lot_rows(rows: Rows, touched: Touched) -> Iterator[ChangedLotRow]:
    """Give the lots that were there before and are others now, in key order."""
    for lot_id in sorted(touched.changed_lots):
        lot = rows.lots[lot_id]
        yield ChangedLotRow(lot.member_id, lot.lot_id, lot.remaining, lot.held)


def ended_lot_rows(rows: Rows, touched: Touched) -> Iterator[EndedLotRow]:
    """Give the lots that were there before and end sooner now, in key order."""
    for lot_id in sorted(touched.ended_lots.difference(touched.new_lots)):
        lot = rows.lots[lot_id]
        yield EndedLotRow(lot.member_id, lot.lot_id, lot.expire_time)


def new_hold_rows(rows: Rows, touched: Touched) -> Iterator[NewHoldRow]:
    """Give the holds that were made."""
    for hold in map(rows.holds.__getitem__, touched.new_holds):
        yield NewHoldRow(
            hold.hold_id,
            hold.member_id,
            hold.currency,
            hold.quantity,
            hold.spent_quantity,
            hold.expire_time,
            hold.state,
        )


def hold_lot_rows(rows: Rows, touched: Touched) -> Iterator[HoldLotRow]:
    """Give the lots behind the holds that were made."""
    for hold in map(rows.holds.__getitem__, touched.new_holds):
        for place, share in enumerate(hold.lots, 1):
            yield HoldLotRow(hold.hold_id, place, share.lot_id, share.quantity, share.expire_time)


def changed_hold_rows(rows: Rows, touched: Touched) -> Iterator[ChangedHoldRow]:
    """Give the holds that were there before and have ended, in key order."""
    for hold_id in sorted(touched.changed_holds):
        hold = rows.holds[hold_id]
        yield ChangedHoldRow(hold.hold_id, hold.spent_quantity, hold.state)


def balance_rows(rows: Rows, touched: Touched) -> Iterator[BalanceRow]:
    """Give the balances that moved, in key order."""
    for member_id, currency in sorted(touched.balances):
        balance = rows.balances[member_id, currency]
        yield BalanceRow(member_id, currency, balance.available, balance.held)
