"""From a basket to the ticket that its till sends: the same ticket on every replay.

Till, sequence, tender and member are pure functions of the data, so that sending the year again
sends the same keys with the same contents. Only the ids of the commands are new.
"""

from collections import Counter
from datetime import date
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as service_pb
from services.common.kernel.ids import new_uuid7
from services.simulator.baskets import Basket

TILLS_PER_STORE: Final = 8
"""Every store of the replay has this many tills."""

SELF_CHECKOUT: Final = "SC"
"""Where shoppers scan and pay without a cashier; no ticket of the replay comes from there."""

_SEQUENCE_MAX: Final = 9_999_999_999
"""The largest number that a ticket may have, as the proto says."""

_MEMBERS: Final = uuid5(NAMESPACE_URL, "https://cagnotte.example/replay/members")
_CUSTOMERS: Final = uuid5(NAMESPACE_URL, "https://cagnotte.example/replay/customers")
_SPREAD: Final = 0x9E3779B97F4A7C15
"""Fibonacci hashing: spreads consecutive basket ids evenly over tills and tenders."""

_CASH_SHARE: Final = 4
"""One basket in four is paid in cash, the others at the till's card terminal."""

_MILLI: Final = 1_000


def member_id(household_id: int) -> UUID:
    """Give the member id of a household, the same for ever."""
    return uuid5(_MEMBERS, str(household_id))


def customer_id(household_id: int) -> UUID:
    """Give the pseudonymous customer id of a household, the same for ever."""
    return uuid5(_CUSTOMERS, str(household_id))


def card_number(household_id: int) -> str:
    """Give the number on a household's loyalty card."""
    return f"CJ{household_id:08d}"


def till_number(basket_id: int) -> int:
    """Tell at which till of its store the basket was paid, from 1."""
    return 1 + _spread(basket_id) % TILLS_PER_STORE


class TicketPrinter:
    """Numbers and prints the tickets of all tills; feed it the baskets in the order of time."""

    def __init__(self) -> None:
        self._day: date | None = None
        self._sequences: Counter[tuple[int, int]] = Counter()
        self._members: dict[int, str] = {}

    def print_ticket(
        self, basket: Basket, *, checkout_id: UUID | None = None
    ) -> service_pb.RecordTicketRequest:
        """Make the command that records the basket's ticket, under a new command id.

        With a checkout, the checkout pays all that suppliers' coupons do not.
        """
        request = service_pb.RecordTicketRequest(request_id=str(new_uuid7()))
        ticket = request.ticket
        self._number(ticket.key, basket)
        ticket.occur_time.seconds = int(basket.sold_time.timestamp())
        ticket.member_id = self._member(basket.household_id)
        ticket.channel = pb.CHANNEL_STORE
        ticket.currency_code = "EUR"
        add_line = ticket.lines.add
        total = coupons = 0
        for number, line in enumerate(basket.lines, start=1):
            product = line.product
            total += line.sales_minor
            coupons += line.coupon_minor
            add_line(
                line_number=number,
                product_id=str(product.product_id),
                department=product.department,
                brand=product.brand,
                quantity_milli=line.quantity * _MILLI,
                sales_minor=line.sales_minor,
                supplier_coupon_minor=line.coupon_minor,
                vat_rate_bp=product.vat_rate_bp,
            )
        ticket.total_minor = total
        if checkout_id is None:
            _pay(ticket, _own_tender(basket.basket_id), paid=total - coupons, coupons=coupons)
        else:
            ticket.checkout_id = str(checkout_id)
            _pay(ticket, pb.TENDER_KIND_CHECKOUT, paid=total - coupons, coupons=coupons)
        return request

    def _number(self, key: pb.TicketKey, basket: Basket) -> None:
        day = basket.business_date
        if day != self._day:
            self._day = day
            self._sequences.clear()
        till = (basket.store_id, till_number(basket.basket_id))
        self._sequences[till] += 1
        key.store_id = f"{till[0]:04d}"
        key.till_id = f"{till[1]:02d}"
        key.business_date = day.isoformat()
        key.sequence = self._sequences[till]
        key.kind = pb.TICKET_KIND_SALE

    def _member(self, household_id: int) -> str:
        known = self._members.get(household_id)
        if known is None:
            known = self._members[household_id] = str(member_id(household_id))
        return known


def paid_in_cash(request: service_pb.RecordTicketRequest) -> service_pb.RecordTicketRequest:
    """Give the ticket of a basket whose checkout came to nothing: the same sale under the same number, paid in cash.

    A number belongs to the sale, not to an attempt at paying it, and nothing was recorded under it before.
    """
    printed = service_pb.RecordTicketRequest()
    printed.CopyFrom(request)
    printed.ticket.checkout_id = ""
    for tender in printed.ticket.tenders:
        if tender.kind == pb.TENDER_KIND_CHECKOUT:
            tender.kind = pb.TENDER_KIND_CASH
    return printed


def left_at_self_checkout(ticket: pb.Ticket, *, basket_id: int, checkout_id: UUID) -> pb.Ticket:
    """Give the ticket that a self-checkout asked a phone to pay before its shopper went to a till."""
    left = pb.Ticket()
    left.CopyFrom(ticket)
    left.key.till_id = SELF_CHECKOUT
    left.key.sequence = 1 + basket_id % _SEQUENCE_MAX
    left.checkout_id = str(checkout_id)
    return left


def _pay(ticket: pb.Ticket, kind: pb.TenderKind.ValueType, *, paid: int, coupons: int) -> None:
    if paid:
        ticket.tenders.add(kind=kind, amount_minor=paid)
    if coupons:
        ticket.tenders.add(kind=pb.TENDER_KIND_SUPPLIER_COUPON, amount_minor=coupons)


def _own_tender(basket_id: int) -> pb.TenderKind.ValueType:
    cash = _spread(basket_id) // TILLS_PER_STORE % _CASH_SHARE == 0
    return pb.TENDER_KIND_CASH if cash else pb.TENDER_KIND_CARD


def _spread(basket_id: int) -> int:
    return (basket_id * _SPREAD & 0xFFFFFFFFFFFFFFFF) >> 32
