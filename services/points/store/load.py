"""Fills a batch with the rows that its commands touch, one statement for each table.

The head's lock is held, so every statement sees what the batch before committed and no row
changes meanwhile. What no command needs is not asked for.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Connection, load_queries
from services.points.codec.settlement import parse_settlement
from services.points.domain.batch import Batch, KnownTicket
from services.points.domain.command import (
    Command,
    EnrolMember,
    ExpireValue,
    HoldValue,
    IdentifyMember,
    LinkCard,
    PublishProgramme,
    RecordTicket,
    ReleaseHold,
    ReverseCheckout,
    SettleCheckout,
    SpendHold,
)
from services.points.domain.event import LotShare
from services.points.domain.state import BalanceRow, HoldRow, HoldState, MemberRow, Rows
from services.points.domain.ticket import TicketKey, TicketKind
from services.points.store.holders import load_holders, lot_of

MEMBERS: Final = load_queries(__package__, "members.sql")
TICKETS: Final = load_queries(__package__, "tickets.sql")
LOTS: Final = load_queries(__package__, "lots.sql")
CHECKOUTS: Final = load_queries(__package__, "checkouts.sql")


@dataclass(slots=True)
class Needs:
    """What the commands of a batch name."""

    tickets: set[tuple[TicketKey, UUID]] = field(default_factory=set)
    cards: set[str] = field(default_factory=set)
    customers: set[UUID] = field(default_factory=set)
    members: set[UUID] = field(default_factory=set)
    holders: set[UUID] = field(default_factory=set)
    holders_by_customer: set[UUID] = field(default_factory=set)
    holds: set[UUID] = field(default_factory=set)
    settlements: set[UUID] = field(default_factory=set)
    reversals: set[UUID] = field(default_factory=set)
    sweep_limit: int = 0


def needs_of(commands: Iterable[Command]) -> Needs:
    """Collect what commands name, before anything is read."""
    needs = Needs()
    for command in commands:
        _need(needs, command)
    return needs


async def load_batch(
    conn: Connection, batch: Batch, needs: Needs, *, shard_id: int, now: datetime
) -> None:
    """Read all that the needs name, and what that leads to, into an empty batch."""
    rows = batch.rows
    if needs.tickets:
        await _load_tickets(conn, batch, needs, shard_id=shard_id)
    if needs.cards:
        for card, member_id in await conn.fetch(MEMBERS["find_cards"], shard_id, list(needs.cards)):
            rows.cards[card] = member_id
    customers = needs.customers - needs.holders_by_customer
    if customers:
        for customer_id, member_id in await conn.fetch(
            MEMBERS["find_customers"], shard_id, list(customers)
        ):
            rows.customers[customer_id] = member_id
    if needs.settlements:
        await _load_settlements(conn, batch, needs, shard_id=shard_id)
    holders = await _load_value(conn, batch, needs, shard_id=shard_id, now=now)
    if needs.reversals:
        await _load_moved_lots(conn, batch, needs, shard_id=shard_id)
    members = needs.members.union(rows.lots_of, rows.cards.values(), rows.customers.values())
    members -= holders
    if members:
        await _load_members(conn, rows, members, shard_id=shard_id)


def _need(needs: Needs, command: Command) -> None:
    match command:
        case RecordTicket(ticket=ticket):
            needs.tickets.add((ticket.key, command.request_id))
            if ticket.card_number is not None:
                needs.cards.add(ticket.card_number)
            if ticket.member_id is not None:
                needs.members.add(ticket.member_id)
        case EnrolMember():
            needs.members.add(command.member_id)
            needs.cards.update(command.card_numbers)
            if command.customer_id is not None:
                needs.customers.add(command.customer_id)
        case IdentifyMember():
            needs.members.add(command.member_id)
            needs.customers.add(command.customer_id)
        case LinkCard():
            needs.members.add(command.member_id)
            needs.cards.add(command.card_number)
        case HoldValue():
            needs.holds.add(command.hold_id)
            if command.member_id is not None:
                needs.holders.add(command.member_id)
            if command.customer_id is not None:
                needs.holders_by_customer.add(command.customer_id)
        case SpendHold() | ReleaseHold():
            needs.holds.add(command.hold_id)
        case ExpireValue():
            needs.sweep_limit = max(needs.sweep_limit, command.limit)
        case SettleCheckout() | ReverseCheckout():
            _need_checkout(needs, command)
        case PublishProgramme():
            pass


def _need_checkout(needs: Needs, command: SettleCheckout | ReverseCheckout) -> None:
    needs.settlements.add(command.checkout_id)
    if isinstance(command, ReverseCheckout):
        needs.reversals.add(command.checkout_id)
        return
    ticket = command.ticket
    needs.tickets.add((ticket.key, command.event_id))
    needs.customers.add(command.customer_id)
    if ticket.card_number is not None:
        needs.cards.add(ticket.card_number)
    if ticket.member_id is not None:
        needs.members.add(ticket.member_id)
    if command.tenders:
        needs.holders_by_customer.add(command.customer_id)
        needs.holds.update(claim.hold_id for claim in command.tenders)


async def _load_tickets(conn: Connection, batch: Batch, needs: Needs, *, shard_id: int) -> None:
    found = await conn.fetch(TICKETS["find_tickets"], shard_id, *_columns(needs.tickets))
    for row in found:
        key, known = _key(row), KnownTicket(*row[5:])
        batch.tickets[key] = known
        batch.request_keys[known.request_id] = key
    if found:
        by_id = {known.ticket_id: known for known in batch.tickets.values()}
        for ticket_id, content_hash in await conn.fetch(
            TICKETS["find_conflict_hashes"], shard_id, list(by_id)
        ):
            by_id[ticket_id].conflict_hashes.add(content_hash)


async def _load_settlements(conn: Connection, batch: Batch, needs: Needs, *, shard_id: int) -> None:
    """Read settled checkouts; of those to be refunded, the holds that were spent are needed too."""
    found = await conn.fetch(CHECKOUTS["find_settlements"], shard_id, list(needs.settlements))
    for checkout_id, content, is_reversed in found:
        settlement = parse_settlement(content, is_reversed=is_reversed)
        batch.settlements[checkout_id] = settlement
        if checkout_id in needs.reversals and not is_reversed:
            needs.holds.update(settlement.hold_ids)


async def _load_value(
    conn: Connection, batch: Batch, needs: Needs, *, shard_id: int, now: datetime
) -> set[UUID]:
    """Read holds, named or due, and members with all they have left; give these members.

    Who is named brings the news of which holds there are; so a new hold takes one statement. A hold that is there
    brings whose it is.
    """
    rows, holds = batch.rows, needs.holds
    holders = set(needs.holders)
    if holders or needs.holders_by_customer:
        holds = set(
            await load_holders(
                conn,
                rows,
                holders,
                customer_ids=needs.holders_by_customer,
                hold_ids=holds,
                shard_id=shard_id,
            )
        )
        holders.update(rows.members)
    if holds or needs.sweep_limit:
        owners = await _load_holds(conn, batch, holds, needs, shard_id=shard_id, now=now)
        if owners - holders:
            await load_holders(conn, rows, owners - holders, shard_id=shard_id)
        holders |= owners
    if needs.sweep_limit:
        await _load_due_lots(conn, batch, needs, shard_id=shard_id, now=now)
    return holders


async def _load_holds(
    conn: Connection,
    batch: Batch,
    hold_ids: set[UUID],
    needs: Needs,
    *,
    shard_id: int,
    now: datetime,
) -> set[UUID]:
    """Read holds with their lots, named or due, and give whose they are."""
    if needs.sweep_limit:
        due = await conn.fetch(LOTS["due_holds"], shard_id, now, needs.sweep_limit)
        batch.due_holds = [row[0] for row in due]
        hold_ids = hold_ids.union(batch.due_holds)
    holds = await read_holds(conn, hold_ids, shard_id=shard_id)
    batch.rows.holds.update(holds)
    return {hold.member_id for hold in holds.values()}


async def read_holds(
    conn: Connection, hold_ids: Collection[UUID], *, shard_id: int
) -> dict[UUID, HoldRow]:
    """Read holds with the lots behind them, in the order of use."""
    if not hold_ids:
        return {}
    found = await conn.fetch(LOTS["find_holds"], shard_id, list(hold_ids))
    return {hold_id: _hold(list(shares)) for hold_id, shares in groupby(found, key=itemgetter(0))}


async def _load_due_lots(
    conn: Connection, batch: Batch, needs: Needs, *, shard_id: int, now: datetime
) -> None:
    """Read the lots of anybody that are over, for a sweep."""
    for row in await conn.fetch(LOTS["due_lots"], shard_id, now, needs.sweep_limit):
        lot = lot_of(row)
        batch.due_lots.append(lot.lot_id)
        if lot.lot_id not in batch.rows.lots:
            batch.rows.add_lot(lot)


async def _load_moved_lots(conn: Connection, batch: Batch, needs: Needs, *, shard_id: int) -> None:
    """Read the lots that refunded checkouts spent or earned, as far as nothing is left of them."""
    rows = batch.rows
    wanted: dict[UUID, UUID] = {}
    for checkout_id in needs.reversals.intersection(batch.settlements):
        settlement = batch.settlements[checkout_id]
        if settlement.member_id is None or settlement.is_reversed:
            continue
        holds = [rows.holds[hold_id] for hold_id in settlement.hold_ids if hold_id in rows.holds]
        spent = [share.lot_id for hold in holds for share in hold.lots]
        wanted.update(dict.fromkeys((*spent, *settlement.lot_ids), settlement.member_id))
    missing = {lot_id: owner for lot_id, owner in wanted.items() if lot_id not in rows.lots}
    for row in await conn.fetch(LOTS["find_lots"], shard_id, list(missing.values()), list(missing)):
        rows.add_lot(lot_of(row))


async def _load_members(
    conn: Connection, rows: Rows, member_ids: set[UUID], *, shard_id: int
) -> None:
    for *member_row, currency, available, held in await conn.fetch(
        MEMBERS["load_members"], shard_id, list(member_ids)
    ):
        member = MemberRow(*member_row)
        rows.members[member.member_id] = member
        if member.customer_id is not None:
            rows.customers[member.customer_id] = member.member_id
        if currency is not None:
            key = (member.member_id, LoyaltyCurrency(currency))
            rows.balances[key] = BalanceRow(available, held)


def _hold(shares: Sequence[Sequence[Any]]) -> HoldRow:
    """Make a hold of its rows, one for each lot behind it."""
    hold_id, member_id, currency, quantity, spent_quantity, expire_time, state = shares[0][:7]
    return HoldRow(
        hold_id=hold_id,
        member_id=member_id,
        currency=LoyaltyCurrency(currency),
        quantity=quantity,
        spent_quantity=spent_quantity,
        expire_time=expire_time,
        state=HoldState(state),
        lots=tuple(LotShare(*share[7:]) for share in shares),
    )


def _columns(tickets: Iterable[tuple[TicketKey, UUID]]) -> tuple[Sequence[object], ...]:
    """Turn keys and request ids into one list for each part, for ``unnest``."""
    return tuple(zip(*((*key, request_id) for key, request_id in tickets), strict=True))


def _key(row: Sequence[object]) -> TicketKey:
    store_id, business_date, till_id, sequence, kind = row[:5]
    return TicketKey(store_id, business_date, till_id, sequence, TicketKind(kind))  # type: ignore[arg-type]  # typed by the table
