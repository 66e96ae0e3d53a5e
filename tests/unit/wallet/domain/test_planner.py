"""The tender planner: what each means pays of a basket, and of each line."""

from uuid import UUID

import pytest

from services.wallet.domain.planner import (
    CardAmountTooSmall,
    Funds,
    LineShare,
    Plan,
    TendersInvalid,
    all_means,
    plan_tenders,
    share_by_line,
)
from services.wallet.domain.shopper import PaymentMethod, PaymentMethodNotFound, Shopper
from services.wallet.domain.tender import TenderKind, TenderRequest
from tests.properties.wallet.world import CARD, SHOPPER, a_basket

KITTY, POINTS, PREPAID, CARDS = TenderKind
FUNDS = Funds(kitty_minor=300, points=200, prepaid_minor=500)
METHOD = PaymentMethod(
    payment_method_id=CARD.payment_method_id,
    provider_method=CARD.provider_method,
    fingerprint="f",
    brand="visa",
    last_four="4242",
    expire_month=1,
    expire_year=2030,
)
WITHOUT_CARD = Shopper(customer_id=SHOPPER, version=1, provider_customer="cus_1")
WITH_CARD = Shopper(
    customer_id=SHOPPER,
    version=2,
    provider_customer="cus_1",
    methods=(METHOD,),
    default_id=METHOD.payment_method_id,
)


def plan(
    *asked: tuple[TenderKind, int],
    due: int = 1000,
    shopper: Shopper | None = WITH_CARD,
    method: UUID | None = None,
    value: int = 100,
    least: int = 50,
) -> Plan:
    """Plan for a shopper with some of everything."""
    return plan_tenders(
        [TenderRequest(kind, amount, method) for kind, amount in asked],
        due_minor=due,
        funds=FUNDS,
        shopper=shopper,
        point_value_minor_per_100=value,
        card_least_minor=least,
    )


def amounts(planned: Plan) -> list[int]:
    """Give what each tender pays."""
    return [tender.amount_minor for tender in planned.tenders]


class TestPlanTenders:
    def test_fills_up_in_the_order_of_the_request(self) -> None:
        """Each means pays as much as it has, the card the rest."""
        planned = plan((KITTY, 0), (PREPAID, 0), (CARDS, 0))
        assert (amounts(planned), planned.missing_minor) == ([300, 500, 200], 0)
        assert planned.tenders[2].card == CARD

    def test_takes_exact_amounts(self) -> None:
        """An amount is what that means pays, though it has more."""
        assert amounts(plan((KITTY, 100), (PREPAID, 0), (CARDS, 0))) == [100, 500, 400]

    def test_lets_no_other_means_step_in_for_an_exact_amount(self) -> None:
        """The kitty has 300 of 400: the card does not pay 100 more than the shopper saw."""
        planned = plan((KITTY, 400), (CARDS, 0))
        assert (amounts(planned), planned.missing_minor) == ([300, 600], 100)

    def test_takes_no_more_than_is_left(self) -> None:
        """What comes after a means that pays all pays nothing."""
        assert amounts(plan((CARDS, 0), (KITTY, 0))) == [1000, 0]
        assert amounts(plan((CARDS, 5000))) == [1000]

    def test_tells_what_is_missing(self) -> None:
        """Without a card, the rest is missing."""
        planned = plan((KITTY, 0), (PREPAID, 0))
        assert planned.missing_minor == 200

    def test_takes_no_points_for_nothing(self) -> None:
        """Of points worth 2.5 cents each, one pays 2 cents; a second would be worth 5 where 3 are due."""
        tender = plan((POINTS, 0), due=3, value=250).tenders[0]
        assert (tender.quantity, tender.amount_minor) == (1, 2)

    def test_rounds_the_value_of_points_down(self) -> None:
        """Four points worth 0.3 cents each pay one cent."""
        tender = plan((POINTS, 0), due=1, value=30).tenders[0]
        assert (tender.quantity, tender.amount_minor, tender.available_minor) == (4, 1, 60)

    def test_refuses_a_card_that_the_shopper_has_not(self) -> None:
        """Neither somebody else's nor a default that does not exist."""
        with pytest.raises(PaymentMethodNotFound):
            plan((CARDS, 0), method=UUID(int=1))
        for shopper in (None, WITHOUT_CARD):
            with pytest.raises(PaymentMethodNotFound):
                plan((CARDS, 0), shopper=shopper)

    @pytest.mark.parametrize(
        ("asked", "method"),
        [
            ([(CARDS, 1), (CARDS, 2)], None),
            ([(KITTY, 1), (POINTS, 2)], None),
            ([(PREPAID, 1)], METHOD.payment_method_id),
        ],
    )
    def test_refuses_what_cannot_be_combined(
        self, asked: list[tuple[TenderKind, int]], method: UUID | None
    ) -> None:
        """A kind twice, kitty together with points, a method for what is no card."""
        with pytest.raises(TendersInvalid):
            plan(*asked, method=method)


