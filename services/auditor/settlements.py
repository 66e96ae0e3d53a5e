"""The wallet's checkouts against points: what was settled or refunded there was followed here, once.

Points marks a settled checkout with the event's own id, and a refunded one with the refund's. The
ticket that the till sends for a checkout is compared by its totals: a difference is a break that a
person has to look at, since the books have the checkout's.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from cagnotte.points.v1 import events_pb2 as pb
from cagnotte.points.v1 import points_pb2
from services.auditor.report import UNCONSUMED, BreakKind, Fault
from services.auditor.snapshot import batches
from services.auditor.sorting import Sorter
from services.auditor.wallet_fold import WalletFold
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.database import Connection, load_queries
from services.points.codec.time import parse_time
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.event import CheckoutRefunded, CheckoutSettled
from services.wallet.domain.tender import TicketTender

QUERIES: Final = load_queries(__package__, "settlements.sql")

_SPENT: Final = "quantity spent"
_GIVEN_BACK: Final = "quantity given back"
_SHORTFALLS: Final = frozenset({_SPENT, _GIVEN_BACK})

LOYALTY_TENDERS: Final = {
    TicketTender.KITTY: "KITTY",
    TicketTender.POINTS: "POINTS",
}


class Followed(NamedTuple):
    """A fact of points that follows one of the wallet."""

    seq: int
    event_type: int
    event_id: UUID
    payload: bytes


class NamingTicket(NamedTuple):
    """A recorded ticket that names a checkout."""

    ticket_id: UUID
    total_minor: int
    content_hash: bytes
    content: bytes


async def gather_followed(points: Connection, followed: Sorter[Followed]) -> None:
    """Read the facts of points that follow the wallet's, to be given by checkout."""
    types = [pb.EVENT_TYPE_TICKET_SETTLED, pb.EVENT_TYPE_VALUE_REVERSED]
    async for rows in batches(points, QUERIES["followed"], types):
        for row in rows:
            fact = Followed(*row)
            followed.add(_checkout_of(fact), fact)


def _checkout_of(fact: Followed) -> UUID:
    """Give the checkout of a fact; one that cannot be read belongs to none."""
    kind = pb.TicketSettled if fact.event_type == pb.EVENT_TYPE_TICKET_SETTLED else pb.ValueReversed
    try:
        return UUID(kind.FromString(fact.payload).checkout_id)
    except (DecodeError, ValueError):
        return UUID(int=0)


def followed_faults(fold: WalletFold, followed: Sequence[Followed]) -> Iterator[Fault]:
    """Name what points did not follow, followed twice, followed differently, or without a cause."""
    settled = [fact for fact in followed if fact.event_type == pb.EVENT_TYPE_TICKET_SETTLED]
    reversed_ = [fact for fact in followed if fact.event_type == pb.EVENT_TYPE_VALUE_REVERSED]
    spent: dict[str, int] = {}
    for event in fold.ends:
        facts = settled if isinstance(event, CheckoutSettled) else reversed_
        what = type(event).__name__
        if not facts:
            yield Fault(
                f"{what} {event.stamp.event_id} {UNCONSUMED.format('points')}", BreakKind.BUSINESS
            )
            continue
        fact = facts.pop(0)
        try:
            if isinstance(event, CheckoutSettled):
                message = pb.TicketSettled.FromString(fact.payload)
                spent = _spent(message)
                parts = _settlement_differences(event, fact, message)
            else:
                parts = _reversal_differences(
                    event, pb.ValueReversed.FromString(fact.payload), spent
                )
        except (DecodeError, ValueError) as error:
            parts = [f"content ({error})"]
        for part in parts:
            yield Fault(
                f"points followed {what} {event.stamp.event_id} with another {part} (seq {fact.seq})",
                BreakKind.BUSINESS if part in _SHORTFALLS else BreakKind.PROOF,
            )
    for fact in (*settled, *reversed_):
        yield Fault(f"points has fact seq {fact.seq} and the wallet nothing that it follows")


