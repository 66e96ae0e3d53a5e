"""Baskets: which ones a checkout can pay."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from services.wallet.domain.basket import (
    TOTAL_MINOR_MAX,
    Basket,
    TicketKind,
    TicketNotPayable,
    check_basket,
    check_time,
)
from services.wallet.domain.tender import TicketTender
from tests.properties.wallet.world import a_basket

BASKET = a_basket(1000, 250, coupon_minor=50)
TENDERS = [(TicketTender.SUPPLIER_COUPON, 50), (TicketTender.CHECKOUT, 1250)]


def faults(basket: Basket, tenders: list[tuple[TicketTender, int]]) -> set[str]:
    """Give the fields at fault."""
    with pytest.raises(TicketNotPayable) as caught:
        check_basket(basket, tenders, gtins=[])
    return {path for path, _ in caught.value.violations}


class TestBasket:
    def test_sums_sales_by_vat_rate(self) -> None:
        """Sales are by rate, ascending, before coupons; they sum to the total."""
        assert BASKET.sales_by_vat_rate() == ((550, 250), (2000, 1050))
        assert BASKET.due_minor == 1250


class TestCheckBasket:
    def test_passes_a_basket_that_adds_up(self) -> None:
        """Coupons of the lines, and CHECKOUT for all the rest."""
        check_basket(BASKET, TENDERS, gtins=["", "4006381333931"])

    def test_refuses_a_training_ticket(self) -> None:
        """Only a sale is paid."""
        key = BASKET.ticket_key._replace(kind=TicketKind.TRAINING)
        assert faults(replace(BASKET, ticket_key=key), TENDERS) == {"ticket.key.kind"}

    def test_refuses_a_line_twice(self) -> None:
        """Points would refuse the ticket, so the basket is not sold in the first place."""
        lines = (BASKET.lines[0], BASKET.lines[1]._replace(line_number=1))
        assert faults(replace(BASKET, lines=lines), TENDERS) == {"ticket.lines"}

    def test_refuses_lines_that_do_not_sum_to_the_total(self) -> None:
        """The total is the sum of the lines' sales."""
        assert "ticket.total_minor" in faults(replace(BASKET, total_minor=1301), TENDERS)

    def test_refuses_a_coupon_above_its_line(self) -> None:
        """A coupon pays at most its line."""
        line = BASKET.lines[0]._replace(sales_minor=1050, supplier_coupon_minor=1051)
        basket = replace(BASKET, lines=(line, BASKET.lines[1]), coupon_minor=1051)
        tenders = [(TicketTender.SUPPLIER_COUPON, 1051), (TicketTender.CHECKOUT, 249)]
        assert faults(basket, tenders) == {"ticket.lines[0].supplier_coupon_minor"}

    def test_refuses_cash_beside_the_phone(self) -> None:
        """What is not a coupon is paid through the checkout alone."""
        assert faults(BASKET, [*TENDERS, (TicketTender.CASH, 100)]) == {"ticket.tenders"}

    def test_refuses_coupons_that_the_lines_do_not_have(self) -> None:
        """The coupons of the tenders are those of the lines."""
        tenders = [(TicketTender.SUPPLIER_COUPON, 60), (TicketTender.CHECKOUT, 1250)]
        assert faults(BASKET, tenders) == {"ticket.tenders"}

    def test_refuses_a_checkout_tender_that_is_not_the_rest(self) -> None:
        """CHECKOUT is the total less the coupons."""
        tenders = [(TicketTender.SUPPLIER_COUPON, 50), (TicketTender.CHECKOUT, 1249)]
        assert faults(BASKET, tenders) == {"ticket.tenders"}

    def test_refuses_a_gtin_with_a_wrong_check_digit(self) -> None:
        """Points would refuse the ticket once it is paid; the violation names the line."""
        with pytest.raises(TicketNotPayable) as caught:
            check_basket(BASKET, TENDERS, gtins=["", "4006381333932"])
        assert [path for path, _ in caught.value.violations] == ["ticket.lines[1].gtin"]
        assert caught.value.metadata == {"store_id": "0330", "till_id": "07", "sequence": "1"}

    def test_refuses_what_coupons_pay_whole(self) -> None:
        """There is nothing to pay by phone."""
        nothing = a_basket(0, coupon_minor=50)
        assert faults(nothing, [(TicketTender.SUPPLIER_COUPON, 50)]) == {"ticket.total_minor"}

    def test_refuses_what_no_card_could_pay(self) -> None:
        """The most that a card pays is the most that a checkout can be worth."""
        most = TOTAL_MINOR_MAX
        check_basket(a_basket(most), [(TicketTender.CHECKOUT, most)], gtins=[])
        above = most + 1
        assert faults(a_basket(above), [(TicketTender.CHECKOUT, above)]) == {"ticket.total_minor"}

    def test_refuses_a_sale_that_a_coupon_makes_payable(self) -> None:
        """One cent by phone and a million by coupon: books and points would take it for a sale of a million."""
        coupon = TOTAL_MINOR_MAX
        basket = a_basket(1, coupon_minor=coupon)
        tenders = [(TicketTender.SUPPLIER_COUPON, coupon), (TicketTender.CHECKOUT, 1)]
        assert faults(basket, tenders) == {"ticket.total_minor"}


class TestCheckTime:
    @pytest.mark.parametrize("ago", [timedelta(minutes=-5), timedelta(0), timedelta(days=2)])
    def test_passes_a_basket_of_about_now(self, ago: timedelta) -> None:
        """A clock may be a little off."""
        check_time(BASKET, now=BASKET.occur_time + ago)

    @pytest.mark.parametrize("ago", [timedelta(minutes=-6), timedelta(days=2, minutes=1)])
    def test_refuses_a_till_with_a_wrong_clock(self, ago: timedelta) -> None:
        """The ticket would be recorded and booked at a time at which nothing was sold."""
        with pytest.raises(TicketNotPayable, match="time"):
            check_time(BASKET, now=BASKET.occur_time + ago)

    @pytest.mark.parametrize(("days", "refused"), [(-2, True), (-1, False), (1, False), (2, True)])
    def test_refuses_a_business_day_that_is_not_the_basket_s(
        self, days: int, *, refused: bool
    ) -> None:
        """A day may end after midnight; a wrong one would let the sale be recorded twice."""
        date = BASKET.ticket_key.business_date + timedelta(days=days)
        basket = replace(BASKET, ticket_key=BASKET.ticket_key._replace(business_date=date))
        with pytest.raises(TicketNotPayable) if refused else nullcontext():
            check_time(basket, now=basket.occur_time)
