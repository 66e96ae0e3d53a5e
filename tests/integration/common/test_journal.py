"""The journal on a real PostgreSQL: gapless, fenced, chained, append only."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from services.common.kernel.chain import GENESIS
from services.common.runtime.database import Database
from services.common.runtime.journal import (
    QUERIES,
    ChainReport,
    HeadLost,
    append_facts,
    facts_after,
    lock_head,
    read_fact_bytes,
    read_head,
    verify_chain,
)
from services.common.testing.postgres import TestDatabase
from tests.integration.common.facts import NOW, journal, make_facts

_MANY_BLOCKS = """
INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
SELECT 0, n, n, now(), sha256('a'), sha256('b')
  FROM generate_series(1, 5000) AS numbers (n)
"""


async def verify(db: Database) -> ChainReport:
    """Verify the shared journal's chain."""
    async with db.snapshot() as conn:
        return await verify_chain(conn, 0, read_fact_bytes)


class TestAppendFacts:
    """Writing a batch."""

    async def test_numbers_facts_without_gaps(self, db: Database) -> None:
        """Concurrent batches queue at the head, and every seq is used once, in commit order."""
        await asyncio.gather(*(journal(db, make_facts(1 + n)) for n in range(8)))

        async with db.connection() as conn:
            facts = await facts_after(conn, 0, 0, 1000)
            head = await read_head(conn, 0)
        assert [fact.seq for fact in facts] == list(range(1, 37))
        assert (head.seq, head.epoch) == (36, 1)
        report = await verify(db)
        assert report.ok
        assert (report.blocks, report.facts) == (8, 36)

    async def test_a_rolled_back_batch_leaves_no_gap(self, db: Database) -> None:
        """The next batch takes the same numbers."""

        async def append_and_fail() -> None:
            async with db.transaction() as conn:
                head = await lock_head(conn, 0)
                await append_facts(conn, head, make_facts(3), recorded_time=NOW)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await append_and_fail()

        assert (await journal(db, make_facts(2))).seq == 2
        assert (await verify(db)).ok

    async def test_nothing_to_append_changes_nothing(self, db: Database) -> None:
        """A batch of refusals that leave no fact makes no block."""
        head = await journal(db, [])
        assert (head.seq, head.head_hash) == (0, GENESIS)

    async def test_a_writer_of_an_older_head_is_fenced_off(self, db: Database) -> None:
        """Whatever it believes, it can never commit."""
        old = await journal(db, make_facts(1))
        await journal(db, make_facts(1))
        for head in (old, replace(old, seq=2), replace(old, seq=2, epoch=0)):
            with pytest.raises((HeadLost, asyncpg.UniqueViolationError)):
                async with db.transaction() as conn:
                    await append_facts(conn, head, make_facts(1), recorded_time=NOW)
        assert (await verify(db)).facts == 2

    async def test_reads_facts_with_their_blocks_time(self, db: Database) -> None:
        """Paging through blocks of different times gives each fact its own."""
        for n in range(3):
            async with db.transaction() as conn:
                head = await lock_head(conn, 0)
                time = NOW + timedelta(seconds=n)
                await append_facts(conn, head, make_facts(2), recorded_time=time)
        async with db.connection() as conn:
            facts = await facts_after(conn, 0, 1, 4)

        assert [(f.seq, (f.recorded_time - NOW).seconds) for f in facts] == [
            (2, 0),
            (3, 1),
            (4, 1),
            (5, 2),
        ]

    async def test_reads_the_blocks_of_its_facts_alone(self, database: TestDatabase) -> None:
        """Whoever reads from the beginning does not walk through all that comes after, page by page."""
        async with database.open_as_owner() as conn:
            await conn.execute(_MANY_BLOCKS)
            await conn.execute("ANALYZE block")
            plan = await conn.fetch(f"EXPLAIN ANALYZE {QUERIES['block_times']}", 0, 5, 10)

        text = "\n".join(row[0] for row in plan)
        assert "Seq Scan" not in text
        assert "Rows Removed" not in text


class TestVerifyChain:
    """Any one alteration is found."""

    @pytest.mark.parametrize(
        "tampering",
        [
            "UPDATE fact SET payload = 'other' WHERE seq = 4",
            "UPDATE fact SET event_type = 2 WHERE seq = 4",
            "UPDATE fact SET subject = gen_random_uuid() WHERE seq = 4",
            "UPDATE fact SET event_id = gen_random_uuid() WHERE seq = 4",
            "UPDATE fact SET seq = 100 WHERE seq = 4",
            "DELETE FROM fact WHERE seq = 4",
            "DELETE FROM block WHERE seq_to = 4",
            "DELETE FROM block WHERE seq_to = 6",
            "UPDATE block SET hash = sha256('x') WHERE seq_to = 4",
            "UPDATE block SET hash = sha256('x') WHERE seq_to = 6",
            "UPDATE block SET prev_hash = sha256('x') WHERE seq_to = 4",
            "UPDATE block SET recorded_time = recorded_time + interval '1 us' WHERE seq_to = 4",
            "UPDATE block SET seq_from = 4 WHERE seq_to = 4",
            "UPDATE block SET seq_to = 5 WHERE seq_to = 4",
            "UPDATE shard_head SET head_hash = sha256('x')",
            "UPDATE shard_head SET seq = 5",
            "UPDATE shard_head SET seq = 7",
        ],
    )
    async def test_finds_every_alteration(
        self, database: TestDatabase, db: Database, tampering: str
    ) -> None:
        """Facts, blocks and head: one changed value or missing row breaks the chain."""
        for _ in range(3):
            await journal(db, make_facts(2))
        assert (await verify(db)).ok

        async with database.open_as_owner() as owner:
            await owner.execute(tampering)

        assert not (await verify(db)).ok

    async def test_bounds_what_it_reports(self, database: TestDatabase, db: Database) -> None:
        """A ruined journal gives its first offenders, not a list without end."""
        for _ in range(110):
            await journal(db, make_facts(1))
        async with database.open_as_owner() as owner:
            await owner.execute("UPDATE fact SET payload = 'other'")

        report = await verify(db)

        assert len(report.breaks) == 100
        assert report.breaks[0].seq_from == 1


class TestRights:
    """What the service's role may do to its journal."""

    @pytest.mark.parametrize("table", ["fact", "block", "inbox"])
    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"])
    async def test_cannot_remove_rows(self, db: Database, table: str, statement: str) -> None:
        """Append only: PostgreSQL itself refuses."""
        async with db.connection() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement.format(table))

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE fact SET payload = ''",
            "UPDATE block SET hash = prev_hash",
            "DELETE FROM shard_head",
            "UPDATE schema_migration SET name = ''",
        ],
    )
    async def test_cannot_change_rows(self, db: Database, statement: str) -> None:
        """Nor can it change what was written."""
        async with db.connection() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)
