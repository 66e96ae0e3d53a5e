"""What a phone's payments become in the books: the worked examples of the accountants, and what always holds."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.kernel.ids import derive_id
from services.ledger.codec.chart import load_chart
from services.ledger.domain.posting_events import (
    CHECKOUT_PREPAID,
    CHECKOUT_REFUND,
    CHECKOUT_SALE,
    TOP_UP_SETTLED,
    CheckoutRefunded,
    CheckoutSettled,
    EventNotBookable,
    Purchase,
    Tender,
    TopUpSettled,
    VatSales,
)
from services.ledger.domain.posting_rules import expected_transactions
from services.ledger.domain.transaction import Kind, TransactionCommand, leg_fault

CHART = load_chart(None)
EVENT, LEG, CHECKOUT, CUSTOMER = (UUID(int=n << 8) for n in (1, 2, 3, 4))
NOON = datetime(2017, 1, 2, 11, 0, tzinfo=UTC)
PREPAID = f"wallet/{CUSTOMER}/prepaid"
SPLIT = Purchase(
    customer_id=CUSTOMER,
    ticket="0330/2017-01-02/07/12",
    currency_code="EUR",
    sales=(VatSales(550, 8000), VatSales(2000, 4000)),
    tenders=(Tender("PREPAID", 2000), Tender("KITTY", 600), Tender("CARD", 9400)),
)
"""80.00 at 5.5 % and 40.00 at 20 %: kitty 6.00 (4.00 and 2.00 of it), prepaid 20.00, the rest by card."""


def settled(purchase: Purchase, *, leg: UUID | None = None) -> CheckoutSettled:
    """Make a settlement."""
    return CheckoutSettled(EVENT, NOON, CHECKOUT, purchase, leg)


def refunded(purchase: Purchase) -> CheckoutRefunded:
    """Make the refund of a purchase."""
    return CheckoutRefunded(EVENT, NOON, purchase)


def entries(*commands: TransactionCommand) -> dict[str, int]:
    """Give what transactions do together to each account, credit positive."""
    balances: dict[str, int] = {}
    for command in commands:
        assert leg_fault(command.legs) is None
        for leg in command.legs:
            balances[leg.account] = balances.get(leg.account, 0) + leg.amount
    return {account: amount for account, amount in balances.items() if amount}


def by_card(*sales: VatSales, kitty: int = 0, coupon: int = 0) -> Purchase:
    """Make a purchase that a card pays but for kitty and coupon."""
    card = sum(line.sales_minor for line in sales) - kitty - coupon
    tenders = (Tender("SUPPLIER_COUPON", coupon), Tender("KITTY", kitty), Tender("CARD", card))
    return replace(SPLIT, sales=sales, tenders=tuple(t for t in tenders if t.amount_minor))


class TestSettled:
    def test_by_card_alone(self) -> None:
        """J1: basket 100.00 at 5.5 %, captured by card."""
        (sale,) = expected_transactions(settled(by_card(VatSales(550, 10_000))), CHART)

        assert entries(sale) == {"gl/511500/wallet": -10_000, "gl/707100": 9479, "gl/445711": 521}

    def test_with_kitty(self) -> None:
        """J4: basket 50.00, kitty 2.00, card 48.00; VAT is due on 48.00, never on 50.00."""
        (sale,) = expected_transactions(settled(by_card(VatSales(550, 5000), kitty=200)), CHART)

        assert entries(sale) == {
            "gl/511500/wallet": -4800,
            "gl/709700": -189,
            "gl/707100": 4739,
            "gl/445711": 250,
        }

    def test_split_tenders(self) -> None:
        """J7: kitty over two rates, prepaid and card; net of the reduction, sales are 72.04 and 31.67."""
        post_hold, sale = expected_transactions(settled(SPLIT, leg=LEG), CHART)

        assert entries(post_hold) == {PREPAID: -2000, "checkout/clearing": 2000}
        assert entries(sale) == {
            "gl/511500/wallet": -9400,
            "checkout/clearing": -2000,
            "gl/709700": -545,
            "gl/707100": 7583,
            "gl/445711": 396,
            "gl/707200": 3333,
            "gl/445712": 633,
        }
        assert 7583 + 3333 - 545 == 7204 + 3167
        assert "checkout/clearing" not in entries(post_hold, sale)

    def test_with_a_suppliers_coupon(self) -> None:
        """A supplier's coupon is money that the supplier owes: VAT stays due on the whole price."""
        (sale,) = expected_transactions(settled(by_card(VatSales(2000, 1200), coupon=200)), CHART)

        assert entries(sale) == {
            "gl/467200": -200,
            "gl/511500/wallet": -1000,
            "gl/707200": 1000,
            "gl/445712": 200,
        }

    def test_posts_the_hold_of_the_prepaid_leg(self) -> None:
        """The hold is posted under an id that follows from the event's, the sale under the event's own."""
        post_hold, sale = expected_transactions(settled(SPLIT, leg=LEG), CHART)

        assert (post_hold.kind, post_hold.target_id) == (Kind.HOLD_POSTED, LEG)
        assert post_hold.transaction_id == derive_id(EVENT, 1)
        assert (post_hold.purpose, post_hold.reference) == (CHECKOUT_PREPAID, str(CHECKOUT))
        assert (sale.kind, sale.transaction_id) == (Kind.POSTED, EVENT)
        assert (sale.purpose, sale.reference) == (CHECKOUT_SALE, SPLIT.ticket)
        assert sale.effective_time == post_hold.effective_time == NOON

    @pytest.mark.parametrize(
        "event",
        [
            settled(SPLIT),
            settled(by_card(VatSales(550, 100)), leg=LEG),
            settled(replace(SPLIT, currency_code="USD"), leg=LEG),
            settled(replace(SPLIT, tenders=SPLIT.tenders[:2]), leg=LEG),
            settled(by_card(VatSales(551, 100))),
            settled(replace(SPLIT, tenders=(Tender("CASH", 12_000),))),
        ],
        ids=["no hold", "no prepaid", "currency", "sums differ", "unknown rate", "cash by phone"],
    )
    def test_refuses_what_contradicts_itself(self, event: CheckoutSettled) -> None:
        """It is never booked half: it goes to the dead letters with its reason."""
        with pytest.raises(EventNotBookable):
            expected_transactions(event, CHART)


