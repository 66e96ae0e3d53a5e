"""Posting rules: which transactions each event of the other services becomes.

Written to be read by an accountant. Each rule is a pure function from an event and the chart of accounts to balanced
transactions, none when there is nothing to book. A transaction's id is the event's id, or derived from it, so an event
that is delivered twice is booked once.

==================  ==================================  ==========================================
event               debit                               credit
==================  ==================================  ==========================================
TicketRecorded      each tender's account               707x net sales and 44571x VAT, by rate
(tender: kitty)     709700 reduction less its VAT
ValueEarned         loyalty/<currency>/issued           loyalty/<currency>/members/<member>
ValueSpent          loyalty/<currency>/members/...      loyalty/<currency>/spent
ValueExpired        loyalty/<currency>/members/...      loyalty/<currency>/expired
ValueReversed       loyalty/<currency>/spent            loyalty/<currency>/members/... (given back)
                    loyalty/<currency>/members/...      loyalty/<currency>/issued (taken back)
CheckoutSettled     wallet/<customer>/prepaid           checkout/clearing (posts the hold)
                    card, clearing, coupons, 709700     707x net sales and 44571x VAT, by rate
CheckoutRefunded    707x net sales and 44571x VAT       card, wallet/<customer>/prepaid, coupons, 709700
TopUpSettled        card (gl/511500/wallet)             wallet/<customer>/prepaid
==================  ==================================  ==========================================

The last three stand in ``posting_rules_checkout``; a sale's arithmetic, the same for tickets and checkouts, in
``posting_draft``.
"""

from typing import assert_never

from services.ledger.domain.chart import Chart, LoyaltyAccounts
from services.ledger.domain.posting_draft import Draft, book_goods, check_euros, check_sums
from services.ledger.domain.posting_events import (
    EARNED,
    EXPIRED,
    REVERSED,
    SALE,
    SPENT,
    BookableEvent,
    CheckoutRefunded,
    CheckoutSettled,
    EventNotBookable,
    Tender,
    TicketRecorded,
    TopUpSettled,
    ValueMoved,
    ValueReversed,
)
from services.ledger.domain.posting_rules_checkout import book_checkout, book_refund, book_top_up
from services.ledger.domain.transaction import TransactionCommand


def expected_transactions(event: BookableEvent, chart: Chart) -> tuple[TransactionCommand, ...]:
    """Give the transactions that an event must become, in the order in which they are booked.

    Raises:
        EventNotBookable: the chart has no place for the event, or its sums disagree.
    """
    return tuple(command for command in _book(event, chart) if command is not None)


def _book(event: BookableEvent, chart: Chart) -> tuple[TransactionCommand | None, ...]:
    match event:
        case TicketRecorded():
            return (book_ticket(event, chart),)
        case ValueMoved():
            return (book_value(event, chart),)
        case ValueReversed():
            return (book_reversal(event, chart),)
        case CheckoutSettled():
            return book_checkout(event, chart)
        case CheckoutRefunded():
            return (book_refund(event, chart),)
        case TopUpSettled():
            return (book_top_up(event, chart),)
        case _:
            assert_never(event)


def book_ticket(event: TicketRecorded, chart: Chart) -> TransactionCommand | None:
    """Book a sale paid at the till: the tenders on the left, net sales and VAT by rate on the right.

    Nothing is booked for a ticket that names a checkout (the checkout books the sale), for a training ticket, and for a
    ticket whose amounts are all zero.
    """
    if event.checkout_id or event.is_training:
        return None
    check_euros(event.currency_code)
    check_sums(event.sales, event.tenders)
    draft = Draft()
    for tender in event.tenders:
        if tender.kind not in chart.reductions:
            draft.debit(_tender_account(tender, event.store_id, chart), tender.amount_minor)
    book_goods(draft, event.sales, event.tenders, chart)
    return draft.close(
        event.event_id, occur_time=event.occur_time, purpose=SALE, reference=event.ticket
    )


def book_value(event: ValueMoved, chart: Chart) -> TransactionCommand | None:
    """Move quantities between a member and what was issued, spent or expired.

    Quantities are no euros: they are units of their own assets and never mix with euro postings.
    """
    draft = Draft()
    for currency, quantity in event.quantities:
        accounts = _loyalty_accounts(currency, chart)
        debit, credit = _loyalty_sides(event, accounts)
        draft.debit(debit, quantity, asset=accounts.asset)
        draft.credit(credit, quantity, asset=accounts.asset)
    return draft.close(
        event.event_id,
        occur_time=event.occur_time,
        purpose=event.purpose,
        reference=event.reference,
    )


def book_reversal(event: ValueReversed, chart: Chart) -> TransactionCommand | None:
    """Give back what was spent on a purchase, and take back what it earned.

    The member's account gets both at once, so that what is taken may come out of what is given.
    """
    draft = Draft()
    for currency, quantity in event.restored:
        accounts = _loyalty_accounts(currency, chart)
        draft.debit(accounts.spent, quantity, asset=accounts.asset)
        draft.credit(accounts.of_member(event.member_id), quantity, asset=accounts.asset)
    for currency, quantity in event.taken:
        accounts = _loyalty_accounts(currency, chart)
        draft.debit(accounts.of_member(event.member_id), quantity, asset=accounts.asset)
        draft.credit(accounts.issued, quantity, asset=accounts.asset)
    return draft.close(
        event.event_id, occur_time=event.occur_time, purpose=REVERSED, reference=event.reference
    )


def _loyalty_accounts(currency: str, chart: Chart) -> LoyaltyAccounts:
    accounts = chart.loyalty.get(currency)
    if accounts is None:
        raise EventNotBookable("The chart has no such loyalty currency.", currency=currency)
    return accounts


def _loyalty_sides(event: ValueMoved, accounts: LoyaltyAccounts) -> tuple[str, str]:
    """Give the account to debit and the account to credit."""
    member = accounts.of_member(event.member_id)
    if event.purpose == EARNED:
        return accounts.issued, member
    if event.purpose == SPENT:
        return member, accounts.spent
    assert event.purpose == EXPIRED, "there is no other move"
    return member, accounts.expired


def _tender_account(tender: Tender, store_id: str, chart: Chart) -> str:
    path = chart.tenders.get(tender.kind)
    if path is None:
        raise EventNotBookable("The chart has no such tender.", tender=tender.kind)
    return path.format(store=store_id)
