"""The tender planner: what each means pays of a basket, and what each line takes from each means.

Deterministic, and free of rounding that anybody could win by: exact amounts are exact, shares sum both to the tenders
and to the lines. It reserves nothing; the saga does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from services.common.kernel.errors import FailedPrecondition, InvalidArgument
from services.common.kernel.money import allocate
from services.wallet.domain.basket import BasketLine
from services.wallet.domain.shopper import Shopper, card_of
from services.wallet.domain.tender import CardMeans, PlannedTender, TenderKind, TenderRequest

POINTS_UNIT: Final = 100
"""The value of points is set for a hundred of them, so that one point may be worth less than a cent."""


class TendersInvalid(InvalidArgument):
    """A kind twice, kitty together with points, or a method for what is no card."""

    reason = "TENDERS_INVALID"


class CardAmountTooSmall(FailedPrecondition):
    """What is left for the card is less than a card pays, and the shopper's amounts leave no other way."""

    reason = "CARD_AMOUNT_TOO_SMALL"


class Funds(NamedTuple):
    """What a shopper can spend now, holds deducted; None where nobody looked."""

    kitty_minor: int | None = None
    points: int | None = None
    prepaid_minor: int | None = None


class Plan(NamedTuple):
    """What each tender pays, in the order of the request; above 0, ``missing_minor`` forbids to pay so."""

    due_minor: int
    tenders: tuple[PlannedTender, ...]
    missing_minor: int


class LineShare(NamedTuple):
    """What one line takes from one tender."""

    line_number: int
    kind: TenderKind
    amount_minor: int


def check_requests(requests: Sequence[TenderRequest]) -> None:
    """Check what must hold in a set of tenders by itself.

    Raises:
        TendersInvalid: a kind twice, kitty together with points, or a method for what is no card.
    """
    faults: list[tuple[str, str]] = []
    kinds = [request.kind for request in requests]
    if len(set(kinds)) != len(kinds):
        faults.append(("tenders", "have a kind twice"))
    if TenderKind.KITTY in kinds and TenderKind.POINTS in kinds:
        faults.append(("tenders", "have kitty together with points"))
    for index, request in enumerate(requests):
        if request.payment_method_id is not None and request.kind is not TenderKind.CARD:
            faults.append((f"tenders[{index}].payment_method_id", "is for a card alone"))
    if faults:
        raise TendersInvalid("The tenders cannot be combined like this.", violations=faults)


def all_means(shopper: Shopper | None) -> tuple[TenderRequest, ...]:
    """Give what is asked for when the shopper names nothing: kitty, prepaid, then the default card."""
    kinds = [TenderKind.KITTY, TenderKind.PREPAID]
    if shopper is not None and shopper.methods:
        kinds.append(TenderKind.CARD)
    return tuple(TenderRequest(kind, 0, None) for kind in kinds)


def plan_tenders(
    requests: Sequence[TenderRequest],
    *,
    due_minor: int,
    funds: Funds,
    shopper: Shopper | None,
    point_value_minor_per_100: int,
    card_least_minor: int,
) -> Plan:
    """Plan what each means pays of ``due_minor``, in the order of the request.

    A means without an amount pays as much as it has, up to what is left. One with an amount pays exactly that, up to
    what is left; what it has not got is missing, and no other means steps in for it unasked. Where nobody looked, an
    amount is planned as asked, and its hold will tell. A means that has nothing pays 0. Points are never taken above
    their worth: the amount they pay is rounded down, and the points to the fewest that are worth it.

    A card pays ``card_least_minor`` at least, or nothing: means without an amount pay less where they would leave it a
    smaller rest, the last one first.

    Raises:
        TendersInvalid: see ``check_requests``.
        PaymentMethodNotFound: the shopper has no such card.
        CardAmountTooSmall: the card's part is too small, whatever means without an amount pay.
    """
    check_requests(requests)
    purse = _Purse(funds, shopper, point_value_minor_per_100)
    plan = _fill(requests, due_minor, purse, card_max=due_minor)
    card_minor = _card_minor(plan)
    if not 0 < card_minor < card_least_minor:
        return plan
    lacking = card_least_minor - card_minor
    raised = _with_more_by_card(plan, requests, lacking, value=purse.point_value)
    if raised is not None:
        return raised
    without_card = _fill(requests, due_minor, purse, card_max=0)
    if not without_card.missing_minor:
        return without_card
    if plan.missing_minor:
        return plan
    raise CardAmountTooSmall(
        "The rest is less than a card pays.",
        card_minor=card_minor,
        least_minor=card_least_minor,
    )


def undetermined(requests: Iterable[TenderRequest]) -> frozenset[TenderKind]:
    """Give the means whose part depends on what they have: stored value that was asked for without an amount."""
    return frozenset(
        request.kind
        for request in requests
        if not request.amount_minor and request.kind is not TenderKind.CARD
    )


class _Purse(NamedTuple):
    """What a shopper can pay with, and what a hundred points are worth."""

    funds: Funds
    shopper: Shopper | None
    point_value: int