class TestRefunded:
    def test_of_an_item_with_its_kitty(self) -> None:
        """J8: 20.00 at 5.5 % with 1.00 of kitty: the card gets 19.00, sales lose 18.01, VAT 0.99."""
        (refund,) = expected_transactions(refunded(by_card(VatSales(550, 2000), kitty=100)), CHART)

        assert entries(refund) == {
            "gl/511500/wallet": 1900,
            "gl/709700": 95,
            "gl/707100": -1896,
            "gl/445711": -99,
        }
        assert 1896 - 95 == 1801
        assert (refund.purpose, refund.reference) == (CHECKOUT_REFUND, SPLIT.ticket)

    @given(
        st.lists(
            st.tuples(st.sampled_from([0, 210, 550, 1000, 2000]), st.integers(1, 10**7)),
            min_size=1,
            unique_by=lambda line: line[0],
        ),
        st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100)),
        st.sampled_from(["KITTY", "POINTS"]),
    )
    def test_takes_back_exactly_what_the_sale_did(
        self, lines: list[tuple[int, int]], percents: tuple[int, int, int], loyalty: str
    ) -> None:
        """Whatever is sold and however it is paid, sale and refund balance and together change nothing."""
        left = total = sum(amount for _, amount in lines)
        tenders = []
        for kind, percent in zip(("SUPPLIER_COUPON", "PREPAID", loyalty), percents, strict=True):
            tenders.append(Tender(kind, left * percent // 100))
            left -= tenders[-1].amount_minor
        tenders.append(Tender("CARD", left))
        purchase = replace(
            SPLIT,
            sales=tuple(VatSales(*line) for line in lines),
            tenders=tuple(t for t in tenders if t.amount_minor),
        )
        leg = LEG if tenders[1].amount_minor else None

        sale = expected_transactions(settled(purchase, leg=leg), CHART)
        refund = expected_transactions(refunded(purchase), CHART)

        assert sum(t.amount_minor for t in purchase.tenders) == total
        assert entries(*sale, *refund) == {}
        assert entries(*sale).get("checkout/clearing", 0) == 0


class TestTopUp:
    def test_is_a_debt_and_no_sale(self) -> None:
        """J6a: 50.00 by card; no VAT, since nothing is supplied yet."""
        event = TopUpSettled(EVENT, NOON, CHECKOUT, CUSTOMER, 5000, "EUR")

        (command,) = expected_transactions(event, CHART)

        assert entries(command) == {"gl/511500/wallet": -5000, PREPAID: 5000}
        assert (command.purpose, command.reference) == (TOP_UP_SETTLED, str(CHECKOUT))
        assert command.transaction_id == EVENT

    def test_in_another_currency_is_refused(self) -> None:
        """The books are in euros."""
        with pytest.raises(EventNotBookable):
            expected_transactions(TopUpSettled(EVENT, NOON, CHECKOUT, CUSTOMER, 1, "USD"), CHART)
