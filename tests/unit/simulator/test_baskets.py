"""Reading baskets: order, cents, coupons, unknown products, and what the reader refuses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.simulator.baskets import (
    Dataset,
    count_baskets,
    read_baskets,
    read_households,
    to_minor,
)
from services.simulator.errors import DatasetMissingError, DatasetUnreadableError
from tests.unit.simulator.made_baskets import NOON, row, write_dataset


class TestToMinor:
    @pytest.mark.parametrize(
        ("value", "cents"),
        [(0.0, 0), (1.39, 139), (0.005, 1), (1.005, 101), (2.675, 268), (840.0, 84_000)],
    )
    def test_rounds_the_decimal_text_half_up(self, value: float, cents: int) -> None:
        """1.005 is 100.5 cents as people read it, whatever its binary form says."""
        assert to_minor(value) == cents


class TestReadBaskets:
    def test_gathers_the_lines_of_a_basket_in_their_order(self, tmp_path: Path) -> None:
        """Rows of one basket become its lines; the store's day is Paris's."""
        dataset = write_dataset(
            tmp_path, row(1, sales=2.5), row(1, product=2, sales=0.0), row(2, sales=1.0)
        )

        first, second = read_baskets(dataset, limit=None)

        assert [line.sales_minor for line in first.lines] == [250, 0]
        assert [line.product.vat_rate_bp for line in first.lines] == [550, 2_000]
        assert second.basket_id == 2
        assert first.sold_time.astimezone(UTC) == datetime(2017, 3, 1, 11, tzinfo=UTC)

    def test_lets_a_coupon_pay_at_most_its_line(self, tmp_path: Path) -> None:
        """What a coupon promises beyond the line is kept apart."""
        dataset = write_dataset(tmp_path, row(1, sales=0.75, coupon=1.0))

        [basket] = read_baskets(dataset, limit=None)

        [line] = basket.lines
        assert (line.coupon_minor, line.coupon_excess_minor) == (75, 25)

    @pytest.mark.parametrize("product", [3, 99])
    def test_taxes_the_unknown_at_the_standard_rate(self, tmp_path: Path, product: int) -> None:
        """A product without department, or that is in no file, bears 20 % and has no brand."""
        dataset = write_dataset(tmp_path, row(1, product=product))

        [basket] = read_baskets(dataset, limit=None)

        assert basket.lines[0].product.vat_rate_bp == 2_000
        assert basket.lines[0].product.brand == "Unknown"

    def test_stops_after_the_first_ones(self, tmp_path: Path) -> None:
        """A limit counts baskets, not rows; the households are those of these baskets."""
        dataset = write_dataset(
            tmp_path, row(1, household=7), row(1, household=7), row(2, household=5), row(3)
        )

        assert [basket.basket_id for basket in read_baskets(dataset, limit=2)] == [1, 2]
        assert read_households(dataset, limit=2) == (5, 7)
        assert read_households(dataset, limit=None) == (5, 7, 900)
        assert count_baskets(dataset) == 3

    def test_refuses_a_file_out_of_order(self, tmp_path: Path) -> None:
        """The clock only goes forwards, so an earlier basket after a later one is a broken file."""
        dataset = write_dataset(tmp_path, row(1), row(2, sold=NOON - timedelta(seconds=1)))

        with pytest.raises(DatasetUnreadableError, match="out of order"):
            list(read_baskets(dataset, limit=None))

    def test_refuses_a_basket_of_two_households(self, tmp_path: Path) -> None:
        """One basket is one household's."""
        dataset = write_dataset(tmp_path, row(1), row(1, household=901))

        with pytest.raises(DatasetUnreadableError, match="two households"):
            list(read_baskets(dataset, limit=None))

    def test_says_which_file_is_missing(self, tmp_path: Path) -> None:
        """Without the files there is nothing to replay."""
        dataset = Dataset(tmp_path / "transactions.parquet", tmp_path / "products.parquet")

        with pytest.raises(DatasetMissingError, match=r"products\.parquet"):
            list(read_baskets(dataset, limit=None))
