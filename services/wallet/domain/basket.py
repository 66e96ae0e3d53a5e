"""Baskets: what a till asks to be paid, and what must hold in one by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple

from services.common.kernel.clock import business_date
from services.common.kernel.errors import InvalidArgument
from services.common.kernel.gtin import has_check_digit
from services.wallet.domain.tender import TicketTender

AGE_MAX: Final = timedelta(days=2)
"""How old a basket may be that is to be paid: a shopper waits, and a simulated clock stands at the day's end."""

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
"""How far the clock of a till may be ahead."""

TOTAL_MINOR_MAX: Final = 99_999_999
"""What a basket can come to, coupons included: no card pays more (Stripe: eight digits), and points takes no ticket
of more unless its settings say so."""

BUSINESS_DATE_TOLERANCE: Final = timedelta(days=1)
"""How far a store's business day may be from the calendar day of a basket's time, as in points."""


class TicketNotPayable(InvalidArgument):
    """The basket cannot be paid by a checkout."""

    reason = "TICKET_NOT_PAYABLE"


class TicketKind(IntEnum):
    """Whether a ticket counts; the numbers equal those of the protos."""

    SALE = 1
    TRAINING = 2


class TicketKey(NamedTuple):
    """The natural key of the ticket that the basket will be."""

    store_id: str
    business_date: date
    till_id: str
    sequence: int
    kind: TicketKind


class BasketLine(NamedTuple):
    """One line, as far as paying looks at it; amounts are minor units with VAT."""

    line_number: int
    sales_minor: int
    supplier_coupon_minor: int
    vat_rate_bp: int

    @property
    def due_minor(self) -> int:
        """Give what is to be paid for the line: its sales less the supplier's coupon."""
        return self.sales_minor - self.supplier_coupon_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """A basket; ``content`` is the till's ticket as deterministic bytes."""

    ticket_key: TicketKey
    occur_time: datetime
    currency_code: str
    lines: tuple[BasketLine, ...]
    total_minor: int
    coupon_minor: int
    content: bytes

    @property
    def due_minor(self) -> int:
        """Give what is to be paid by phone: the total less the suppliers' coupons."""
        return self.total_minor - self.coupon_minor

    def sales_by_vat_rate(self) -> tuple[tuple[int, int], ...]:
        """Give (rate in basis points, sales with VAT) ascending by rate; they sum to the total."""
        sales: dict[int, int] = {}
        for line in self.lines:
            sales[line.vat_rate_bp] = sales.get(line.vat_rate_bp, 0) + line.sales_minor
        return tuple(sorted(sales.items()))


def check_basket(
    basket: Basket, tenders: Sequence[tuple[TicketTender, int]], *, gtins: Sequence[str]
) -> None:
    """Check that a basket, with the tenders and the lines' GTINs of its ticket, can be paid by a checkout.

    Whatever points refuses in the ticket that the till sends later is refused here before anybody pays.

    Raises:
        TicketNotPayable: no sale, a line twice, a wrong GTIN, sums that disagree, other tenders, nothing due,
            or too much.
    """
    faults = [*_line_faults(basket), *_gtin_faults(gtins), *_tender_faults(basket, tenders)]
    if faults:
        raise _not_payable("The basket cannot be paid by a checkout.", basket, faults)


def check_time(basket: Basket, *, now: datetime) -> None:
    """Check that the till's clock and business day can be right: a checkout is paid while the shopper waits.

    Raises:
        TicketNotPayable: the basket's time is not about now, or the business date is not that of its time.
    """
    faults: list[tuple[str, str]] = []
    if not now - AGE_MAX <= basket.occur_time <= now + FUTURE_TOLERANCE:
        faults.append(("ticket.occur_time", "is not the present time; check the clock of the till"))
    days_off = abs(basket.ticket_key.business_date - business_date(basket.occur_time))
    if days_off > BUSINESS_DATE_TOLERANCE:
        faults.append(("ticket.key.business_date", "is more than a day from occur_time"))
    if faults:
        raise _not_payable("The time of the basket cannot be.", basket, faults)


def _not_payable(
    message: str, basket: Basket, faults: Sequence[tuple[str, str]]
) -> TicketNotPayable:
    """Make the refusal of a basket; it names the ticket, so that the store finds it."""
    key = basket.ticket_key
    return TicketNotPayable(
        message,
        violations=faults,
        store_id=key.store_id,
        till_id=key.till_id,
        sequence=key.sequence,
    )


def _gtin_faults(gtins: Sequence[str]) -> list[tuple[str, str]]:
    return [
        (f"ticket.lines[{index}].gtin", "has a wrong check digit")
        for index, gtin in enumerate(gtins)
        if gtin and not has_check_digit(gtin)
    ]


def _line_faults(basket: Basket) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    if basket.ticket_key.kind is not TicketKind.SALE:
        faults.append(("ticket.key.kind", "is no sale"))
    if len({line.line_number for line in basket.lines}) != len(basket.lines):
        faults.append(("ticket.lines", "a line number is used twice"))
    if (lines := sum(line.sales_minor for line in basket.lines)) != basket.total_minor:
        total = basket.total_minor
        faults.append(("ticket.total_minor", f"is {total}, but the lines sum to {lines}"))
    faults.extend(
        (f"ticket.lines[{index}].supplier_coupon_minor", "is above the sales of the line")
        for index, line in enumerate(basket.lines)
        if line.due_minor < 0
    )
    return faults


def _tender_faults(
    basket: Basket, tenders: Sequence[tuple[TicketTender, int]]
) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    amounts: dict[TicketTender, int] = {}
    for kind, amount_minor in tenders:
        amounts[kind] = amounts.get(kind, 0) + amount_minor
    coupons = amounts.pop(TicketTender.SUPPLIER_COUPON, 0)
    checkout = amounts.pop(TicketTender.CHECKOUT, 0)
    if amounts:
        faults.append(("ticket.tenders", "are others than supplier coupons and CHECKOUT"))
    of_lines = sum(line.supplier_coupon_minor for line in basket.lines)
    if not coupons == of_lines == basket.coupon_minor:
        faults.append(
            ("ticket.tenders", f"coupons pay {coupons}, but those of the lines {of_lines}")
        )
    if checkout != basket.due_minor:
        faults.append(("ticket.tenders", f"CHECKOUT is {checkout}, but {basket.due_minor} is due"))
    if basket.due_minor <= 0:
        faults.append(("ticket.total_minor", "leaves nothing to pay"))
    if basket.total_minor > TOTAL_MINOR_MAX:
        faults.append(("ticket.total_minor", f"is above {TOTAL_MINOR_MAX}"))
    return faults
