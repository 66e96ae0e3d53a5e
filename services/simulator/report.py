"""The end of a replay: what went in, what the services say came out, and whether the two agree."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from rich.table import Table

from services.simulator.books import Books, Loyalty, PointsTotals
from services.simulator.phone_books import NO_PHONES, PhoneStanding, WalletTotals

_BASIS_POINTS_PER_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class InputFigures:
    """The input of the replay: all baskets that were sent, amounts in cents, VAT included."""

    lines: int
    sales_minor: int
    coupon_minor: int
    coupon_excess_minor: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in two places that must agree."""

    name: str
    expected: int
    booked: int

    @property
    def ok(self) -> bool:
        """Tell whether the two are equal."""
        return self.expected == self.booked


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What ``cagnotte replay`` and ``cagnotte demo`` show and write.

    ``books`` and ``points`` are the services' own figures at the end, whatever stood in them
    before, and so are ``phones``; ``comparisons`` hold what this replay added against its input.
    ``baskets_by_phone`` and ``returned_minor`` (their sales in cents, VAT included) count the baskets that were sent,
    whether they were new or not. ``verify_ok`` is None until the audit has run.
    """

    baskets_replayed: int
    baskets_offline: int
    input: InputFigures
    books: Books
    points: PointsTotals
    comparisons: tuple[Comparison, ...]
    duration_seconds: float
    baskets_by_phone: int = 0
    returned_minor: int = 0
    phones: PhoneStanding = NO_PHONES
    verify_ok: bool | None = None

    @property
    def ok(self) -> bool:
        """Tell whether every comparison holds and the audit, if it ran, found nothing."""
        return self.verify_ok is not False and all(item.ok for item in self.comparisons)

    @property
    def tickets_per_second(self) -> float:
        """Give the tickets sent, recorded and booked per second of the whole replay."""
        return self.baskets_replayed / self.duration_seconds if self.duration_seconds else 0.0

    def with_verify(self, *, ok: bool) -> Self:
        """Add the audit's verdict."""
        return replace(self, verify_ok=ok)

    def to_json(self) -> dict[str, object]:
        """Give the report as nested objects; ``docs/simulator.md`` explains every key."""
        books, points = self.books, self.points
        return {
            "ok": self.ok,
            "baskets": {
                "replayed": self.baskets_replayed,
                "offline": self.baskets_offline,
                "by_phone": self.baskets_by_phone,
            },
            "input": {
                "sales_minor": self.input.sales_minor,
                "coupon_minor": self.input.coupon_minor,
                "coupon_excess_minor": self.input.coupon_excess_minor,
                "lines": self.input.lines,
            },
            "ledger": {
                "sales_minor": books.sales_minor,
                "vat_minor": _by_percent(books.vat_minor),
                "transactions": books.transactions,
                "postings": books.postings,
                "card_captured_minor": self.phones.card_captured_minor,
            },
            "checkouts": _checkouts_json(self.phones.wallet)
            | {"refunded_minor": self.returned_minor},
            "provider": {"captured_minor": self.phones.provider.captured_minor},
            "prepaid": {"outstanding_minor": books.prepaid_minor},
            "points": _loyalty_json(points.points, books.points, suffix=""),
            "kitty": _loyalty_json(points.kitty, books.kitty, suffix="_minor"),
            "comparisons": [
                {"name": item.name, "expected": item.expected, "booked": item.booked, "ok": item.ok}
                for item in self.comparisons
            ],
            "duration_seconds": round(self.duration_seconds, 3),
            "tickets_per_second": round(self.tickets_per_second, 1),
            "verify": {"ok": self.verify_ok},
        }

    def table(self) -> Table:
        """Draw the report for people."""
        table = Table(title=self._title(), caption=self._caption())
        table.add_column("figure")
        table.add_column("expected", justify="right")
        table.add_column("in the books", justify="right")
        table.add_column("")
        for item in self.comparisons:
            verdict = "[green]equal[/]" if item.ok else "[bold red]differs[/]"
            table.add_row(item.name, f"{item.expected:,}", f"{item.booked:,}", verdict)
        return table

    def _title(self) -> str:
        return (
            f"{self.baskets_replayed:,} baskets with {self.input.lines:,} lines, "
            f"{self.baskets_by_phone:,} of them paid by phone, "
            f"{self.baskets_offline:,} uploaded late, twice and shuffled"
        )

    def _caption(self) -> str:
        return (
            f"{self.duration_seconds:,.1f} s, {self.tickets_per_second:,.0f} tickets/s; "
            f"{self.books.transactions:,} transactions, {self.books.postings:,} postings; coupons' "
            f"excess of {self.input.coupon_excess_minor:,} cents is reported, not booked"
        )


def percent_text(rate_bp: int) -> str:
    """Write a rate as people do: 550 is ``5.5``, 2000 is ``20``."""
    whole, rest = divmod(rate_bp, _BASIS_POINTS_PER_PERCENT)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)


def _checkouts_json(wallet: WalletTotals) -> dict[str, int]:
    return {
        "settled": wallet.settled,
        "declined": wallet.declined,
        "cancelled": wallet.cancelled,
        "expired": wallet.expired,
        "refunded": wallet.refunded,
        "unknown_resolved": wallet.unknown_resolved,
        "unknown_open": wallet.unknown_open,
    }


def _by_percent(vat_minor: Mapping[int, int]) -> dict[str, int]:
    return {percent_text(rate): amount for rate, amount in sorted(vat_minor.items())}


def _loyalty_json(service: Loyalty, ledger: Loyalty, *, suffix: str) -> dict[str, int]:
    return {
        f"issued{suffix}": service.issued,
        f"spent{suffix}": service.spent,
        f"expired{suffix}": service.expired,
        f"reversed{suffix}": service.reversed,
        f"outstanding{suffix}": service.outstanding,
        f"ledger_outstanding{suffix}": ledger.outstanding,
    }
