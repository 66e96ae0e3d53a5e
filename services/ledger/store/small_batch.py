"""A small batch, written in one statement: a round trip costs it more than the work that is done there.

Large ones are written table by table (``transactions``): COPY is the cheaper way in for many rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.common.runtime.database import Connection, load_queries
from services.common.runtime.journal import Head, HeadLost
from services.ledger.domain.batch import Changes
from services.ledger.domain.book import Book
from services.ledger.domain.journal import Entry, Posting
from services.ledger.store.sums import Sums, columns
from services.ledger.store.transactions import TRANSACTION_KEY, AlreadyDecided

SMALL_BATCH: Final = load_queries(__package__, "small_batch.sql")

_ENTRIES_MAX: Final = 30


def is_small(book: Book, changes: Changes) -> bool:
    """Tell whether a batch may be written by ``write_small``: few transactions, and nothing that is rare."""
    return len(changes.entries) <= _ENTRIES_MAX and not changes.opened and not book.reversals


async def write_small(
    conn: Connection,
    before: Head,
    after: Head,
    book: Book,
    changes: Changes,
    *,
    sums: Sums,
    recorded_time: datetime,
) -> None:
    """Write a small batch behind the head; it needs no transaction, and is whole or not at all.

    Raises:
        HeadLost: the head is not where the caller saw it; nothing was written.
        AlreadyDecided: a transaction's id is in the journal already; nothing was written.
        InvalidTextRepresentationError: of asyncpg; a balance or an open hold is not there; nothing was written.
    """
    assert is_small(book, changes), "openings and reversals have no place in the statement"
    ended = _ended(book)
    holds_only = not ended and _moves_no_sums(sums)
    try:
        heads = await conn.fetchval(
            SMALL_BATCH["write_holds" if holds_only else "write_small"],
            *(before.shard_id, before.epoch, before.seq, before.head_hash),
            *(after.seq, after.head_hash, recorded_time),
            *_journal_columns(changes),
            *columns(
                [(h.hold_id, h.expire_time, h.state, h.resolve_seq) for h in book.new_holds], 4
            ),
            *(sums.balances[:4] if holds_only else _ends_and_sums(ended, sums)),
            sums.totals,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != TRANSACTION_KEY:
            raise
        raise AlreadyDecided from error
    if not heads:
        raise HeadLost("Another writer moved the shard's head.", shard_id=before.shard_id)


def _moves_no_sums(sums: Sums) -> bool:
    """Tell whether a batch changes balances only: what is held is in nobody's sums of a day yet."""
    of_day, other_days, gl = sums.balances[-1], sums.other_days[0], sums.gl[0]
    return not (any(of_day) or other_days or gl)


def _ends_and_sums(ended: Sequence[tuple[object, ...]], sums: Sums) -> list[object]:
    return [*columns(ended, 3), *sums.balances, sums.day, *sums.other_days, *sums.gl]


def _ended(book: Book) -> list[tuple[object, ...]]:
    """Give the holds of earlier batches that this one ended; one that it made itself is written as it ended."""
    made_here = {hold.hold_id for hold in book.new_holds}
    return [
        (hold.hold_id, hold.state, hold.resolve_seq)
        for hold in book.ended_holds
        if hold.hold_id not in made_here
    ]


def _journal_columns(changes: Changes) -> list[Sequence[object]]:
    return [
        *columns(changes.entries, len(Entry._fields)),
        *columns(changes.postings, len(Posting._fields)),
    ]
