"""Sorting on disk gives what sorting in memory would."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.auditor.sorting import Sorter


class TestSorter:
    @given(st.lists(st.integers(0, 20)), st.integers(1, 7))
    def test_sorts_any_number_of_runs(self, numbers: list[int], run_rows: int) -> None:
        """However many rows fit in memory, the keys ascend, nothing is lost, and equals keep their order."""
        with Sorter[int](run_rows=run_rows) as sorter:
            for place, number in enumerate(numbers):
                sorter.add(UUID(int=number), place)
            first, second = list(sorter), list(sorter)

        assert first == second
        assert first == sorted(((UUID(int=number), place) for place, number in enumerate(numbers)))
        assert sorter.count == len(numbers)
