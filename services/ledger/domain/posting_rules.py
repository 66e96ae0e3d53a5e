"""Posting rules: which transaction each event of the other services becomes.

Written to be read by an accountant. Each rule is a pure function from an event and the chart of accounts to one
balanced transaction, or None when there is nothing to book. The transaction's id is the event's id, so an event that is
delivered twice is booked once.

==================  ==============================  ======================================
event               debit                           credit
==================  ==============================  ======================================
TicketRecorded      each tender's account           707x net sales and 44571x VAT, by rate
(tender: kitty)     709700 reduction less its VAT
ValueEarned         loyalty/<currency>/issued       loyalty/<currency>/members/<member>
ValueSpent          loyalty/<currency>/members/…    loyalty/<currency>/spent
ValueExpired        loyalty/<currency>/members/…    loyalty/<currency>/expired
==================  ==============================  ======================================
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from services.common.kernel.errors import InvalidArgument
from services.common.kernel.money import allocate, vat_of_gross
from services.ledger.domain.chart import Chart, LoyaltyAccounts
from services.ledger.domain.journal import hash_command
from services.ledger.domain.transaction import Basis, Kind, Leg, TransactionCommand

EUR: Final = "EUR"

SALE: Final = "sale"
EARNED: Final = "loyalty-earned"
SPENT: Final = "loyalty-spent"
EXPIRED: Final = "loyalty-expired"

EVENT_PURPOSES: Final = frozenset({SALE, EARNED, SPENT, EXPIRED})
"""Purposes that only these rules may use: what stands under them was booked from an event."""


class EventNotBookable(InvalidArgument):
    """The chart has no place for the event, or its sums disagree. It goes to the dead letters, with the reason."""

    reason: ClassVar[str] = "EVENT_NOT_BOOKABLE"


@dataclass(frozen=True, slots=True)
class VatSales:
    """Sales of a ticket at one VAT rate (basis points), in cents, VAT included."""

    rate_bp: int
    sales_minor: int


@dataclass(frozen=True, slots=True)
class Tender:
    """What a ticket was paid with, in cents. ``kind`` is the proto's name, for example ``CASH``."""

    kind: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TicketRecorded:
    """A till's ticket as the books need it. ``ticket`` is its key in one line."""

    event_id: UUID
    occur_time: datetime
    ticket: str
    store_id: str
    is_training: bool
    checkout_id: str
    currency_code: str
    sales: tuple[VatSales, ...]
    tenders: tuple[Tender, ...]


@dataclass(frozen=True, slots=True)
class ValueMoved:
    """Value that a member earned, spent or lost.

    ``purpose`` is EARNED, SPENT or EXPIRED; ``quantities`` gives the loyalty currency's name and a positive quantity,
    one for each lot or one for all.
    """

    event_id: UUID
    occur_time: datetime
    purpose: str
    reference: str
    member_id: UUID
    quantities: tuple[tuple[str, int], ...]


BookableEvent = TicketRecorded | ValueMoved


def expected_transaction(event: BookableEvent, chart: Chart) -> TransactionCommand | None:
    """Give the one transaction that an event must become, or None when it books nothing."""
    return (
        book_ticket(event, chart) if isinstance(event, TicketRecorded) else book_value(event, chart)
    )


def book_ticket(event: TicketRecorded, chart: Chart) -> TransactionCommand | None:
    """Book a sale paid at the till: the tenders on the left, net sales and VAT by rate on the right.

    Nothing is booked for a ticket that names a checkout (the checkout books the sale), for a training ticket, and for a
    ticket whose amounts are all zero. VAT is computed once per ticket and rate on the price that is left after loyalty
    reductions, which the last account takes less their VAT.
    """
    if event.checkout_id or event.is_training:
        return None
    if event.currency_code != EUR:
        raise EventNotBookable("The books are in euros.", currency_code=event.currency_code)
    _check_sums(event)
    reduction = sum(t.amount_minor for t in event.tenders if t.kind in chart.reductions)
    amounts: dict[str, int] = {}
    for tender in event.tenders:
        if tender.kind not in chart.reductions:
            _debit(amounts, _tender_account(tender, event.store_id, chart), tender.amount_minor)
    if reduction:
        vat_relief = sum(
            vat_of_gross(sales.sales_minor, sales.rate_bp)
            - vat_of_gross(sales.sales_minor - share, sales.rate_bp)
            for sales, share in _shares(reduction, event.sales)
        )
        _debit(amounts, chart.reduction_account, reduction - vat_relief)
    for sales, share in _shares(reduction, event.sales):
        line = chart.vat_lines.get(sales.rate_bp)
        if line is None:
            raise EventNotBookable("The chart has no such VAT rate.", rate_bp=sales.rate_bp)
        _credit(
            amounts,
            line.sales_account,
            sales.sales_minor - vat_of_gross(sales.sales_minor, sales.rate_bp),
        )
        if line.vat_account is not None:
            _credit(
                amounts, line.vat_account, vat_of_gross(sales.sales_minor - share, sales.rate_bp)
            )
    return _transaction(event.event_id, event.occur_time, SALE, event.ticket, {EUR: amounts})