def _settlement_differences(
    event: CheckoutSettled, fact: Followed, message: pb.TicketSettled
) -> list[str]:
    tenders = [
        (str(t.leg_id), LOYALTY_TENDERS[t.kind], t.amount_minor, t.quantity, t.quantity)
        for t in event.tenders
        if t.kind in LOYALTY_TENDERS
    ]
    followed = [
        (t.hold_id, _currency(t.currency), t.amount_minor, t.quantity, t.spent_quantity)
        for t in message.tenders
    ]
    compared = (
        ("id", event.stamp.event_id, fact.event_id),
        ("time", event.stamp.occur_time, parse_time(message.metadata.occur_time, "occur_time")),
        ("shopper", str(event.customer_id), message.customer_id),
        ("ticket key", tuple(event.basket.ticket_key), _key(message.key)),
        ("ticket", sha256(event.basket.content).digest(), message.content_hash),
        (_SPENT, sorted(tenders), sorted(followed)),
    )
    return [part for part, expected, actual in compared if expected != actual]


def _reversal_differences(
    event: CheckoutRefunded, message: pb.ValueReversed, spent: dict[str, int]
) -> list[str]:
    restored: dict[str, int] = {}
    for lot in message.restored:
        currency = _currency(lot.currency)
        restored[currency] = restored.get(currency, 0) + lot.quantity
    compared = (
        ("time", event.stamp.occur_time, parse_time(message.metadata.occur_time, "occur_time")),
        ("refund", str(event.refund_id), message.refund_id),
        ("ticket key", tuple(event.ticket_key), _key(message.key)),
        (_GIVEN_BACK, spent, restored),
    )
    return [part for part, expected, actual in compared if expected != actual]


def _spent(message: pb.TicketSettled) -> dict[str, int]:
    """Give what was spent of each currency."""
    spent: dict[str, int] = {}
    for tender in message.tenders:
        if tender.spent_quantity:
            currency = _currency(tender.currency)
            spent[currency] = spent.get(currency, 0) + tender.spent_quantity
    return spent


def ticket_faults(fold: WalletFold, tickets: Sequence[NamingTicket]) -> Iterator[str]:
    """Name what differs between a checkout and the tickets that name it."""
    checkout = fold.payment if isinstance(fold.payment, Checkout) else None
    settled = any(isinstance(event, CheckoutSettled) for event in fold.ends)
    if not settled:
        if checkout is None or not checkout.in_flight:
            for ticket in tickets:
                yield f"ticket {ticket.ticket_id} names it, and it was never paid"
        return
    assert checkout is not None, "it was settled"
    if not tickets:
        yield "no ticket names it, so that what it sold may be sold twice"
    for ticket in tickets[1:]:
        yield f"a second ticket ({ticket.ticket_id}) names it"
    for ticket in tickets[:1]:
        if sha256(checkout.basket.content).digest() == ticket.content_hash:
            continue
        try:
            parts = _total_differences(checkout, ticket)
        except (DecodeError, ValueError) as error:
            parts = [f"content ({error})"]
        for part in parts:
            yield f"ticket {ticket.ticket_id} has another {part} than its checkout (a break)"


def _total_differences(checkout: Checkout, ticket: NamingTicket) -> list[str]:
    """Name the totals of a ticket that are not those of the basket that was paid."""
    message = points_pb2.Ticket.FromString(ticket.content)
    sales: dict[int, int] = {}
    for line in message.lines:
        sales[line.vat_rate_bp] = sales.get(line.vat_rate_bp, 0) + line.sales_minor
    basket = checkout.basket
    coupons = sum(line.supplier_coupon_minor for line in message.lines)
    compared = (
        ("ticket key", tuple(basket.ticket_key), _key(message.key)),
        ("total", basket.total_minor, ticket.total_minor),
        ("total by VAT rate", basket.sales_by_vat_rate(), tuple(sorted(sales.items()))),
        ("total of coupons", basket.coupon_minor, coupons),
        ("currency", basket.currency_code, message.currency_code),
    )
    return [part for part, expected, actual in compared if expected != actual]


def _currency(number: int) -> str:
    return LoyaltyCurrency(number).name


def _key(key: points_pb2.TicketKey) -> tuple[object, ...]:
    """Give a key as the wallet's are, to be compared with one."""
    day = date.fromisoformat(key.business_date)
    return (key.store_id, day, key.till_id, key.sequence, key.kind)
