"""Baskets from tickets: kept byte by byte, and refused where no checkout can pay them."""

import pytest

from cagnotte.points.v1 import points_pb2
from services.wallet.codec.basket import parse_basket, parse_key, parse_new_basket, render_key
from services.wallet.domain.basket import TicketNotPayable
from tests.unit.wallet.codec.facts import BASKET, KEY, TICKET


class TestBasket:
    def test_takes_what_paying_looks_at(self) -> None:
        """Key, lines and sums are those of the ticket; what is due leaves the coupons out."""
        basket = parse_new_basket(TICKET)

        assert basket.ticket_key == KEY
        assert [line.sales_minor for line in basket.lines] == [1_200, 800]
        assert (basket.total_minor, basket.coupon_minor, basket.due_minor) == (2_000, 100, 1_900)

    def test_keeps_the_ticket_byte_by_byte(self) -> None:
        """The till may send the same ticket to points, and it is the same content."""
        assert BASKET.content == TICKET.SerializeToString(deterministic=True)
        assert parse_basket(points_pb2.Ticket.FromString(BASKET.content)) == BASKET

    def test_a_key_is_rendered_as_it_was_read(self) -> None:
        """Keys go both ways."""
        assert render_key(parse_key(TICKET.key)) == TICKET.key

    @pytest.mark.parametrize("day", ["2017-02-30", "0000-01-01"])
    def test_a_day_that_does_not_exist_is_refused(self, day: str) -> None:
        """The form of a date is the proto's to check, the calendar ours."""
        ticket = points_pb2.Ticket()
        ticket.CopyFrom(TICKET)
        ticket.key.business_date = day

        with pytest.raises(TicketNotPayable):
            parse_new_basket(ticket)

    def test_another_means_of_payment_is_refused(self) -> None:
        """A ticket that is partly paid in cash is not a phone's."""
        ticket = points_pb2.Ticket()
        ticket.CopyFrom(TICKET)
        ticket.tenders[1].kind = points_pb2.TENDER_KIND_CASH

        with pytest.raises(TicketNotPayable) as refused:
            parse_new_basket(ticket)

        assert {field for field, _ in refused.value.violations} == {"ticket.tenders"}
