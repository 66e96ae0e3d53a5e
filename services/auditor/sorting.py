"""Sorting more rows than fit in memory: runs on disk, merged on the way out."""

import heapq
import pickle
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack
from operator import itemgetter
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Final, Generic, Self, TypeVar
from uuid import UUID

RUN_ROWS: Final = 10_000
"""Rows sorted in memory at a time."""

CHUNK_ROWS: Final = 500
"""Rows read back at a time, of each run."""

R = TypeVar("R")


class Sorter(Generic[R]):
    """Takes rows in any order and gives them by key; equal keys keep the order in which they came."""

    def __init__(self, *, run_rows: int = RUN_ROWS) -> None:
        """Start empty."""
        self._run_rows = run_rows
        self._rows: list[tuple[UUID, R]] = []
        self._files: list[IO[bytes]] = []
        self._stack = ExitStack()
        self.count = 0
        """Rows taken so far."""

    def __enter__(self) -> Self:
        """Nothing is written to disk before it has to be."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was written to disk."""
        self._stack.close()

    def add(self, key: UUID, row: R) -> None:
        """Take a row."""
        self.count += 1
        self._rows.append((key, row))
        if len(self._rows) >= self._run_rows:
            self._spill()

    def __iter__(self) -> Iterator[tuple[UUID, R]]:
        """Give the rows in the order of their keys, one reader at a time; nothing may be added afterwards."""
        self._rows.sort(key=itemgetter(0))
        for file in self._files:
            file.seek(0)
        runs: list[Iterable[tuple[UUID, R]]] = [*map(_read_back, self._files), self._rows]
        return heapq.merge(*runs, key=itemgetter(0))

    async def stream(self) -> AsyncIterator[tuple[UUID, R]]:
        """Give the same to who merges it with a query."""
        for item in self:
            yield item

    def _spill(self) -> None:
        self._rows.sort(key=itemgetter(0))
        file = TemporaryFile()  # noqa: SIM115 -- the stack closes it
        self._stack.enter_context(file)
        for place in range(0, len(self._rows), CHUNK_ROWS):
            pickle.dump(self._rows[place : place + CHUNK_ROWS], file, pickle.HIGHEST_PROTOCOL)
        self._files.append(file)
        self._rows.clear()


def _read_back(file: IO[bytes]) -> Iterator[tuple[UUID, R]]:
    """Read a run, a chunk at a time."""
    while True:
        try:
            chunk: list[tuple[UUID, R]] = pickle.load(file)  # noqa: S301 -- our own file
        except EOFError:
            return
        yield from chunk
