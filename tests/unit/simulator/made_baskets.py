"""Baskets and small Parquet files for tests."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.common.kernel.clock import BUSINESS_ZONE
from services.simulator.baskets import Basket, Dataset, Line, Product

FOOD = Product(1, "PRODUCE", "Private", 550)
SPIRITS = Product(2, "SPIRITS", "National", 2_000)
NOON = datetime(2017, 3, 1, 12, 0, 0)  # noqa: DTZ001 -- the file's times have no zone

TypeOfRow = tuple[int, int, int, int, int, float, float, datetime]


def basket(
    basket_id: int = 31_198_570_044,
    *,
    lines: tuple[Line, ...] = (Line(FOOD, 1, 100, 0, 0),),
    sold: datetime = NOON,
    store_id: int = 330,
) -> Basket:
    """Make a basket of household 900."""
    return Basket(basket_id, 900, store_id, sold.replace(tzinfo=BUSINESS_ZONE), lines)


def row(
    basket_id: int = 1,
    *,
    product: int = 1,
    sales: float = 1.0,
    coupon: float = 0.0,
    sold: datetime = NOON,
    household: int = 900,
) -> TypeOfRow:
    """Make a row of the transactions."""
    return (household, 330, basket_id, product, 1, sales, coupon, sold)


def write_dataset(folder: Path, *rows: TypeOfRow) -> Dataset:
    """Write the two files with the columns that the reader needs, and more."""
    columns = list(zip(*rows, strict=True))
    names = (
        "household_id",
        "store_id",
        "basket_id",
        "product_id",
        "quantity",
        "sales_value",
        "coupon_disc",
        "transaction_timestamp",
    )
    arrays = {name: pa.array(list(values)) for name, values in zip(names, columns, strict=True)}
    arrays["transaction_timestamp"] = arrays["transaction_timestamp"].cast("timestamp[ns]")
    arrays["retail_disc"] = pa.array([0.0] * len(rows))
    dataset = Dataset(folder / "transactions.parquet", folder / "products.parquet")
    pq.write_table(pa.table(arrays), dataset.transactions)
    products = {
        "product_id": [1, 2, 3],
        "department": ["PRODUCE", "SPIRITS", None],
        "brand": ["Private", "National", None],
    }
    pq.write_table(pa.table(products), dataset.products)
    return dataset
