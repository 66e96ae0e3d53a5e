"""The state of the service and the one way it changes: a fact is applied.

``decide`` uses it on the rows that a batch has locked; the audit uses it on nothing at first
and on all facts of a member. Rows are mutable because a fold owns them; they never leave it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.event import (
    CardLinked,
    Event,
    LotShare,
    MemberEnrolled,
    MemberIdentified,
    ReleaseCause,
    ValueEarned,
    ValueExpired,
    ValueHeld,
    ValueReleased,
    ValueReversed,
    ValueSpent,
)

CURRENCIES: Final = (LoyaltyCurrency.POINTS, LoyaltyCurrency.KITTY)


class HoldState(IntEnum):
    """Where a hold stands; the numbers equal those of the protos."""

    OPEN = 1
    SPENT = 2
    RELEASED = 3
    EXPIRED = 4


@dataclass(slots=True)
class MemberRow:
    """A member. ``enrolment_hash`` tells a repeated enrolment from another one."""

    member_id: UUID
    customer_id: UUID | None
    enrol_time: datetime
    enrolment_hash: bytes
    card_count: int


@dataclass(slots=True)
class BalanceRow:
    """A member's position in one currency, with value whose time is over until it is swept."""

    available: int = 0
    held: int = 0


@dataclass(slots=True)
class LotRow:
    """One award and what is left of it; ``remaining`` includes what is held."""

    lot_id: UUID
    member_id: UUID
    currency: LoyaltyCurrency
    earned: int
    remaining: int
    held: int
    earn_time: datetime
    expire_time: datetime
    source_event_id: UUID
    programme_id: str
    programme_version: int
    rule_id: str

    @property
    def available(self) -> int:
        """Give what is neither spent, expired nor held."""
        return self.remaining - self.held


class LotOrder(NamedTuple):
    """The order in which lots are used: soonest expiry, then oldest, then lot id."""

    expire_time: datetime
    earn_time: datetime
    lot_id: UUID


def lot_order(lot: LotRow) -> LotOrder:
    """Give the place of a lot in the order of use."""
    return LotOrder(lot.expire_time, lot.earn_time, lot.lot_id)


@dataclass(slots=True)
class HoldRow:
    """Reserved value, with the lots behind it in the order of use."""

    hold_id: UUID
    member_id: UUID
    currency: LoyaltyCurrency
    quantity: int
    spent_quantity: int
    expire_time: datetime
    state: HoldState
    lots: tuple[LotShare, ...]


@dataclass(slots=True)
class Rows:
    """The rows of members, cards, balances, lots and holds, by their keys."""

    members: dict[UUID, MemberRow] = field(default_factory=dict)
    cards: dict[str, UUID] = field(default_factory=dict)
    customers: dict[UUID, UUID] = field(default_factory=dict)
    balances: dict[tuple[UUID, LoyaltyCurrency], BalanceRow] = field(default_factory=dict)
    lots: dict[UUID, LotRow] = field(default_factory=dict)
    lots_of: dict[UUID, list[LotRow]] = field(default_factory=dict)
    holds: dict[UUID, HoldRow] = field(default_factory=dict)

    def add_lot(self, lot: LotRow) -> None:
        """Take a lot in, under its id and its member."""
        assert lot.lot_id not in self.lots, "a lot is born once"
        self.lots[lot.lot_id] = lot
        self.lots_of.setdefault(lot.member_id, []).append(lot)

    def balance(self, member_id: UUID, currency: LoyaltyCurrency) -> BalanceRow:
        """Give a member's balance; one that was never touched is zero."""
        key = (member_id, currency)
        row = self.balances.get(key)
        if row is None:
            row = self.balances[key] = BalanceRow()
        return row


def enrolment_hash(customer_id: UUID | None, card_numbers: Iterable[str]) -> bytes:
    """Hash the content of an enrolment; the order of the cards does not matter."""
    parts = [str(customer_id or ""), *sorted(card_numbers)]
    return sha256("|".join(parts).encode()).digest()


def apply(rows: Rows, event: Event) -> None:
    """Change the rows as a fact says. Programmes, tickets and settlements change no row here.

    A fact that does not fit the rows is a bug, or a journal that was tampered with.
    """
    match event:
        case MemberEnrolled():
            _enroll(rows, event)
        case MemberIdentified():
            rows.members[event.member_id].customer_id = event.customer_id
            rows.customers[event.customer_id] = event.member_id
        case CardLinked():
            rows.cards[event.card_number] = event.member_id
            rows.members[event.member_id].card_count += 1
        case ValueEarned():
            _earn(rows, event)
        case ValueHeld():
            _hold(rows, event)
        case ValueSpent():
            _spend(rows, event)
        case ValueReleased():
            _release(rows, event)
        case ValueExpired():
            _expire(rows, event)
        case ValueReversed():
            _reverse(rows, event)
        case _:
            pass


