"""Fold a batch, down to the bytes in which it will be written, a few commands at a time.

Meanwhile the batch before is being written: its writer gets the event loop after every slice, so that PostgreSQL never
waits long for its next statement. What is left for a write is to hand over what was made here.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from services.common.runtime.journal import seal_block
from services.ledger.domain.batch import ChangeLog, Changes, Result, Unit, decide_all
from services.ledger.domain.book import Book
from services.ledger.store.copy_rows import JournalRows, pack_entries, pack_postings, whole_copy
from services.ledger.store.small_batch import is_small
from services.ledger.store.sums import sums_of
from services.ledger.usecases.standing import Folded, Standing

_UNITS_AT_A_TIME: Final = 20
"""Units folded before the event loop may do something else."""

_ROWS_AT_A_TIME: Final = 200
"""Rows packed before it may."""


async def fold(standing: Standing, book: Book, units: Sequence[Unit], *, now: datetime) -> Folded:
    """Decide units upon what is standing, and make all that their writing needs.

    They are recorded at ``now``, or with the batch before when a clock says that this was later.
    """
    now = max(now, standing.recorded_time)
    log = ChangeLog(book)
    results: list[Result] = []
    async for start in _slices(len(units), _UNITS_AT_A_TIME):
        results += decide_all(book, units[start : start + _UNITS_AT_A_TIME], now=now)
        log.take_new()
    changes = log.finish()
    before = after = standing.head
    if book.seq > before.seq:
        after = seal_block(before, seq_to=book.seq, facts=changes.fact_bytes, recorded_time=now)
    rows = None if is_small(book, changes) else await _pack(changes)
    sums = sums_of(changes, standing.carrying, recorded_time=now)
    standing.head, standing.recorded_time = after, now
    return Folded(standing, before, after, now, book, changes, sums, rows, results)


async def _pack(changes: Changes) -> JournalRows:
    entries, postings = changes.entries, changes.postings
    of_entries = [
        pack_entries(entries[start : start + _ROWS_AT_A_TIME])
        async for start in _slices(len(entries), _ROWS_AT_A_TIME)
    ]
    of_postings = [
        pack_postings(postings[start : start + _ROWS_AT_A_TIME])
        async for start in _slices(len(postings), _ROWS_AT_A_TIME)
    ]
    return JournalRows(whole_copy(of_entries), whole_copy(of_postings))


async def _slices(length: int, size: int) -> AsyncIterator[int]:
    """Give where each slice starts, and the event loop its turn between two."""
    for start in range(0, length, size):
        if start:
            await asyncio.sleep(0)
        yield start