def book_value(event: ValueMoved, chart: Chart) -> TransactionCommand | None:
    """Move quantities between a member and what was issued, spent or expired.

    Quantities are no euros: they are units of their own assets and never mix with euro postings.
    """
    amounts: dict[str, dict[str, int]] = {}
    for currency, quantity in event.quantities:
        accounts = chart.loyalty.get(currency)
        if accounts is None:
            raise EventNotBookable("The chart has no such loyalty currency.", currency=currency)
        of_asset = amounts.setdefault(accounts.asset, {})
        debit, credit = _loyalty_sides(event, accounts)
        _debit(of_asset, debit, quantity)
        _credit(of_asset, credit, quantity)
    return _transaction(event.event_id, event.occur_time, event.purpose, event.reference, amounts)


def _loyalty_sides(event: ValueMoved, accounts: LoyaltyAccounts) -> tuple[str, str]:
    """Give the account to debit and the account to credit."""
    member = accounts.of_member(event.member_id)
    if event.purpose == EARNED:
        return accounts.issued, member
    if event.purpose == SPENT:
        return member, accounts.spent
    assert event.purpose == EXPIRED, "there is no other move"
    return member, accounts.expired


def _check_sums(event: TicketRecorded) -> None:
    sold = sum(sales.sales_minor for sales in event.sales)
    paid = sum(tender.amount_minor for tender in event.tenders)
    if sold != paid:
        raise EventNotBookable("The tenders differ from the sales.", sold=sold, paid=paid)


def _tender_account(tender: Tender, store_id: str, chart: Chart) -> str:
    path = chart.tenders.get(tender.kind)
    if path is None:
        raise EventNotBookable("The chart has no such tender.", tender=tender.kind)
    return path.format(store=store_id)


def _shares(reduction: int, sales: Sequence[VatSales]) -> Iterable[tuple[VatSales, int]]:
    """Spread a reduction over the rates in proportion to their sales; the shares sum to it."""
    if not reduction:
        return [(line, 0) for line in sales]
    return zip(sales, allocate(reduction, [line.sales_minor for line in sales]), strict=True)


def _debit(amounts: dict[str, int], account: str, amount: int) -> None:
    amounts[account] = amounts.get(account, 0) - amount


def _credit(amounts: dict[str, int], account: str, amount: int) -> None:
    amounts[account] = amounts.get(account, 0) + amount


def _transaction(
    event_id: UUID,
    occur_time: datetime,
    purpose: str,
    reference: str,
    amounts: Mapping[str, Mapping[str, int]],
) -> TransactionCommand | None:
    """Make the command, one leg an account; None when no amount is left."""
    legs = tuple(
        Leg(account, amount, asset)
        for asset, of_asset in amounts.items()
        for account, amount in of_asset.items()
        if amount
    )
    if not legs:
        return None
    return TransactionCommand(
        transaction_id=event_id,
        kind=Kind.POSTED,
        legs=legs,
        effective_time=occur_time,
        basis=Basis.COMMON,
        purpose=purpose,
        reference=reference,
        target_id=None,
        expire_time=None,
        request_hash=hash_command(
            kind=Kind.POSTED,
            legs=legs,
            effective_time=occur_time,
            basis=Basis.COMMON,
            purpose=purpose,
            reference=reference,
            target_id=None,
            expire_time=None,
        ),
    )
