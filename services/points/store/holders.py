"""Reads members with all that they have left: one statement, for a balance as for a hold."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Connection, load_queries
from services.points.domain.state import LotRow, MemberRow, Rows

HOLDERS: Final = load_queries(__package__, "holders.sql")

_MEMBER: Final = slice(1, 6)
_LOT: Final = slice(6, 18)


class MemberName(NamedTuple):
    """How a member is named: one of the three is given."""

    member_id: UUID | None
    customer_id: UUID | None
    card_number: str | None


@dataclass(slots=True)
class Holder:
    """A member with the lots of which something is left, held or not."""

    member: MemberRow
    lots: list[LotRow] = field(default_factory=list)


async def load_holders(
    conn: Connection,
    rows: Rows,
    member_ids: Collection[UUID],
    *,
    customer_ids: Collection[UUID] = (),
    hold_ids: Collection[UUID] = (),
    shard_id: int,
) -> Collection[UUID]:
    """Read members into the rows, with their balances, and give which of the holds there are."""
    if len(member_ids) + len(customer_ids) == 1 and len(hold_ids) <= 1:
        name = MemberName(next(iter(member_ids), None), next(iter(customer_ids), None), None)
        found = await _fetch_holder(conn, name, next(iter(hold_ids), None), shard_id=shard_id)
    else:
        found = await conn.fetch(
            HOLDERS["load_holders"], shard_id, list(member_ids), list(customer_ids), list(hold_ids)
        )
    for holder in _holders(found):
        _add(rows, holder)
    known: Collection[UUID] = found[0][0]
    return known


async def find_holder(conn: Connection, name: MemberName, *, shard_id: int) -> Holder | None:
    """Read the member that is named, if there is one."""
    found = await _fetch_holder(conn, name, None, shard_id=shard_id)
    return next(iter(_holders(found)), None)


async def _fetch_holder(
    conn: Connection, name: MemberName, hold_id: UUID | None, *, shard_id: int
) -> Sequence[Sequence[Any]]:
    rows: Sequence[Sequence[Any]] = await conn.fetch(
        HOLDERS["find_holder"], shard_id, *name, hold_id
    )
    return rows


def lot_of(row: Sequence[object]) -> LotRow:
    """Make a lot of a statement's columns, which are in the order of its fields."""
    lot = LotRow(*row)  # type: ignore[arg-type]  # typed by the table
    lot.currency = LoyaltyCurrency(lot.currency)
    return lot


def _holders(found: Iterable[Sequence[object]]) -> Iterable[Holder]:
    holders: dict[object, Holder] = {}
    for row in found:
        member_id, lot_id = row[_MEMBER.start], row[_LOT.start]
        if member_id is None:
            continue
        holder = holders.get(member_id)
        if holder is None:
            member = MemberRow(*row[_MEMBER])  # type: ignore[arg-type]  # typed by the table
            holder = holders[member_id] = Holder(member)
        if lot_id is not None:
            holder.lots.append(lot_of(row[_LOT]))
    return holders.values()


def _add(rows: Rows, holder: Holder) -> None:
    """Take a member in; a balance is the sum of its lots, which `verify` holds the table to."""
    member = holder.member
    rows.members[member.member_id] = member
    if member.customer_id is not None:
        rows.customers[member.customer_id] = member.member_id
    for lot in holder.lots:
        rows.add_lot(lot)
        balance = rows.balance(member.member_id, lot.currency)
        balance.available += lot.available
        balance.held += lot.held
