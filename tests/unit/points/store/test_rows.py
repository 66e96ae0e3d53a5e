"""Rows as columns: one list for each parameter of a statement, whatever there is to write."""

from services.points.store.rows import ChangedHoldRow, columns_of


class TestColumnsOf:
    def test_gives_one_list_for_each_field(self) -> None:
        """The order of the rows is kept in every column."""
        rows = [(1, 10, 2), (2, 20, 3)]

        assert columns_of(rows, ChangedHoldRow._fields) == [[1, 2], [10, 20], [2, 3]]

    def test_of_no_rows_gives_empty_lists(self) -> None:
        """A statement has its parameters even where a table gets nothing."""
        assert columns_of([], ChangedHoldRow._fields) == [[], [], []]