class TestLeastAmountOfACard:
    def test_leaves_a_card_its_least_amount(self) -> None:
        """Of 8.20, kitty and prepaid could pay 8.00: prepaid pays 0.30 less, and the card 0.50 instead of 0.20."""
        planned = plan((KITTY, 0), (PREPAID, 0), (CARDS, 0), due=820)
        assert (amounts(planned), planned.missing_minor) == ([300, 470, 50], 0)

    def test_takes_less_from_the_last_means_first(self) -> None:
        """What prepaid cannot give way for, the kitty does; its cents are counted again."""
        planned = plan((PREPAID, 0), (KITTY, 0), (CARDS, 0), due=801, least=400)
        assert amounts(planned) == [401, 0, 400]
        assert planned.tenders[1].quantity == 0

    def test_takes_no_more_points_than_pay_the_smaller_amount(self) -> None:
        """Points worth 7 cents each: two fewer pay 0.14 less, where 0.10 less would do."""
        planned = plan((POINTS, 0), (CARDS, 0), due=1440, value=700, least=50)
        points, card = planned.tenders
        assert (points.quantity, points.amount_minor) == (198, 1386)
        assert card.amount_minor == 54

    def test_pays_without_the_card_where_the_others_can(self) -> None:
        """A card that is asked first would pay 0.30, which it cannot: the kitty pays all."""
        assert amounts(plan((CARDS, 0), (KITTY, 0), due=30)) == [0, 30]

    def test_changes_nothing_that_is_enough_or_nothing(self) -> None:
        """The least amount itself, and a card that is not needed."""
        assert amounts(plan((KITTY, 0), (CARDS, 0), due=350)) == [300, 50]
        assert amounts(plan((KITTY, 0), (CARDS, 0), due=300)) == [300, 0]

    @pytest.mark.parametrize(
        "asked",
        [
            [(KITTY, 300), (CARDS, 0)],
            [(KITTY, 0), (CARDS, 20)],
            [(KITTY, 290), (PREPAID, 10), (CARDS, 0)],
        ],
    )
    def test_refuses_exact_amounts_that_leave_too_little(
        self, asked: list[tuple[TenderKind, int]]
    ) -> None:
        """What the shopper named is not changed unasked; the refusal says how little a card pays."""
        with pytest.raises(CardAmountTooSmall) as refusal:
            plan(*asked, due=320)
        assert refusal.value.metadata == {"card_minor": "20", "least_minor": "50"}

    def test_refuses_a_basket_that_is_too_small_for_a_card(self) -> None:
        """Nothing else pays, so nothing can give way."""
        with pytest.raises(CardAmountTooSmall):
            plan((CARDS, 0), due=49)

    def test_lets_a_card_pay_less_than_it_was_asked_to(self) -> None:
        """10.00 were asked of a card where 0.20 are left: it pays 0.50, and the kitty gives way."""
        assert amounts(plan((KITTY, 0), (CARDS, 1000), due=320)) == [270, 50]

    def test_tells_first_what_is_missing(self) -> None:
        """The shopper has less than was named: that is to be mended, whatever the card would pay."""
        planned = plan((KITTY, 970), (CARDS, 0))
        assert (amounts(planned), planned.missing_minor) == ([300, 30], 670)

    def test_knows_currencies_without_a_least_amount(self) -> None:
        """A cent is paid by card then."""
        assert amounts(plan((CARDS, 0), due=1, least=0)) == [1]


class TestAllMeans:
    def test_names_a_card_only_where_there_is_one(self) -> None:
        """A shopper without a card gets a plan all the same."""
        assert [r.kind for r in all_means(WITH_CARD)] == [KITTY, PREPAID, CARDS]
        assert [r.kind for r in all_means(WITHOUT_CARD)] == [KITTY, PREPAID]
        assert [r.kind for r in all_means(None)] == [KITTY, PREPAID]


class TestShareByLine:
    def test_shares_by_largest_remainder(self) -> None:
        """10.00 of kitty over lines of 3.33, 3.33 and 13.34: the cent left over goes to the largest remainder."""
        shares = share_by_line(a_basket(333, 333, 1334).lines, [(KITTY, 1000), (CARDS, 1000)])
        assert [s.amount_minor for s in shares if s.kind is KITTY] == [167, 166, 667]
        assert [s.amount_minor for s in shares if s.kind is CARDS] == [166, 167, 667]

    def test_does_not_depend_on_the_order_of_the_tenders(self) -> None:
        """Price reductions are shared first, however the shopper ordered them."""
        lines = a_basket(101, 57).lines
        paid = [(KITTY, 33), (PREPAID, 25), (CARDS, 100)]
        assert share_by_line(lines, paid) == share_by_line(lines, paid[::-1])

    def test_leaves_coupons_and_free_lines_out(self) -> None:
        """A line has to pay its sales less its coupon; one that has nothing to pay takes nothing."""
        assert share_by_line(a_basket(0, 10, coupon_minor=5).lines, [(CARDS, 10)]) == (
            LineShare(2, CARDS, 10),
        )
