"""Shares always sum, whatever the basket, the tenders and the value of points."""

from hypothesis import assume, given
from hypothesis import strategies as st

from services.common.kernel.money import allocate
from services.wallet.domain.basket import BasketLine
from services.wallet.domain.planner import (
    CardAmountTooSmall,
    Funds,
    Plan,
    plan_tenders,
    share_by_line,
    undetermined,
    worth_of,
)
from services.wallet.domain.shopper import PaymentMethod, Shopper
from services.wallet.domain.tender import TenderKind, TenderRequest
from tests.properties.wallet.world import CARD, SHOPPER

amounts = st.integers(0, 100_000)
lines = st.lists(amounts, min_size=1, max_size=20).map(
    lambda dues: tuple(
        BasketLine(number, due + 7, 7, 550) for number, due in enumerate(dues, start=1)
    )
)
money = st.sampled_from([TenderKind.PREPAID, TenderKind.CARD])
loyalty = st.sampled_from([TenderKind.KITTY, TenderKind.POINTS])


@st.composite
def requests(draw: st.DrawFn) -> list[TenderRequest]:
    """Give tenders that may be combined, in any order."""
    kinds = {*draw(st.sets(money)), *draw(st.sets(loyalty, max_size=1))}
    ordered = draw(st.permutations(sorted(kinds)))
    return [TenderRequest(kind, draw(st.sampled_from([0, 1, 250, 9999])), None) for kind in ordered]


def plan(asked: list[TenderRequest], due: int, funds: Funds, value: int, *, least: int = 0) -> Plan:
    """Plan for a shopper with one card."""
    method = PaymentMethod(
        payment_method_id=CARD.payment_method_id,
        provider_method=CARD.provider_method,
        fingerprint="f",
        brand="visa",
        last_four="4242",
        expire_month=1,
        expire_year=2030,
    )
    shopper = Shopper(
        customer_id=SHOPPER,
        version=2,
        provider_customer=CARD.provider_customer,
        methods=(method,),
        default_id=CARD.payment_method_id,
    )
    return plan_tenders(
        asked,
        due_minor=due,
        funds=funds,
        shopper=shopper,
        point_value_minor_per_100=value,
        card_least_minor=least,
    )


known_funds = st.builds(
    Funds, kitty_minor=amounts, points=amounts, prepaid_minor=st.integers(-5, 100_000)
)
values = st.sampled_from([1, 30, 99, 100, 250, 1000])


@given(
    asked=requests(),
    due=st.integers(1, 100_000),
    funds=known_funds,
    value=values,
    least=st.sampled_from([0, 50, 20_000]),
)
def test_a_plan_never_takes_more_than_is_due_or_had(
    asked: list[TenderRequest], due: int, funds: Funds, value: int, least: int
) -> None:
    """What is paid and what is missing sum to what is due; no means gives more than it has, or than it was asked."""
    try:
        planned = plan(asked, due, funds, value, least=least)
    except CardAmountTooSmall:
        assume(False)
    assert sum(t.amount_minor for t in planned.tenders) + planned.missing_minor == due
    assert planned.missing_minor >= 0
    for request, tender in zip(asked, planned.tenders, strict=True):
        assert tender.kind is request.kind
        assert tender.amount_minor >= 0
        assert not request.amount_minor or tender.amount_minor <= request.amount_minor
        if tender.kind is not TenderKind.CARD:
            assert tender.amount_minor <= tender.available_minor
        if tender.kind is TenderKind.KITTY:
            assert tender.quantity == tender.amount_minor
        if tender.kind is TenderKind.POINTS:
            assert funds.points is not None
            assert tender.quantity <= funds.points
            assert worth_of(tender.quantity, value) == tender.amount_minor
            assert not tender.quantity or worth_of(tender.quantity - 1, value) < tender.amount_minor


@given(asked=requests(), due=st.integers(1, 100_000), funds=known_funds, value=values)
def test_an_amount_that_is_there_is_planned_alike_whether_or_not_anybody_looked(
    asked: list[TenderRequest], due: int, funds: Funds, value: int
) -> None:
    """Only means without an amount have to be asked; for the others looking changes nothing but a refusal."""
    kinds = undetermined(asked)
    seen = Funds(
        kitty_minor=funds.kitty_minor if TenderKind.KITTY in kinds else None,
        points=funds.points if TenderKind.POINTS in kinds else None,
        prepaid_minor=funds.prepaid_minor if TenderKind.PREPAID in kinds else None,
    )
    looked, trusted = plan(asked, due, funds, value), plan(asked, due, seen, value)
    assert trusted.missing_minor <= looked.missing_minor
    if not looked.missing_minor:
        assert parts(trusted) == parts(looked)


def parts(planned: Plan) -> list[tuple[TenderKind, int, int]]:
    """Give what each means pays, and how many points or cents that are."""
    return [(tender.kind, tender.amount_minor, tender.quantity) for tender in planned.tenders]


@given(asked=requests(), due=st.integers(1, 1_000), funds=known_funds, value=values, least=amounts)
def test_a_card_pays_its_least_amount_or_nothing(
    asked: list[TenderRequest], due: int, funds: Funds, value: int, least: int
) -> None:
    """Unless something else is missing; who names no amount is refused only a basket that is smaller than that."""
    try:
        planned = plan(asked, due, funds, value, least=least)
    except CardAmountTooSmall:
        assert due < least or any(request.amount_minor for request in asked)
        return
    card = sum(t.amount_minor for t in planned.tenders if t.kind is TenderKind.CARD)
    assert card == 0 or card >= least or planned.missing_minor


@given(lines=lines, data=st.data())
def test_shares_sum_to_the_lines_and_to_the_tenders(
    lines: tuple[BasketLine, ...], data: st.DataObject
) -> None:
    """Each tender is shared whole, and no line pays more than it costs; together they pay each line exactly."""
    left = sum(line.due_minor for line in lines)
    paid: list[tuple[TenderKind, int]] = []
    for kind in (TenderKind.POINTS, TenderKind.PREPAID):
        amount = data.draw(st.integers(0, left))
        left -= amount
        paid.append((kind, amount))
    paid.append((TenderKind.CARD, left))
    shares = share_by_line(lines, data.draw(st.permutations(paid)))
    for kind, amount in paid:
        assert sum(s.amount_minor for s in shares if s.kind is kind) == amount
    for line in lines:
        of_line = [s.amount_minor for s in shares if s.line_number == line.line_number]
        assert sum(of_line) == line.due_minor
        assert all(amount > 0 for amount in of_line)


@given(lines=lines, data=st.data())
def test_price_reductions_are_shared_as_points_shares_them(
    lines: tuple[BasketLine, ...], data: st.DataObject
) -> None:
    """Kitty is shared over what is due of the lines, whatever else pays: who knows only the kitty gets the same."""
    due = [line.due_minor for line in lines]
    kitty = data.draw(st.integers(0, sum(due)))
    rest = sum(due) - kitty
    shares = share_by_line(lines, [(TenderKind.CARD, rest), (TenderKind.KITTY, kitty)])
    of_kitty = {s.line_number: s.amount_minor for s in shares if s.kind is TenderKind.KITTY}
    assert [of_kitty.get(line.line_number, 0) for line in lines] == allocate(kitty, due)
