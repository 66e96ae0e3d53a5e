"""Rows packed for COPY arrive in the tables as they are."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.common.testing.postgres import TestDatabase
from services.ledger.domain.journal import Entry, Posting
from services.ledger.domain.transaction import Kind
from services.ledger.store import transactions
from services.ledger.store.copy_rows import JournalRows, pack_entries, pack_postings, whole_copy

NOW = datetime(2017, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
PLAIN = Entry(UUID(int=1), 0, 1, 1, 0, NOW, NOW, 1, "sale", "", None, None, bytes(range(16)))
ENTRIES = [
    PLAIN,
    PLAIN._replace(transaction_id=UUID(int=2), seq=2, reference="caisse n° 7, été"),
    PLAIN._replace(transaction_id=UUID(int=3), seq=3, status=4, purpose="", basis=3),
    PLAIN._replace(
        transaction_id=UUID(int=4),
        seq=4,
        kind=Kind.HOLD,
        effective_time=datetime(1999, 12, 31, tzinfo=UTC),
        expire_time=NOW + timedelta(days=30),
    ),
    PLAIN._replace(
        transaction_id=UUID(int=5), seq=2**40, kind=Kind.HOLD_VOIDED, target_id=UUID(int=4)
    ),
]
POSTINGS = [
    Posting(7, 1, 0, -(2**40), -(2**62), 0),
    Posting(2**50, 1, 0, 2**40, 2**62, 0),
    Posting(7, 4, 1, -1, -1, 0),
    Posting(8, 4, 2, 1, 1, 0),
]


async def test_rows_come_back_as_they_were_packed(ledger_database: TestDatabase) -> None:
    """Every column of every row: texts, absent ids and times, times before 2000, large numbers of both signs."""
    rows = JournalRows(
        whole_copy([pack_entries(ENTRIES[:2]), pack_entries(ENTRIES[2:])]),
        whole_copy([pack_postings(POSTINGS)]),
    )
    async with ledger_database.open() as db, db.transaction() as conn:
        await transactions.insert_journal(conn, rows)
        found = [await transactions.find_transaction(conn, e.transaction_id) for e in ENTRIES]
        postings = await transactions.postings_of(conn, 0, [1, 4])

    assert found == ENTRIES
    assert [p for seq in (1, 4) for p in postings[seq]] == POSTINGS


async def test_nothing_is_no_copy(ledger_database: TestDatabase) -> None:
    """A batch that only opened accounts has neither transactions nor postings."""
    assert whole_copy([]) == b""
    async with ledger_database.open() as db, db.transaction() as conn:
        await transactions.insert_journal(conn, JournalRows(b"", b""))
