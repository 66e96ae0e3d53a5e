"""What a run looks at before it begins."""

from pathlib import Path

import pytest

from services.bench.errors import BenchError
from services.bench.size.plan import Size
from services.bench.size.run import bytes_of, check_space


class TestCheckSpace:
    def test_refuses_more_than_the_disk_holds(self, tmp_path: Path) -> None:
        """The message says what is needed, what there is, and what to do."""
        with pytest.raises(BenchError, match=r"need [\d,.]+ GiB.*--dir.*--rows"):
            check_space(tmp_path, [Size("large", rows=10**15, members=1)])

    def test_lets_through_what_fits(self, tmp_path: Path) -> None:
        """A few rows fit everywhere."""
        check_space(tmp_path, [Size("small", rows=10, members=10)])

    def test_asks_for_nothing_where_a_stack_stands_already(self, tmp_path: Path) -> None:
        """What is filled has its space."""
        (tmp_path / "large").mkdir()

        check_space(tmp_path, [Size("large", rows=10**15, members=1)])


class TestBytesOf:
    def test_counts_the_log_up_to_its_bound(self) -> None:
        """A small stack's log is twice its data, a large one's as much as the server lets it grow."""
        assert bytes_of(Size("small", rows=1_000, members=0)) == 3 * 250_000
        assert bytes_of(Size("large", rows=10**8, members=0)) == 25 * 10**9 + 4 * 1024**3
