"""The wallet's legs against the holds behind them: prepaid in the ledger, points and kitty in points.

A leg and its hold share their id. Both directions are compared: every leg has the hold that its
end asks for, and every hold of a checkout has its leg.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from services.auditor.merge import gather
from services.auditor.report import BreakKind, Check, Fault, difference
from services.auditor.snapshot import batches
from services.auditor.sorting import Sorter
from services.auditor.tally import Listener, Tally
from services.auditor.wallet_legs import LegEnd
from services.common.kernel.ids import derive_id
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Connection, load_queries
from services.ledger.domain.chart import WalletAccounts
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.domain.tender import TenderKind

QUERIES: Final = load_queries(__package__, "holds.sql")

HOLD_PURPOSE: Final = "checkout-hold"
"""Under which the wallet holds prepaid money in the ledger."""

LATE_HOLD: Final = 128
"""The place, among the ids of a leg, of what points took when the hold had ended before the settlement."""

_FAMILY_BITS: Final = 8
"""Ids of one attempt's legs, and those derived from them, differ in these last bits only."""


class HoldEnd(Enum):
    """What became of a hold."""

    ABSENT = "absent"
    OPEN = "open"
    USED = "used"
    RELEASED = "released"
    EXPIRED = "expired"


_LEDGER_ENDS: Final = (HoldEnd.OPEN, HoldEnd.USED, HoldEnd.RELEASED, HoldEnd.EXPIRED)
_POINTS_ENDS: Final = (None, *_LEDGER_ENDS)
_CURRENCIES: Final = {
    TenderKind.KITTY: LoyaltyCurrency.KITTY,
    TenderKind.POINTS: LoyaltyCurrency.POINTS,
}
_OVER: Final = frozenset({HoldEnd.ABSENT, HoldEnd.RELEASED, HoldEnd.EXPIRED})
_RELEASED: Final = frozenset({HoldEnd.RELEASED, HoldEnd.EXPIRED})
_UNUSED: Final = frozenset({HoldEnd.OPEN, HoldEnd.RELEASED, HoldEnd.EXPIRED})


def allowed_ends(leg: LegEnd) -> frozenset[HoldEnd]:
    """Give what may have become of the hold of a leg; several as long as an answer is awaited."""
    match leg.operation, leg.phase:
        case LegOperation.UNSPECIFIED, _:
            return frozenset({HoldEnd.ABSENT})
        case LegOperation.HOLD, LegPhase.DONE if leg.paid:
            return frozenset({HoldEnd.USED})
        case LegOperation.HOLD, LegPhase.DONE:
            return frozenset({HoldEnd.OPEN, HoldEnd.EXPIRED} if leg.in_flight else ())
        case LegOperation.HOLD, _:
            return _OVER if leg.refused else _OVER | {HoldEnd.OPEN}
        case LegOperation.VOID, LegPhase.DONE:
            return _RELEASED
        case LegOperation.VOID, _:
            return _RELEASED | {HoldEnd.OPEN}
        case _:
            return frozenset()


class MoneyHold(NamedTuple):
    """A hold of the ledger under the wallet's purpose; refused ones have no legs and no state."""

    hold_id: UUID
    status: int
    state: int | None
    reference: str
    expire_time: datetime
    legs: Sequence[str]


class ValueHold(NamedTuple):
    """A hold of points."""

    hold_id: UUID
    customer_id: UUID | None
    currency: int
    quantity: int
    spent_quantity: int
    expire_time: datetime
    state: int


