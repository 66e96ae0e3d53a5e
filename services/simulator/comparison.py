"""What the services say against what the tills sent: figure by figure, to the cent."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.simulator.books import Books, Loyalty, Standing
from services.simulator.outcomes import AnswerTally
from services.simulator.report import Comparison, percent_text


def compare(tally: AnswerTally, *, before: Standing, after: Standing) -> tuple[Comparison, ...]:
    """Compare what a replay added to the books with what it sent and what it was answered."""
    return (
        *_sales(tally, before.books, after.books),
        *_loyalty("points", tally.points_issued, _loyalties(before, after, kitty=False)),
        *_loyalty("kitty cents", tally.kitty_issued_minor, _loyalties(before, after, kitty=True)),
        Comparison(
            "ledger transactions",
            tally.sold + after.points.booked_facts - before.points.booked_facts,
            after.books.transactions - before.books.transactions,
        ),
    )


def _sales(tally: AnswerTally, before: Books, after: Books) -> Iterator[Comparison]:
    fresh = tally.fresh
    yield Comparison(
        "sales incl. VAT, cents", fresh.sales_minor, after.sales_minor - before.sales_minor
    )
    rates = sorted({*fresh.vat_minor, *before.vat_minor, *after.vat_minor})
    for rate in rates:
        yield Comparison(
            f"VAT {percent_text(rate)} %, cents",
            fresh.vat_minor.get(rate, 0),
            after.vat_minor.get(rate, 0) - before.vat_minor.get(rate, 0),
        )
    yield Comparison(
        "suppliers' coupons, cents", fresh.coupon_minor, after.coupon_minor - before.coupon_minor
    )


@dataclass(frozen=True, slots=True)
class _Loyalties:
    service_before: Loyalty
    service: Loyalty
    ledger: Loyalty


def _loyalties(before: Standing, after: Standing, *, kitty: bool) -> _Loyalties:
    if kitty:
        return _Loyalties(before.points.kitty, after.points.kitty, after.books.kitty)
    return _Loyalties(before.points.points, after.points.points, after.books.points)


def _loyalty(name: str, issued: int, of: _Loyalties) -> Iterator[Comparison]:
    # The tills' answers against the points service, then that service against the ledger.
    yield Comparison(f"{name} answered", issued, of.service.issued - of.service_before.issued)
    yield Comparison(f"{name} issued", of.service.issued, of.ledger.issued)
    yield Comparison(f"{name} spent", of.service.spent, of.ledger.spent)
    yield Comparison(f"{name} expired", of.service.expired, of.ledger.expired)
    yield Comparison(f"{name} outstanding", of.service.outstanding, of.ledger.outstanding)
