"""What a ticket earns: each rule of the programme in force, line by line."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple, assert_never
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.kernel.money import BASIS_POINTS, allocate, round_half_up
from services.points.domain.programme import (
    Earning,
    KittyPercent,
    PointsPerEuro,
    Programme,
    Rule,
    expire_time,
)
from services.points.domain.ticket import Ticket

_MINOR_PER_EURO: Final = 100


class LoyaltyState(IntEnum):
    """Why a ticket earned, or could not; the numbers equal those of the protos."""

    EARNED = 1
    ANONYMOUS = 2
    UNKNOWN_CARD = 3
    UNKNOWN_MEMBER = 4
    NO_PROGRAMME = 5
    AWAITING_CHECKOUT = 6
    RECORDED_OTHERWISE = 7


class LineShare(NamedTuple):
    """What one line contributed: its base in minor units, and its share of the award."""

    line_number: int
    base_minor: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Award:
    """What one rule gives to one ticket; a quantity of 0 makes no lot."""

    programme_id: str
    programme_version: int
    rule_id: str
    currency: LoyaltyCurrency
    quantity: int
    base_minor: int
    expire_time: datetime
    shares: tuple[LineShare, ...]


class CurrencyBalance(NamedTuple):
    """A member's position in one currency right after a ticket."""

    currency: LoyaltyCurrency
    available: int
    held: int


@dataclass(frozen=True, slots=True)
class TicketDecision:
    """The outcome of a recorded ticket, kept and answered again as it is."""

    state: LoyaltyState
    member_id: UUID | None
    awards: tuple[Award, ...]
    lot_ids: tuple[UUID | None, ...]
    balances: tuple[CurrencyBalance, ...]


def evaluate(ticket: Ticket, programme: Programme) -> tuple[Award, ...]:
    """Give the awards of one programme version for a ticket, in the order of its rules.

    It looks at nothing else, so that any ticket can be evaluated again at any time.
    """
    return tuple(_apply_rule(rule, ticket, programme) for rule in programme.rules)


def evaluate_all(ticket: Ticket, programmes: Iterable[Programme]) -> tuple[Award, ...]:
    """Give the awards of several programmes, one after the other."""
    return tuple(award for programme in programmes for award in evaluate(ticket, programme))


def net_of(ticket: Ticket, reduction_minor: int) -> Ticket:
    """Give a ticket whose lines count only what kitty and points did not pay.

    Each line's base less its share of the reduction, by largest remainder over the bases, so that
    the bases sum to what was paid by other means. Only for evaluating: sales are as they were.
    """
    if not reduction_minor:
        return ticket
    shares = allocate(reduction_minor, [line.base_minor for line in ticket.lines])
    lines = tuple(
        line._replace(supplier_coupon_minor=line.supplier_coupon_minor + share)
        for line, share in zip(ticket.lines, shares, strict=True)
    )
    return replace(ticket, lines=lines)


def quantity_of(earning: Earning, base_minor: int) -> int:
    """Give what a base earns; here, once per ticket, is the only rounding of awards."""
    match earning:
        case PointsPerEuro(points):
            return points * (base_minor // _MINOR_PER_EURO)
        case KittyPercent(percent_bp):
            return round_half_up(base_minor * percent_bp, BASIS_POINTS)
        case _:
            assert_never(earning)


def _apply_rule(rule: Rule, ticket: Ticket, programme: Programme) -> Award:
    lines = rule.selector.select(ticket.lines, ticket.channel)
    bases = [line.sales_minor - line.supplier_coupon_minor for line in lines]
    base = sum(bases)
    quantity = quantity_of(rule.earning, base)
    parts = allocate(quantity, bases) if quantity else [0] * len(lines)
    numbers = [line.line_number for line in lines]
    return Award(
        programme_id=programme.programme_id,
        programme_version=programme.version,
        rule_id=rule.rule_id,
        currency=rule.currency,
        quantity=quantity,
        base_minor=base,
        expire_time=expire_time(rule.expiry, earned_at=ticket.occur_time),
        shares=tuple(map(LineShare, numbers, bases, parts)),
    )