def _enroll(rows: Rows, event: MemberEnrolled) -> None:
    rows.members[event.member_id] = MemberRow(
        member_id=event.member_id,
        customer_id=event.customer_id,
        enrol_time=event.stamp.occur_time,
        enrolment_hash=enrolment_hash(event.customer_id, event.card_numbers),
        card_count=len(event.card_numbers),
    )
    if event.customer_id:
        rows.customers[event.customer_id] = event.member_id
    for card_number in event.card_numbers:
        rows.cards[card_number] = event.member_id


def _earn(rows: Rows, event: ValueEarned) -> None:
    for award in event.awards:
        assert award.quantity > 0, "an empty lot is none"
        lot = LotRow(
            lot_id=award.lot_id,
            member_id=event.member_id,
            currency=award.currency,
            earned=award.quantity,
            remaining=award.quantity,
            held=0,
            earn_time=event.stamp.occur_time,
            expire_time=award.expire_time,
            source_event_id=event.stamp.event_id,
            programme_id=award.programme_id,
            programme_version=award.programme_version,
            rule_id=award.rule_id,
        )
        rows.add_lot(lot)
        rows.balance(event.member_id, award.currency).available += award.quantity


def _hold(rows: Rows, event: ValueHeld) -> None:
    assert event.hold_id not in rows.holds, "a hold is made once"
    rows.holds[event.hold_id] = HoldRow(
        hold_id=event.hold_id,
        member_id=event.member_id,
        currency=event.currency,
        quantity=event.quantity,
        spent_quantity=0,
        expire_time=event.expire_time,
        state=HoldState.OPEN,
        lots=event.lots,
    )
    for share in event.lots:
        lot = rows.lots[share.lot_id]
        assert share.quantity <= lot.available, "no lot gives more than it has"
        lot.held += share.quantity
    _move_to_held(rows, event.member_id, event.currency, event.quantity)


def _spend(rows: Rows, event: ValueSpent) -> None:
    hold = rows.holds[event.hold_id]
    assert hold.state is HoldState.OPEN, "a hold ends once"
    hold.state = HoldState.SPENT
    hold.spent_quantity = event.quantity
    for share in event.lots:
        lot = rows.lots[share.lot_id]
        assert share.quantity <= lot.held, "no lot gives more than is held"
        lot.held -= share.quantity
        lot.remaining -= share.quantity
    rows.balance(event.member_id, event.currency).held -= event.quantity
    _return_lots(rows, event.member_id, event.currency, event.returned_lots)


def _release(rows: Rows, event: ValueReleased) -> None:
    hold = rows.holds[event.hold_id]
    assert hold.state is HoldState.OPEN, "a hold ends once"
    requested = event.cause is ReleaseCause.REQUESTED
    hold.state = HoldState.RELEASED if requested else HoldState.EXPIRED
    _return_lots(rows, event.member_id, event.currency, event.lots)


def _expire(rows: Rows, event: ValueExpired) -> None:
    for share in event.lots:
        lot = rows.lots[share.lot_id]
        assert share.quantity <= lot.available, "what is held does not expire"
        lot.remaining -= share.quantity
        rows.balance(event.member_id, share.currency).available -= share.quantity


def _reverse(rows: Rows, event: ValueReversed) -> None:
    for share in event.restored:
        lot = rows.lots[share.lot_id]
        lot.remaining += share.quantity
        assert lot.remaining <= lot.earned, "no lot gets back more than was spent of it"
        rows.balance(lot.member_id, share.currency).available += share.quantity
    for share in event.taken:
        lot = rows.lots[share.lot_id]
        assert share.quantity <= lot.available, "what is held or gone is not taken back"
        lot.remaining -= share.quantity
        rows.balance(lot.member_id, share.currency).available -= share.quantity
    for share in event.missing:
        lot = rows.lots[share.lot_id]
        lot.expire_time = min(lot.expire_time, event.stamp.record_time)


def _return_lots(
    rows: Rows, member_id: UUID, currency: LoyaltyCurrency, shares: Iterable[LotShare]
) -> None:
    for share in shares:
        lot = rows.lots[share.lot_id]
        assert share.quantity <= lot.held, "no lot gets back more than it gave"
        lot.held -= share.quantity
        _move_to_held(rows, member_id, currency, -share.quantity)


def _move_to_held(rows: Rows, member_id: UUID, currency: LoyaltyCurrency, quantity: int) -> None:
    balance = rows.balance(member_id, currency)
    balance.available -= quantity
    balance.held += quantity
    assert balance.available >= 0, "a balance is never negative"
    assert balance.held >= 0, "a balance is never negative"


def open_lots(rows: Rows, member_id: UUID) -> Mapping[UUID, LotRow]:
    """Give a member's lots that have something left, by id."""
    return {lot.lot_id: lot for lot in rows.lots_of.get(member_id, []) if lot.remaining}
