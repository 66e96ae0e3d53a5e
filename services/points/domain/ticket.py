"""Tickets as tills send them, and what must hold in a ticket by itself."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.clock import business_date
from services.common.kernel.errors import InvalidArgument, NotFound
from services.common.kernel.gtin import has_check_digit

BUSINESS_DATE_TOLERANCE: Final = timedelta(days=1)
"""How far a store's business day may be from the calendar day of a ticket's time."""

TOTAL_MINOR_MAX: Final = 99_999_999
"""What a ticket can come to unless the settings say otherwise: what a checkout can, 999,999.99 EUR."""

_UUID_VERSION: Final = 8 << 76
_UUID_VARIANT: Final = 2 << 62
_UUID_FREE_BITS: Final = ~(0xF << 76 | 0x3 << 62)


class TicketKind(IntEnum):
    """Whether a ticket counts; the numbers equal those of the protos."""

    SALE = 1
    TRAINING = 2


class Channel(IntEnum):
    """How the basket reached the customer; the numbers equal those of the protos."""

    STORE = 1
    WEB = 2
    DRIVE = 3


class TenderKind(IntEnum):
    """The means of a payment; the numbers equal those of the protos."""

    CASH = 1
    CARD = 2
    CHEQUE = 3
    MEAL_VOUCHER = 4
    SUPPLIER_COUPON = 5
    GIFT_CARD = 6
    PREPAID = 7
    KITTY = 8
    POINTS = 9
    CHECKOUT = 10


class TicketTotalsDiffer(InvalidArgument):
    """The lines, the tenders or the coupons of a ticket do not add up."""

    reason = "TICKET_TOTALS_DIFFER"


class TicketTimeOutOfRange(InvalidArgument):
    """The time of a ticket is not one at which it can have happened: a wrong clock."""

    reason = "TICKET_TIME_OUT_OF_RANGE"


class TicketAmountTooLarge(InvalidArgument):
    """The ticket comes to more than any sale of the chain: a slip of the till, or worse."""

    reason = "TICKET_AMOUNT_TOO_LARGE"


class TicketInvalid(InvalidArgument):
    """A field of a ticket breaks a rule that its proto cannot state."""

    reason = "TICKET_INVALID"


class TicketNotFound(NotFound):
    """Nothing is recorded under the key."""

    reason = "TICKET_NOT_FOUND"


class TicketKey(NamedTuple):
    """The natural key: a till's sequence restarts, so no receipt number alone is a key."""

    store_id: str
    business_date: date
    till_id: str
    sequence: int
    kind: TicketKind


class Line(NamedTuple):
    """One line; amounts are minor units with VAT. A tuple, for tickets have many of them."""

    line_number: int
    department: str
    brand: str
    sales_minor: int
    supplier_coupon_minor: int
    vat_rate_bp: int
    gtin: str

    @property
    def base_minor(self) -> int:
        """Give what loyalty counts: sales less the supplier's coupon, VAT included."""
        return self.sales_minor - self.supplier_coupon_minor


class Tender(NamedTuple):
    """One means of payment and its amount in minor units."""

    kind: TenderKind
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """A sale at a till, as far as decisions look at it."""

    key: TicketKey
    occur_time: datetime
    card_number: str | None
    member_id: UUID | None
    channel: Channel
    checkout_id: UUID | None
    lines: tuple[Line, ...]
    tenders: tuple[Tender, ...]
    total_minor: int

    @property
    def supplier_coupon_minor(self) -> int:
        """Give what suppliers' coupons pay of the total."""
        return sum(line.supplier_coupon_minor for line in self.lines)

    def sales_by_vat_rate(self) -> tuple[tuple[int, int], ...]:
        """Give (rate in basis points, sales with VAT) ascending by rate; they sum to the total."""
        sales: dict[int, int] = {}
        for line in self.lines:
            sales[line.vat_rate_bp] = sales.get(line.vat_rate_bp, 0) + line.sales_minor
        return tuple(sorted(sales.items()))

    def amounts_by_tender(self) -> tuple[Tender, ...]:
        """Give one tender for each kind that paid anything, ascending by kind."""
        amounts: dict[TenderKind, int] = {}
        for tender in self.tenders:
            amounts[tender.kind] = amounts.get(tender.kind, 0) + tender.amount_minor
        return tuple(Tender(*item) for item in sorted(amounts.items()) if item[1])