class HoldsAudit:
    """Compares legs with holds while all of them stream by."""

    def __init__(self, accounts: WalletAccounts, *, arrived: bool, listener: Listener) -> None:
        """Take the accounts between which prepaid money is held.

        Legs are read later than holds: unless all had ``arrived``, what a leg has and its hold has not is late.
        """
        self._accounts = accounts
        self._kind = difference(arrived=arrived)
        self._money = Tally("books.prepaid_holds", listener=listener)
        self._value = Tally("books.loyalty_holds", listener=listener)

    async def run(
        self, legs: Sorter[LegEnd], ledger: Connection, points: Connection
    ) -> list[Check]:
        """Compare every leg of stored value with its hold, and every hold with its leg."""
        streams: list[AsyncIterator[tuple[UUID, tuple[UUID, object]]]] = [
            _families(legs.stream()),
            _families(_rows(ledger, "money_holds", MoneyHold, HOLD_PURPOSE)),
            _families(_rows(points, "value_holds", ValueHold)),
        ]
        async for _, (own, money, value) in gather(streams):
            self._compare(dict(own), dict(money), dict(value))  # type: ignore[arg-type]  # each its own kind
        return [
            self._money.close(
                "every prepaid leg has its hold in the ledger, and every hold its leg"
            ),
            self._value.close("every kitty and points leg has its hold, and every hold its leg"),
        ]

    def _compare(
        self,
        legs: Mapping[UUID, LegEnd],
        money: dict[UUID, MoneyHold],
        value: dict[UUID, ValueHold],
    ) -> None:
        """Compare the legs of one attempt with the holds under their ids."""
        for leg_id, leg in legs.items():
            match leg.kind:
                case TenderKind.PREPAID:
                    self._money.cover(1)
                    for fault in self._money_faults(leg, money.pop(leg_id, None)):
                        self._money.blame(
                            f"leg {leg_id} of {leg.payment_id}: {fault.text}", fault.kind
                        )
                case TenderKind.KITTY | TenderKind.POINTS:
                    self._value.cover(1)
                    late = value.pop(derive_id(leg_id, LATE_HOLD), None)
                    for fault in _value_faults(leg, value.pop(leg_id, None), late, kind=self._kind):
                        self._value.blame(
                            f"leg {leg_id} of {leg.payment_id}: {fault.text}", fault.kind
                        )
                case TenderKind.CARD:
                    pass
        for hold_id in money:
            self._money.blame(f"hold {hold_id} of the ledger belongs to no leg")
        for hold_id in value:
            self._value.blame(f"hold {hold_id} of points belongs to no leg")

    def _money_faults(self, leg: LegEnd, hold: MoneyHold | None) -> Iterator[Fault]:
        """Name what differs between a prepaid leg and its hold."""
        end = HoldEnd.ABSENT if hold is None or hold.status else _LEDGER_ENDS[hold.state or 0]
        if end not in allowed_ends(leg):
            yield _wrong_end(leg, end, "the ledger", kind=self._kind)
        if hold is None or hold.status:
            return
        account, amount = self._accounts.prepaid_of(leg.customer_id), leg.amount_minor
        expected = (
            f"{account} -{amount} {leg.currency_code}",
            f"{self._accounts.clearing} +{amount} {leg.currency_code}",
        )
        if sorted(hold.legs) != sorted(expected):
            yield Fault(
                f"the ledger holds {', '.join(hold.legs)} and should hold {', '.join(expected)}"
            )
        if hold.reference != str(leg.payment_id):
            yield Fault(f"its hold is that of {hold.reference}")
        if hold.expire_time != leg.hold_expire_time:
            yield Fault(f"its hold expires at {hold.expire_time} and not at {leg.hold_expire_time}")


def _value_faults(
    leg: LegEnd, hold: ValueHold | None, late: ValueHold | None, *, kind: BreakKind
) -> Iterator[Fault]:
    """Name what differs between a leg of points or kitty and its hold, or the late one instead of it."""
    end = HoldEnd.ABSENT if hold is None else _POINTS_ENDS[hold.state]
    assert end is not None, "states are counted from 1"
    spent = sum(each.spent_quantity for each in (hold, late) if each is not None)
    if spent != (leg.quantity if leg.paid else 0):
        yield Fault(
            f"points spent {spent}, and the leg {'is' if leg.paid else 'is not'} paid by {leg.quantity}",
            BreakKind.BUSINESS if leg.paid and spent < leg.quantity else BreakKind.PROOF,
        )
    elif end not in allowed_ends(leg) and not (leg.paid and late is not None and end in _OVER):
        yield _wrong_end(leg, end, "points", kind=kind)
    if hold is None:
        return
    held = (hold.customer_id, hold.currency, hold.quantity, hold.expire_time)
    asked = (leg.customer_id, _CURRENCIES[leg.kind], leg.quantity, leg.hold_expire_time)
    if held != asked:
        yield Fault(
            "points holds another currency or quantity, for another shopper, or until another time"
        )


def _wrong_end(leg: LegEnd, end: HoldEnd, where: str, *, kind: BreakKind) -> Fault:
    """Say how a hold ended; that a paid leg did not get what was held for it is a person's to clear."""
    how = f"{leg.operation.name} {leg.phase.name}{', paid' if leg.paid else ''}"
    unused = leg.paid and end in _UNUSED
    return Fault(
        f"it is {how}, and its hold in {where} is {end.value}",
        BreakKind.BUSINESS if unused else kind,
    )


async def audit_clearing(
    ledger: Connection, accounts: WalletAccounts, *, listener: Listener
) -> Check:
    """Prove that every prepaid tender that was sold met the hold behind it."""
    tally = Tally("books.clearing", listener=listener)
    tally.cover(1)
    left = await ledger.fetchval(QUERIES["settled_balance"], accounts.clearing)
    tally.expect(
        holds=left == 0,
        offender=f"{accounts.clearing} holds {left}: what was sold and what was posted differ",
        kind=BreakKind.BUSINESS,
    )
    return tally.close(f"{accounts.clearing} is zero: every settlement met its hold")


async def _rows(
    conn: Connection, name: str, kind: type[NamedTuple], *args: object
) -> AsyncIterator[tuple[UUID, NamedTuple]]:
    """Stream holds by their id."""
    async for rows in batches(conn, QUERIES[name], *args):
        for row in rows:
            yield row[0], kind(*row)


async def _families(
    stream: AsyncIterator[tuple[UUID, object]],
) -> AsyncIterator[tuple[UUID, tuple[UUID, object]]]:
    """Bring together what belongs to the legs of one attempt: the order stays."""
    async for identifier, row in stream:
        yield UUID(int=identifier.int >> _FAMILY_BITS << _FAMILY_BITS), (identifier, row)
