"""What the services say against what tills and phones sent and were answered: figure by figure, to the cent."""

from collections.abc import Iterator
from dataclasses import dataclass

from cagnotte.common.v1 import money_pb2
from services.simulator.books import Books, Loyalty, PointsTotals, Standing
from services.simulator.outcomes import AnswerTally
from services.simulator.phone_books import PhoneStanding
from services.simulator.phone_tally import PhoneTally
from services.simulator.report import Comparison, percent_text

_POINTS = money_pb2.LOYALTY_CURRENCY_POINTS
_KITTY = money_pb2.LOYALTY_CURRENCY_KITTY


@dataclass(frozen=True, slots=True)
class Seen:
    """What tills and phones saw of a replay."""

    tills: AnswerTally
    phones: PhoneTally

    @property
    def sales_minor(self) -> int:
        """Give by how much sales must have grown, in cents: what is new, less what was brought back."""
        phones = self.phones
        sold = self.tills.fresh.sales_minor + phones.paid.sales_minor
        return sold - phones.returned.sales_minor

    @property
    def coupon_minor(self) -> int:
        """Give what suppliers owe for coupons of these sales, in cents."""
        phones = self.phones
        paid = self.tills.fresh.coupon_minor + phones.paid.coupon_minor
        return paid - phones.returned.coupon_minor

    def vat_minor(self, rate_bp: int) -> int:
        """Give the VAT of these sales at one rate, in cents."""
        phones = self.phones
        of_tills = self.tills.fresh.vat_minor.get(rate_bp, 0)
        of_phones = phones.paid.vat_minor.get(rate_bp, 0)
        return of_tills + of_phones - phones.returned.vat_minor.get(rate_bp, 0)

    def transactions(self, before: PointsTotals, after: PointsTotals) -> int:
        """Give how many transactions the ledger must have booked."""
        return self.tills.sold + self.phones.transactions + after.booked_facts - before.booked_facts


def compare(seen: Seen, *, before: Standing, after: Standing) -> tuple[Comparison, ...]:
    """Compare what a replay added to the books with what it sent and what it was answered."""
    return (
        *_sales(seen, before.books, after.books),
        *_loyalty("points", seen, _loyalties(before, after, currency=_POINTS)),
        *_loyalty("kitty cents", seen, _loyalties(before, after, currency=_KITTY)),
        *_cards(seen.phones, before.phones, after.phones),
        *_checkouts(seen.phones, before.phones, after.phones),
        Comparison(
            "prepaid balances, cents",
            seen.phones.prepaid_minor,
            after.books.prepaid_minor - before.books.prepaid_minor,
        ),
        Comparison(
            "ledger transactions",
            seen.transactions(before.points, after.points),
            after.books.transactions - before.books.transactions,
        ),
    )


def _sales(seen: Seen, before: Books, after: Books) -> Iterator[Comparison]:
    yield Comparison(
        "sales incl. VAT, cents", seen.sales_minor, after.sales_minor - before.sales_minor
    )
    rates = {*seen.tills.fresh.vat_minor, *seen.phones.paid.vat_minor}
    for rate in sorted({*rates, *before.vat_minor, *after.vat_minor}):
        yield Comparison(
            f"VAT {percent_text(rate)} %, cents",
            seen.vat_minor(rate),
            after.vat_minor.get(rate, 0) - before.vat_minor.get(rate, 0),
        )
    yield Comparison(
        "suppliers' coupons, cents", seen.coupon_minor, after.coupon_minor - before.coupon_minor
    )


@dataclass(frozen=True, slots=True)
class _Loyalties:
    currency: int
    service_before: Loyalty
    service: Loyalty
    ledger: Loyalty


def _loyalties(before: Standing, after: Standing, *, currency: int) -> _Loyalties:
    if currency == _KITTY:
        return _Loyalties(currency, before.points.kitty, after.points.kitty, after.books.kitty)
    return _Loyalties(currency, before.points.points, after.points.points, after.books.points)


def _loyalty(name: str, seen: Seen, of: _Loyalties) -> Iterator[Comparison]:
    # The answers against the points service, then that service against the ledger.
    service, earlier, phones = of.service, of.service_before, seen.phones
    issued = seen.tills.issued[of.currency] + phones.issued[of.currency]
    spent = phones.loyalty_paid(of.currency) - phones.restored[of.currency]
    yield Comparison(f"{name} answered", issued, service.issued - earlier.issued)
    yield Comparison(f"{name} paid with", spent, service.spent - earlier.spent)
    yield Comparison(
        f"{name} taken back", phones.taken[of.currency], service.reversed - earlier.reversed
    )
    booked = service.as_booked()
    yield Comparison(f"{name} issued", booked.issued, of.ledger.issued)
    yield Comparison(f"{name} spent", booked.spent, of.ledger.spent)
    yield Comparison(f"{name} expired", booked.expired, of.ledger.expired)
    yield Comparison(f"{name} outstanding", booked.outstanding, of.ledger.outstanding)


def _cards(phones: PhoneTally, before: PhoneStanding, after: PhoneStanding) -> Iterator[Comparison]:
    # What phones paid by card against provider, ledger and wallet; then what cards got back.
    captured, refunded = phones.card_minor, phones.card_back_minor
    yield Comparison(
        "cards at the provider, cents",
        captured,
        after.provider.captured_minor - before.provider.captured_minor,
    )
    yield Comparison(
        "cards in the ledger, cents",
        captured,
        after.card_captured_minor - before.card_captured_minor,
    )
    yield Comparison(
        "cards in the wallet, cents",
        captured,
        after.wallet.card_captured_minor - before.wallet.card_captured_minor,
    )
    yield Comparison(
        "back to cards at the provider, cents",
        refunded,
        after.provider.refunded_minor - before.provider.refunded_minor,
    )
    yield Comparison(
        "back to cards in the ledger, cents",
        refunded,
        after.card_refunded_minor - before.card_refunded_minor,
    )


def _checkouts(
    phones: PhoneTally, before: PhoneStanding, after: PhoneStanding
) -> Iterator[Comparison]:
    was, now = before.wallet, after.wallet
    yield Comparison("checkouts settled", phones.paid.baskets, now.settled - was.settled)
    yield Comparison("checkouts declined", phones.declined, now.declined - was.declined)
    yield Comparison("checkouts cancelled", phones.cancelled, now.cancelled - was.cancelled)
    yield Comparison("checkouts refunded", phones.returned.baskets, now.refunded - was.refunded)
    yield Comparison("payments under way", 0, now.in_flight)
