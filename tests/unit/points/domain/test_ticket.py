"""What must hold in a ticket by itself."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.points.domain.ticket import (
    Channel,
    Line,
    Tender,
    TenderKind,
    Ticket,
    TicketAmountTooLarge,
    TicketInvalid,
    TicketKey,
    TicketKind,
    TicketLimits,
    TicketTimeOutOfRange,
    TicketTotalsDiffer,
    check_amount,
    check_ticket,
    check_time,
    ticket_id_of,
)

NOW = datetime(2017, 3, 31, 12, tzinfo=UTC)
LIMITS = TicketLimits(timedelta(minutes=5), timedelta(days=30))
KEY = TicketKey("0330", date(2017, 3, 31), "07", 12, TicketKind.SALE)
LINE = Line(1, "GROCERY", "Private", 1_000, 0, 550, "")


def ticket_of(*lines: Line, tenders: tuple[Tender, ...] | None = None) -> Ticket:
    """Give a ticket that adds up unless tenders are given."""
    total = sum(line.sales_minor for line in lines)
    coupons = sum(line.supplier_coupon_minor for line in lines)
    paid = (
        Tender(TenderKind.CASH, total - coupons),
        Tender(TenderKind.SUPPLIER_COUPON, coupons),
    )
    return Ticket(
        key=KEY,
        occur_time=NOW,
        card_number=None,
        member_id=None,
        channel=Channel.STORE,
        checkout_id=None,
        lines=lines,
        tenders=paid if tenders is None else tenders,
        total_minor=total,
    )


class TestCheckTicket:
    def test_takes_lines_of_nothing(self) -> None:
        """Lines with sales of 0 are real, and so is a ticket without any line."""
        check_ticket(ticket_of(LINE, LINE._replace(line_number=2, sales_minor=0)))
        check_ticket(ticket_of())

    def test_refuses_lines_that_do_not_sum_to_the_total(self) -> None:
        """The total is the sum of the lines, to the cent."""
        ticket = replace(ticket_of(LINE), total_minor=1_001)

        with pytest.raises(TicketTotalsDiffer) as refused:
            check_ticket(ticket)

        assert [field for field, _ in refused.value.violations] == [
            "ticket.total_minor",
            "ticket.tenders",
        ]

    def test_refuses_tenders_that_do_not_sum_to_the_total(self) -> None:
        """Every cent of the total is paid by something."""
        ticket = ticket_of(LINE, tenders=(Tender(TenderKind.CARD, 999),))

        with pytest.raises(TicketTotalsDiffer):
            check_ticket(ticket)

    def test_refuses_a_coupon_above_the_sales_of_its_line(self) -> None:
        """A supplier never pays more than the line costs."""
        ticket = ticket_of(LINE._replace(supplier_coupon_minor=1_001))

        with pytest.raises(TicketTotalsDiffer) as refused:
            check_ticket(ticket)

        assert refused.value.violations[0][0] == "ticket.lines[0].supplier_coupon_minor"

    def test_refuses_coupons_that_no_tender_pays(self) -> None:
        """The coupons of the lines are the tender of that kind."""
        ticket = ticket_of(
            LINE._replace(supplier_coupon_minor=100), tenders=(Tender(TenderKind.CASH, 1_000),)
        )

        with pytest.raises(TicketTotalsDiffer):
            check_ticket(ticket)

    def test_refuses_a_line_number_used_twice(self) -> None:
        """Awards are told by line, so each line has a number of its own."""
        with pytest.raises(TicketInvalid):
            check_ticket(ticket_of(LINE, LINE))

    @pytest.mark.parametrize("gtin", ["4006381333931", "96385074", "00012345600012"])
    def test_takes_a_gtin_with_its_check_digit(self, gtin: str) -> None:
        """GTINs of 8, 13 and 14 digits are checked by the GS1 rule."""
        check_ticket(ticket_of(LINE._replace(gtin=gtin)))

    def test_refuses_a_gtin_with_a_wrong_check_digit(self) -> None:
        """A mistyped GTIN does not enter the history."""
        with pytest.raises(TicketInvalid) as refused:
            check_ticket(ticket_of(LINE._replace(gtin="4006381333932")))

        assert refused.value.violations == (("ticket.lines[0].gtin", "has a wrong check digit"),)


class TestCheckTime:
    @pytest.mark.parametrize("age", [timedelta(minutes=-5), timedelta(0), timedelta(days=30)])
    def test_takes_the_time_of_a_queue(self, age: timedelta) -> None:
        """Tills may be five minutes ahead and thirty days late."""
        key = KEY._replace(business_date=(NOW - age).date())

        check_time(replace(ticket_of(LINE), key=key, occur_time=NOW - age), LIMITS, now=NOW)

    @pytest.mark.parametrize(
        "age", [timedelta(minutes=-5, microseconds=-1), timedelta(days=30, microseconds=1)]
    )
    def test_refuses_what_cannot_be(self, age: timedelta) -> None:
        """A wrong clock is told the range that would be right."""
        with pytest.raises(TicketTimeOutOfRange) as refused:
            check_time(replace(ticket_of(LINE), occur_time=NOW - age), LIMITS, now=NOW)

        assert refused.value.metadata["latest_time"] == "2017-03-31T12:05:00+00:00"

    @pytest.mark.parametrize(("day", "refused"), [(29, True), (30, False), (31, False)])
    def test_binds_the_business_date_to_the_time(self, day: int, refused: bool) -> None:
        """A store's day may be one off the calendar's; more would open the key to the same sale twice."""
        ticket = replace(ticket_of(LINE), key=KEY._replace(business_date=date(2017, 3, day)))

        if refused:
            with pytest.raises(TicketTimeOutOfRange, match="business date"):
                check_time(ticket, LIMITS, now=NOW)
        else:
            check_time(ticket, LIMITS, now=NOW)


class TestCheckAmount:
    def test_takes_the_largest_ticket(self) -> None:
        """The limit itself is still a sale."""
        check_amount(ticket_of(LINE._replace(sales_minor=LIMITS.total_minor_max)), LIMITS)

    def test_refuses_one_cent_more(self) -> None:
        """However many lines make it up: the total counts, and no line can be more than that."""
        most = LINE._replace(sales_minor=LIMITS.total_minor_max)
        ticket = ticket_of(most, LINE._replace(line_number=2, sales_minor=1))

        with pytest.raises(TicketAmountTooLarge) as refused:
            check_amount(ticket, LIMITS)

        assert refused.value.metadata == {"total_minor_max": "99999999"}
        assert [path for path, _ in refused.value.violations] == ["ticket.total_minor"]


class TestTicket:
    def test_sums_sales_by_rate_and_tenders_by_kind(self) -> None:
        """Both sum to the total, ascending, without tenders that paid nothing."""
        ticket = ticket_of(
            LINE,
            LINE._replace(line_number=2, vat_rate_bp=2_000, sales_minor=300),
            LINE._replace(line_number=3, sales_minor=50),
        )

        assert ticket.sales_by_vat_rate() == ((550, 1_050), (2_000, 300))
        assert ticket.amounts_by_tender() == (Tender(TenderKind.CASH, 1_350),)


class TestTicketId:
    def test_is_the_same_everywhere(self) -> None:
        """The id is a golden value: facts that are published name tickets by it."""
        assert str(ticket_id_of(KEY)) == "c98a6fba-bb6f-8c25-8ec1-f8a7d02abbd5"

    def test_tells_training_from_sale(self) -> None:
        """Every part of the key counts."""
        others = {
            KEY,
            KEY._replace(kind=TicketKind.TRAINING),
            KEY._replace(sequence=13),
            KEY._replace(till_id="08"),
            KEY._replace(store_id="0331"),
            KEY._replace(business_date=date(2017, 4, 1)),
        }

        assert len({ticket_id_of(key) for key in others}) == len(others)
