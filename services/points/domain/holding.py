"""Decisions about reserved value: hold, spend, release, and what ends by itself."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from services.common.kernel.ids import derive_id
from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.points.domain.batch import Batch
from services.points.domain.command import ExpireValue, HoldValue, ReleaseHold, SpendHold
from services.points.domain.event import (
    ExpiredLot,
    LotShare,
    ReleaseCause,
    Stamp,
    ValueExpired,
    ValueHeld,
    ValueReleased,
    ValueSpent,
)
from services.points.domain.member import MemberNotFound, RequestIdReused
from services.points.domain.state import HoldRow, HoldState, LotRow, Rows, lot_order

_DERIVED_BITS: Final = 8
_SWEEP_FACTS_MAX: Final = 1 << 16
"""Far above what the limit of a sweep can make: two facts for a hold, one for a lot."""


class ValueInsufficient(FailedPrecondition):
    """The member has less than is to be held."""

    reason = "VALUE_INSUFFICIENT"


class HoldNotFound(NotFound):
    """No such hold."""

    reason = "HOLD_NOT_FOUND"


class HoldNotOpen(FailedPrecondition):
    """The hold was spent, given back, or its time is over."""

    reason = "HOLD_NOT_OPEN"


class HoldTimeInvalid(InvalidArgument):
    """The hold would end before it begins."""

    reason = "HOLD_TIME_INVALID"


class SpendAboveHold(FailedPrecondition):
    """More is to be spent than is held."""

    reason = "SPEND_ABOVE_HOLD"


class HoldOutcome(NamedTuple):
    """A hold right after the command, and whether an earlier command had done it."""

    hold_id: UUID
    member_id: UUID
    currency: LoyaltyCurrency
    quantity: int
    spent_quantity: int
    expire_time: datetime
    state: HoldState
    lots: tuple[LotShare, ...]
    replayed: bool


class SweepOutcome(NamedTuple):
    """What one sweep ended, and whether its limit left something for the next."""

    expired_holds: int
    expired_lots: int
    expired_amounts: tuple[LoyaltyAmount, ...]
    more: bool


def usable_lots(
    lots: Iterable[LotRow], currency: LoyaltyCurrency, *, now: datetime
) -> list[LotRow]:
    """Give the lots that can be used now, in the order of use."""
    return sorted(
        (
            lot
            for lot in lots
            if lot.currency is currency and lot.available and lot.expire_time > now
        ),
        key=lot_order,
    )


def decide_hold(batch: Batch, command: HoldValue, *, now: datetime) -> HoldOutcome:
    """Reserve value: soonest expiry, then oldest, then lot id; whole or not at all.

    Raises:
        RequestIdReused: the id made another hold.
        MemberNotFound, HoldTimeInvalid, ValueInsufficient: as they say.
    """
    member_id = _member_of(batch.rows, command)
    known = batch.rows.holds.get(command.hold_id)
    if known is not None:
        asked = (member_id, command.currency, command.quantity, command.expire_time)
        if asked != (known.member_id, known.currency, known.quantity, known.expire_time):
            raise RequestIdReused("The id made another hold.", hold_id=command.hold_id)
        return _outcome(known, replayed=True)
    if command.expire_time <= now:
        raise HoldTimeInvalid(
            "The hold would end before it begins.",
            violations=[("expire_time", "is not after the time of the service")],
        )
    lots = usable_lots(batch.rows.lots_of.get(member_id, ()), command.currency, now=now)
    available = sum(lot.available for lot in lots)
    if available < command.quantity:
        raise ValueInsufficient(
            "The member has less than is to be held.",
            available=available,
            currency=command.currency.name,
        )
    event = ValueHeld(
        stamp=Stamp(command.event_id, now, now, command.trace_parent),
        hold_id=command.hold_id,
        member_id=member_id,
        currency=command.currency,
        quantity=command.quantity,
        expire_time=command.expire_time,
        lots=take(map(available_share, lots), command.quantity)[0],
    )
    batch.record(event)
    return _outcome(batch.rows.holds[command.hold_id], replayed=False)


def decide_spend(batch: Batch, command: SpendHold, *, now: datetime) -> HoldOutcome:
    """Spend a hold, whole or in part; the rest goes back, expired where its time is over.

    Raises:
        HoldNotFound, HoldNotOpen, SpendAboveHold: as they say.
        RequestIdReused: the hold was spent with another quantity.
    """
    hold = _get_hold(batch, command.hold_id)
    quantity = hold.quantity if command.quantity is None else command.quantity
    if hold.state is HoldState.SPENT:
        if hold.spent_quantity != quantity:
            raise RequestIdReused(
                "The hold was spent with another quantity.", hold_id=command.hold_id
            )
        return _outcome(hold, replayed=True)
    if hold.state is not HoldState.OPEN or hold.expire_time <= now:
        state = hold.state if hold.state is not HoldState.OPEN else HoldState.EXPIRED
        raise HoldNotOpen("The hold is not open.", state=state.name)
    if quantity > hold.quantity:
        raise SpendAboveHold("More is to be spent than is held.", held=hold.quantity)
    spend(batch, hold, quantity, Stamp(command.event_id, now, now, command.trace_parent))
    return _outcome(hold, replayed=False)


def spend(batch: Batch, hold: HoldRow, quantity: int, stamp: Stamp) -> None:
    """Spend a quantity of an open hold; the rest goes back, expired where its time is over."""
    spent, returned = take(hold.lots, quantity)
    batch.record(
        ValueSpent(stamp, hold.hold_id, hold.member_id, hold.currency, quantity, spent, returned)
    )
    expire_over(batch, hold.member_id, _expired(batch.rows, hold, returned), stamp)


def decide_release(batch: Batch, command: ReleaseHold, *, now: datetime) -> HoldOutcome:
    """Give a hold back; what has expired meanwhile comes back expired.

    Raises:
        HoldNotFound: no such hold.
        HoldNotOpen: the hold was spent.
    """
    hold = _get_hold(batch, command.hold_id)
    if hold.state is HoldState.SPENT:
        raise HoldNotOpen("The hold was spent.", state=hold.state.name)
    if hold.state is not HoldState.OPEN:
        return _outcome(hold, replayed=True)
    stamp = Stamp(command.event_id, now, now, command.trace_parent)
    _release(batch, hold, ReleaseCause.REQUESTED, stamp)
    expire_over(batch, hold.member_id, _expired(batch.rows, hold, hold.lots), stamp)
    return _outcome(hold, replayed=False)


def decide_sweep(batch: Batch, command: ExpireValue, *, now: datetime) -> SweepOutcome:
    """End the due holds and lots that the batch has loaded, at most the limit of each.

    Holds go first, so that what they give back expires in the same sweep. Held value never
    expires: whoever pays with a hold has been promised it.
    """
    stamps = _stamps(command, now)
    holds = [batch.rows.holds[hold_id] for hold_id in batch.due_holds]
    due = [hold for hold in holds if hold.state is HoldState.OPEN and hold.expire_time <= now]
    freed: list[UUID] = []
    for hold in due:
        _release(batch, hold, ReleaseCause.EXPIRED, next(stamps))
        freed.extend(share.lot_id for share in hold.lots)
    lots = [batch.rows.lots[lot_id] for lot_id in dict.fromkeys((*batch.due_lots, *freed))]
    over = [lot for lot in lots if lot.available and lot.expire_time <= now]
    amounts = dict.fromkeys(LoyaltyCurrency, 0)
    for lot in over:
        amounts[lot.currency] += lot.available
    by_member: dict[UUID, list[LotRow]] = {}
    for lot in sorted(over, key=lot_order):
        by_member.setdefault(lot.member_id, []).append(lot)
    for member_id, member_lots in by_member.items():
        shares = tuple(
            ExpiredLot(lot.lot_id, lot.currency, lot.available, lot.expire_time)
            for lot in member_lots
        )
        batch.record(ValueExpired(next(stamps), member_id, shares))
    return SweepOutcome(
        expired_holds=len(due),
        expired_lots=len(over),
        expired_amounts=tuple(LoyaltyAmount(*item) for item in amounts.items()),
        more=max(len(batch.due_holds), len(batch.due_lots)) >= command.limit,
    )


def _member_of(rows: Rows, command: HoldValue) -> UUID:
    member_id = command.member_id
    if command.customer_id is not None:
        member_id = rows.customers.get(command.customer_id)
    if member_id is None or member_id not in rows.members:
        raise MemberNotFound("No such member.")
    return member_id


def _get_hold(batch: Batch, hold_id: UUID) -> HoldRow:
    hold = batch.rows.holds.get(hold_id)
    if hold is None:
        raise HoldNotFound("No such hold.", hold_id=hold_id)
    return hold


def available_share(lot: LotRow) -> LotShare:
    """Give all that can be used of a lot."""
    return LotShare(lot.lot_id, lot.available, lot.expire_time)


def take(
    shares: Iterable[LotShare], quantity: int
) -> tuple[tuple[LotShare, ...], tuple[LotShare, ...]]:
    """Split shares, in their order, into those that make up a quantity and the rest."""
    taken: list[LotShare] = []
    rest: list[LotShare] = []
    missing = quantity
    for share in shares:
        part = min(share.quantity, missing)
        missing -= part
        if part:
            taken.append(share._replace(quantity=part))
        if part < share.quantity:
            rest.append(share._replace(quantity=share.quantity - part))
    assert missing == 0, "the shares were counted before"
    return tuple(taken), tuple(rest)


def _release(batch: Batch, hold: HoldRow, cause: ReleaseCause, stamp: Stamp) -> None:
    batch.record(
        ValueReleased(
            stamp, hold.hold_id, hold.member_id, hold.currency, hold.quantity, cause, hold.lots
        )
    )


def expire_over(
    batch: Batch, member_id: UUID, returned: Iterable[ExpiredLot], stamp: Stamp
) -> None:
    """Expire what came back too late: nothing restores a lot whose time is over."""
    now = stamp.record_time
    shares = tuple(share for share in returned if share.expire_time <= now)
    if shares:
        expired = stamp._replace(event_id=derive_id(stamp.event_id, 1), occur_time=now)
        batch.record(ValueExpired(expired, member_id, shares))


def _expired(rows: Rows, hold: HoldRow, returned: Iterable[LotShare]) -> Iterator[ExpiredLot]:
    """Give parts of a hold's lots as what expires of them, if it does: a lot may have ended since it was held."""
    for share in returned:
        expire_time = rows.lots[share.lot_id].expire_time
        yield ExpiredLot(share.lot_id, hold.currency, share.quantity, expire_time)


def _stamps(command: ExpireValue, now: datetime) -> Iterator[Stamp]:
    """Give the stamps of a sweep's facts, whose ids all derive from that of its command.

    They differ in the second and third byte, so that ``derive_id`` has the last one.
    """
    for place in range(_SWEEP_FACTS_MAX):
        event_id = UUID(int=command.event_id.int ^ place << _DERIVED_BITS)
        yield Stamp(event_id, now, now, command.trace_parent)


def _outcome(hold: HoldRow, *, replayed: bool) -> HoldOutcome:
    return HoldOutcome(
        hold_id=hold.hold_id,
        member_id=hold.member_id,
        currency=hold.currency,
        quantity=hold.quantity,
        spent_quantity=hold.spent_quantity,
        expire_time=hold.expire_time,
        state=hold.state,
        lots=hold.lots,
        replayed=replayed,
    )