@dataclass(frozen=True, slots=True)
class TicketLimits:
    """How far a ticket's time may be from now, and what it may come to; a line is never more than its ticket."""

    future_tolerance: timedelta
    age_max: timedelta
    total_minor_max: int = TOTAL_MINOR_MAX


def ticket_id_of(key: TicketKey) -> UUID:
    """Derive the id of a ticket from its key, the same everywhere and for ever.

    The first 122 free bits of SHA-256 over the key's parts, as a UUID of version 8.
    """
    text = f"{key.store_id}|{key.business_date}|{key.till_id}|{key.sequence}|{int(key.kind)}"
    digest = int.from_bytes(sha256(text.encode()).digest()[:16], "big")
    return UUID(int=digest & _UUID_FREE_BITS | _UUID_VERSION | _UUID_VARIANT)


def check_ticket(ticket: Ticket) -> None:
    """Check what must hold in a ticket by itself.

    Raises:
        TicketInvalid: a line number is used twice, or a GTIN's check digit is wrong.
        TicketTotalsDiffer: lines, tenders, coupons and total do not add up.
    """
    if faults := _field_faults(ticket):
        raise TicketInvalid("The ticket has fields that cannot be.", violations=faults)
    if faults := _total_faults(ticket):
        raise TicketTotalsDiffer(
            "The ticket does not add up.", violations=faults, store_id=ticket.key.store_id
        )


def check_time(ticket: Ticket, limits: TicketLimits, *, now: datetime) -> None:
    """Refuse a ticket from the future, older than tills may queue, or under another time's business date.

    A store's day may end after midnight or begin before it, so the business date may be a day off. It may not be
    more: it is part of the key, and a till with a wrong business date would record a sale twice.

    Raises:
        TicketTimeOutOfRange: the till's clock is wrong, or the ticket comes too late.
    """
    latest = now + limits.future_tolerance
    earliest = now - limits.age_max
    if not earliest <= ticket.occur_time <= latest:
        raise TicketTimeOutOfRange(
            "The time of the ticket is out of range; check the clock of the till.",
            violations=[("ticket.occur_time", "is not between the earliest and latest time")],
            earliest_time=earliest.isoformat(),
            latest_time=latest.isoformat(),
        )
    days_off = abs(ticket.key.business_date - business_date(ticket.occur_time))
    if days_off > BUSINESS_DATE_TOLERANCE:
        raise TicketTimeOutOfRange(
            "The business date is not that of the ticket's time; check the till's business day.",
            violations=[("ticket.key.business_date", "is more than a day from occur_time")],
            business_date=ticket.key.business_date.isoformat(),
        )


def check_amount(ticket: Ticket, limits: TicketLimits) -> None:
    """Refuse a ticket of an amount that nobody pays at a till: it would be credited and booked before anybody looks.

    Raises:
        TicketAmountTooLarge: its total is above the limit.
    """
    if ticket.total_minor > limits.total_minor_max:
        raise TicketAmountTooLarge(
            "The ticket comes to more than a ticket may.",
            violations=[("ticket.total_minor", f"is above {limits.total_minor_max}")],
            total_minor_max=limits.total_minor_max,
        )


def _field_faults(ticket: Ticket) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    if len({line.line_number for line in ticket.lines}) != len(ticket.lines):
        faults.append(("ticket.lines", "a line number is used twice"))
    for index, line in enumerate(ticket.lines):
        if line.gtin and not has_check_digit(line.gtin):
            faults.append((f"ticket.lines[{index}].gtin", "has a wrong check digit"))
    return faults


def _total_faults(ticket: Ticket) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    total = ticket.total_minor
    if (lines := sum(line.sales_minor for line in ticket.lines)) != total:
        faults.append(("ticket.total_minor", f"is {total}, but the lines sum to {lines}"))
    if (tenders := sum(tender.amount_minor for tender in ticket.tenders)) != total:
        faults.append(("ticket.tenders", f"sum to {tenders}, but the total is {total}"))
    coupons = ticket.supplier_coupon_minor
    coupon_tender = sum(
        tender.amount_minor
        for tender in ticket.tenders
        if tender.kind is TenderKind.SUPPLIER_COUPON
    )
    if coupons != coupon_tender:
        faults.append(
            ("ticket.tenders", f"coupons pay {coupon_tender}, but those of the lines {coupons}")
        )
    for index, line in enumerate(ticket.lines):
        if line.base_minor < 0:
            faults.append(
                (f"ticket.lines[{index}].supplier_coupon_minor", "is above the sales of the line")
            )
    return faults
