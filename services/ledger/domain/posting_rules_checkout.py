"""Posting rules for what is paid by phone: checkouts, their refunds, and top-ups of the prepaid balance.

A prepaid tender was held before the checkout settled: its hold is posted to the clearing account by a transaction of
its own, and the sale takes it from there. A hold that cannot be posted any more leaves the clearing account open by its
amount, where it is seen, and never keeps the sale out of the books.
"""

from typing import Final

from services.common.kernel.ids import derive_id
from services.ledger.domain.chart import Chart
from services.ledger.domain.posting_draft import Draft, book_goods, check_euros, check_sums
from services.ledger.domain.posting_events import (
    CHECKOUT_PREPAID,
    CHECKOUT_REFUND,
    CHECKOUT_SALE,
    TOP_UP_SETTLED,
    CheckoutRefunded,
    CheckoutSettled,
    EventNotBookable,
    Purchase,
    TopUpSettled,
)
from services.ledger.domain.transaction import TransactionCommand

PREPAID: Final = "PREPAID"

HOLD_PLACE: Final = 1
"""The hold is posted under the first id that the event's own gives birth to."""


def book_checkout(event: CheckoutSettled, chart: Chart) -> tuple[TransactionCommand | None, ...]:
    """Book a sale paid by phone: the prepaid tender's hold first, then tenders left, sales and VAT right.

    Raises:
        EventNotBookable: the sums differ, or the chart has no place for a rate or tender.
    """
    purchase, clearing = event.purchase, chart.wallet.clearing
    sale = _draw_sale(purchase, chart, prepaid_account=clearing).close(
        event.event_id,
        occur_time=event.occur_time,
        purpose=CHECKOUT_SALE,
        reference=purchase.ticket,
    )
    prepaid = sum(t.amount_minor for t in purchase.tenders if t.kind == PREPAID)
    if (event.prepaid_leg_id is None) != (prepaid == 0):
        raise EventNotBookable("A prepaid tender comes with its hold.", prepaid=prepaid)
    hold = Draft()
    hold.debit(chart.wallet.prepaid_of(purchase.customer_id), prepaid)
    hold.credit(clearing, prepaid)
    post_hold = hold.close(
        derive_id(event.event_id, HOLD_PLACE),
        occur_time=event.occur_time,
        purpose=CHECKOUT_PREPAID,
        reference=str(event.checkout_id),
        hold_id=event.prepaid_leg_id,
    )
    return post_hold, sale


def book_refund(event: CheckoutRefunded, chart: Chart) -> TransactionCommand | None:
    """Book the reverse of the sale; what was paid from the prepaid balance goes straight back to it.

    Raises:
        EventNotBookable: as for the sale.
    """
    purchase = event.purchase
    prepaid_account = chart.wallet.prepaid_of(purchase.customer_id)
    sale = _draw_sale(purchase, chart, prepaid_account=prepaid_account)
    return sale.reversed().close(
        event.event_id,
        occur_time=event.occur_time,
        purpose=CHECKOUT_REFUND,
        reference=purchase.ticket,
    )


def book_top_up(event: TopUpSettled, chart: Chart) -> TransactionCommand | None:
    """Book a top-up: the card on the left, the debt to the customer on the right. No VAT: nothing is supplied yet.

    Raises:
        EventNotBookable: it is not in euros.
    """
    check_euros(event.currency_code)
    draft = Draft()
    draft.debit(chart.wallet.card, event.amount_minor)
    draft.credit(chart.wallet.prepaid_of(event.customer_id), event.amount_minor)
    return draft.close(
        event.event_id,
        occur_time=event.occur_time,
        purpose=TOP_UP_SETTLED,
        reference=str(event.top_up_id),
    )


def _draw_sale(purchase: Purchase, chart: Chart, *, prepaid_account: str) -> Draft:
    """Draw up a sale: what paid on the left, what was sold on the right."""
    check_euros(purchase.currency_code)
    check_sums(purchase.sales, purchase.tenders)
    draft = Draft()
    for tender in purchase.tenders:
        if tender.kind not in chart.reductions:
            account = _tender_account(tender.kind, chart, prepaid_account=prepaid_account)
            draft.debit(account, tender.amount_minor)
    book_goods(draft, purchase.sales, purchase.tenders, chart)
    return draft


def _tender_account(kind: str, chart: Chart, *, prepaid_account: str) -> str:
    """Give the account of what a phone can pay with, or of a supplier's coupon."""
    match kind:
        case "CARD":
            return chart.wallet.card
        case "PREPAID":
            return prepaid_account
        case "SUPPLIER_COUPON":
            return chart.tenders[kind]
        case _:
            raise EventNotBookable("A phone does not pay with this tender.", tender=kind)
