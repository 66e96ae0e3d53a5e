"""What each event becomes in the books: entries an accountant can check by hand."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.codec.chart import load_chart
from services.ledger.domain.posting_events import (
    EARNED,
    EXPIRED,
    REVERSED,
    SPENT,
    EventNotBookable,
    Tender,
    TicketRecorded,
    ValueMoved,
    ValueReversed,
    VatSales,
)
from services.ledger.domain.posting_rules import expected_transactions
from services.ledger.domain.transaction import leg_fault

CHART = load_chart(None)
EVENT = UUID(int=7)
MEMBER = UUID(int=9)
NOON = datetime(2017, 1, 2, 11, 0, tzinfo=UTC)
TICKET = TicketRecorded(
    event_id=EVENT,
    occur_time=NOON,
    ticket="0330/2017-01-02/07/12",
    store_id="0330",
    is_training=False,
    checkout_id="",
    currency_code="EUR",
    sales=(VatSales(550, 8000), VatSales(2000, 4000)),
    tenders=(Tender("CASH", 2000), Tender("CARD", 9500), Tender("SUPPLIER_COUPON", 500)),
)


def entries(event: TicketRecorded | ValueMoved | ValueReversed) -> dict[str, int]:
    """Give the legs of an event's one transaction by account, credit positive."""
    (command,) = expected_transactions(event, CHART)
    assert leg_fault(command.legs) is None
    return {leg.account: leg.amount for leg in command.legs}


class TestSales:
    def test_tenders_left_sales_and_vat_right(self) -> None:
        """A ticket of 80.00 at 5.5 % and 40.00 at 20 %, paid in cash, by card and with a coupon."""
        assert entries(TICKET) == {
            "gl/530000/stores/0330": -2000,
            "gl/511500/stores/0330": -9500,
            "gl/467200": -500,
            "gl/707100": 7583,
            "gl/445711": 417,
            "gl/707200": 3333,
            "gl/445712": 667,
        }

    def test_the_id_is_the_events(self) -> None:
        """Delivering the event again makes the same command, to the bit."""
        (command,) = expected_transactions(TICKET, CHART)

        assert command.transaction_id == EVENT
        assert command.effective_time == NOON
        assert (command,) == expected_transactions(TICKET, CHART)

    def test_kitty_lowers_the_price(self) -> None:
        """Basket 50.00 at 5.5 %, kitty 2.00, card 48.00: VAT is due on 48.00, never on 50.00."""
        ticket = replace(
            TICKET,
            sales=(VatSales(550, 5000),),
            tenders=(Tender("CARD", 4800), Tender("KITTY", 200)),
        )

        assert entries(ticket) == {
            "gl/511500/stores/0330": -4800,
            "gl/709700": -189,
            "gl/707100": 4739,
            "gl/445711": 250,
        }

    @pytest.mark.parametrize(
        "ticket",
        [
            replace(TICKET, checkout_id="0190"),
            replace(TICKET, is_training=True),
            replace(TICKET, sales=(VatSales(550, 0),), tenders=()),
        ],
        ids=["paid through a checkout", "training", "zero"],
    )
    def test_books_nothing(self, ticket: TicketRecorded) -> None:
        """A checkout books its own sale, training sells nothing, and zero is nothing."""
        assert expected_transactions(ticket, CHART) == ()

    @pytest.mark.parametrize(
        "ticket",
        [
            replace(TICKET, sales=(VatSales(551, 12000),)),
            replace(TICKET, tenders=(Tender("BARTER", 12000),)),
            replace(TICKET, tenders=(Tender("CASH", 11999),)),
            replace(TICKET, currency_code="USD"),
        ],
        ids=["unknown rate", "unknown tender", "sums differ", "other currency"],
    )
    def test_refuses_what_the_chart_has_no_place_for(self, ticket: TicketRecorded) -> None:
        """It is never booked half: it goes to the dead letters with its reason."""
        with pytest.raises(EventNotBookable):
            expected_transactions(ticket, CHART)

    @given(
        st.lists(
            st.tuples(st.sampled_from([0, 210, 550, 1000, 2000]), st.integers(0, 10**7)),
            min_size=1,
            unique_by=lambda line: line[0],
        ),
        st.integers(0, 100),
        st.integers(0, 100),
    )
    def test_always_balances(
        self, lines: list[tuple[int, int]], kitty_percent: int, cash_percent: int
    ) -> None:
        """Whatever is sold and however it is paid, debits equal credits."""
        total = sum(amount for _, amount in lines)
        kitty = total * kitty_percent // 100
        cash = (total - kitty) * cash_percent // 100
        tenders = (
            Tender("KITTY", kitty),
            Tender("CASH", cash),
            Tender("CARD", total - kitty - cash),
        )
        ticket = replace(TICKET, sales=tuple(VatSales(*line) for line in lines), tenders=tenders)

        commands = expected_transactions(ticket, CHART)

        assert len(commands) == (total > 0)
        assert all(leg_fault(command.legs) is None for command in commands)


class TestValue:
    def test_earned(self) -> None:
        """Points and kitty of one ticket are one transaction over two assets; lots add up."""
        event = ValueMoved(
            EVENT, NOON, EARNED, "t", MEMBER, (("POINTS", 30), ("KITTY", 125), ("POINTS", 5))
        )

        assert entries(event) == {
            "loyalty/points/issued": -35,
            f"loyalty/points/members/{MEMBER}": 35,
            "loyalty/kitty/issued": -125,
            f"loyalty/kitty/members/{MEMBER}": 125,
        }

    @pytest.mark.parametrize(("purpose", "other"), [(SPENT, "spent"), (EXPIRED, "expired")])
    def test_spent_and_expired(self, purpose: str, other: str) -> None:
        """Value leaves the member."""
        event = ValueMoved(EVENT, NOON, purpose, "t", MEMBER, (("KITTY", 125),))

        assert entries(event) == {
            f"loyalty/kitty/members/{MEMBER}": -125,
            f"loyalty/kitty/{other}": 125,
        }

    def test_reversed(self) -> None:
        """1.00 of kitty spent on the purchase comes back, 0.38 earned by it goes; the points it earned go."""
        event = ValueReversed(
            EVENT, NOON, "t", MEMBER, (("KITTY", 100),), (("KITTY", 38), ("POINTS", 7))
        )

        assert entries(event) == {
            "loyalty/kitty/spent": -100,
            "loyalty/kitty/issued": 38,
            f"loyalty/kitty/members/{MEMBER}": 62,
            "loyalty/points/issued": 7,
            f"loyalty/points/members/{MEMBER}": -7,
        }
        assert expected_transactions(event, CHART)[0].purpose == REVERSED

    def test_nothing_moved(self) -> None:
        """An event without quantities books nothing."""
        event = ValueMoved(EVENT, NOON, EARNED, "t", MEMBER, ())

        assert expected_transactions(event, CHART) == ()
