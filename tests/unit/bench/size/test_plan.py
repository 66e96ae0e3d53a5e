"""Sizes, and how far a stack is filled."""

from pathlib import Path

import pytest

from services.bench.errors import BenchError
from services.bench.size.plan import Filled, Size, filled_so_far, parse_sizes

SMALL = Size("small", rows=100_000, members=30_000)


class TestSize:
    def test_makes_up_its_rows_of_tickets_and_transfers(self) -> None:
        """Every tenth member has a ticket; what their books leave of the rows are transfers of three rows."""
        assert SMALL.tickets == 3_000
        assert SMALL.transfers == (100_000 - 33_000) // 3

    def test_of_many_members_needs_no_transfers(self) -> None:
        """Where the tickets' books are more than the rows asked for, nothing is added."""
        assert Size("small", rows=1_000, members=10_000).transfers == 0


class TestParseSizes:
    def test_reads_two_numbers_of_each(self) -> None:
        """The small one comes first."""
        small, large = parse_sizes("100000,10_000_000", "30000,3000000")

        assert small == SMALL
        assert large == Size("large", rows=10_000_000, members=3_000_000)

    @pytest.mark.parametrize("text", ["", "1", "1,2,3", "2,1", "0,5", "a,b", "1;2", "-1,5"])
    def test_refuses_what_are_no_two_sizes(self, text: str) -> None:
        """The message names the option and what it takes."""
        with pytest.raises(BenchError, match="--rows takes two numbers"):
            parse_sizes(text, "1,2")


class TestFilledSoFar:
    def test_begins_with_nothing(self, tmp_path: Path) -> None:
        """A folder without a word about it is not filled."""
        assert filled_so_far(tmp_path, SMALL) == Filled(100_000, 30_000)

    def test_reads_what_was_saved(self, tmp_path: Path) -> None:
        """The next run goes on from there."""
        filled = Filled(100_000, 30_000, booked_seq=12, proven=True)
        filled.save(tmp_path)

        assert filled_so_far(tmp_path, SMALL) == filled

    def test_refuses_a_folder_of_another_size(self, tmp_path: Path) -> None:
        """Nobody compares what was not asked for."""
        Filled(200_000, 30_000).save(tmp_path)

        with pytest.raises(BenchError, match="is filled to 200,000 rows"):
            filled_so_far(tmp_path, SMALL)

    def test_tells_a_stack_that_runs_have_outgrown(self) -> None:
        """A few runs more or less are the same size; twice the rows are not."""
        assert not Filled(100_000, 30_000, rows_after=190_000).is_outgrown
        assert Filled(100_000, 30_000, rows_after=210_000).is_outgrown

    def test_refuses_a_file_of_somebody_else(self, tmp_path: Path) -> None:
        """It says so, and touches nothing."""
        (tmp_path / "filled.json").write_text("[]", encoding="utf-8")

        with pytest.raises(BenchError, match="name another folder"):
            filled_so_far(tmp_path, SMALL)
