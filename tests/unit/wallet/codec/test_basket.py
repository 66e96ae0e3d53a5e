"""Baskets from tickets: kept byte by byte, and refused where no checkout can pay them."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.points.v1 import points_pb2
from services.common.runtime.timestamps import TimestampInvalid
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

    @pytest.mark.parametrize(
        ("seconds", "nanos"),
        [(1_483_617_600, 1_000_000_007), (1_483_617_600, -5), (10**15, 0), (-(10**15), 0)],
    )
    def test_a_time_that_is_none_is_refused(self, seconds: int, nanos: int) -> None:
        """Points would refuse the ticket after the shopper has paid it."""
        ticket = points_pb2.Ticket()
        ticket.CopyFrom(TICKET)
        ticket.occur_time.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))

        with pytest.raises(TimestampInvalid) as refused:
            parse_new_basket(ticket)

        assert {field for field, _ in refused.value.violations} == {"ticket.occur_time"}

    def test_a_ticket_that_was_kept_is_read_whatever_its_nanos(self) -> None:
        """What was opened once can be folded for ever."""
        ticket = points_pb2.Ticket()
        ticket.CopyFrom(TICKET)
        ticket.occur_time.CopyFrom(Timestamp(seconds=1_483_617_600, nanos=1_000_000_007))

        assert parse_basket(ticket).occur_time == datetime(2017, 1, 5, 12, 0, 1, tzinfo=UTC)

    def test_another_means_of_payment_is_refused(self) -> None:
        """A ticket that is partly paid in cash is not a phone's."""
        ticket = points_pb2.Ticket()
        ticket.CopyFrom(TICKET)
        ticket.tenders[1].kind = points_pb2.TENDER_KIND_CASH

        with pytest.raises(TicketNotPayable) as refused:
            parse_new_basket(ticket)

        assert {field for field, _ in refused.value.violations} == {"ticket.tenders"}