def _fill(
    requests: Sequence[TenderRequest], due_minor: int, purse: _Purse, *, card_max: int
) -> Plan:
    """Let each means pay what it has of what is left; the card pays ``card_max`` at most."""
    left = due_minor
    short = 0
    tenders: list[PlannedTender] = []
    for request in requests:
        wanted = min(request.amount_minor or left, left)
        tender = _plan_one(request, wanted, purse, card_max=card_max)
        if request.amount_minor:
            short += wanted - tender.amount_minor
            left -= wanted
        else:
            left -= tender.amount_minor
        tenders.append(tender)
    return Plan(due_minor, tuple(tenders), missing_minor=left + short)


def _card_minor(plan: Plan) -> int:
    return sum(t.amount_minor for t in plan.tenders if t.kind is TenderKind.CARD)


def _with_more_by_card(
    plan: Plan, requests: Sequence[TenderRequest], lacking: int, *, value: int
) -> Plan | None:
    """Let the card pay ``lacking`` more, for means that were asked for no exact amount; None when they cannot."""
    tenders = list(plan.tenders)
    given = 0
    for place, request in reversed(list(enumerate(requests))):
        if request.amount_minor or request.kind is TenderKind.CARD or given >= lacking:
            continue
        before = tenders[place]
        after = _with_amount(before, max(before.amount_minor - (lacking - given), 0), value=value)
        given += before.amount_minor - after.amount_minor
        tenders[place] = after
    card = next(place for place, tender in enumerate(tenders) if tender.kind is TenderKind.CARD)
    amount_minor = tenders[card].amount_minor + given
    exact_minor = requests[card].amount_minor
    if given < lacking or 0 < exact_minor < amount_minor:
        return None
    tenders[card] = replace(tenders[card], amount_minor=amount_minor)
    return plan._replace(tenders=tuple(tenders))


def _with_amount(tender: PlannedTender, amount_minor: int, *, value: int) -> PlannedTender:
    """Give what a means other than the card takes for a smaller amount; points may pay still less."""
    quantity = amount_minor if tender.kind is TenderKind.KITTY else 0
    if tender.kind is TenderKind.POINTS:
        amount_minor, quantity = _points_for(amount_minor, value)
    return replace(tender, amount_minor=amount_minor, quantity=quantity)


def _plan_one(
    request: TenderRequest, wanted: int, purse: _Purse, *, card_max: int
) -> PlannedTender:
    funds, shopper, value = purse
    match request.kind:
        case TenderKind.CARD:
            card = card_of(shopper, request.payment_method_id)
            return _planned(request.kind, min(wanted, card_max), 0, available_minor=0, card=card)
        case TenderKind.PREPAID:
            available = _available(funds.prepaid_minor, wanted)
            return _planned(request.kind, min(wanted, available), 0, available_minor=available)
        case TenderKind.KITTY:
            available = _available(funds.kitty_minor, wanted)
            amount = min(wanted, available)
            return _planned(request.kind, amount, amount, available_minor=available)
        case TenderKind.POINTS:
            points = funds.points
            available = wanted if points is None else worth_of(max(points, 0), value)
            amount, quantity = _points_for(min(wanted, available), value)
            return _planned(request.kind, amount, quantity, available_minor=available)


def _available(balance_minor: int | None, wanted: int) -> int:
    """Give what can be taken; where nobody looked, what is wanted."""
    return wanted if balance_minor is None else max(balance_minor, 0)


def _planned(
    kind: TenderKind,
    amount_minor: int,
    quantity: int,
    *,
    available_minor: int,
    card: CardMeans | None = None,
) -> PlannedTender:
    return PlannedTender(
        kind=kind,
        amount_minor=amount_minor,
        quantity=quantity,
        available_minor=available_minor,
        card=card,
    )


def worth_of(points: int, value_minor_per_100: int) -> int:
    """Give what points are worth in whole minor units, rounded down."""
    return points * value_minor_per_100 // POINTS_UNIT


def _points_for(amount_minor: int, value: int) -> tuple[int, int]:
    """Give what points pay of an amount, and how many: the fewest that are worth it, and never worth more."""
    if amount_minor == 0:
        return 0, 0
    quantity = -(-amount_minor * POINTS_UNIT // value)
    if worth_of(quantity, value) > amount_minor:
        quantity -= 1
    return worth_of(quantity, value), quantity


def share_by_line(
    lines: Iterable[BasketLine], amounts: Iterable[tuple[TenderKind, int]]
) -> tuple[LineShare, ...]:
    """Give what each line takes from each tender; lines and tenders both sum up.

    The tenders come in the order of their kinds, price reductions first, whatever order they were asked in; each is
    shared by largest remainder over what the lines still have to pay. Whoever shares only the price reductions (points
    does, to earn on the rest) gets the same. Shares of 0 are left out.
    """
    due = [(line.line_number, line.due_minor) for line in lines]
    left = [due_minor for _, due_minor in due]
    shares: list[LineShare] = []
    for kind, amount_minor in sorted(amounts):
        assert amount_minor <= sum(left), "tenders never pay more than the lines"
        parts = allocate(amount_minor, left)
        left = [rest - part for rest, part in zip(left, parts, strict=True)]
        shares.extend(
            LineShare(number, kind, part)
            for (number, _), part in zip(due, parts, strict=True)
            if part
        )
    return tuple(shares)
