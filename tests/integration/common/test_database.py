"""Pool, leases, migrations, inbox and the prepared form of every shared query."""

import asyncio
from pathlib import Path

import pytest

from services.common.kernel.ids import new_uuid7
from services.common.runtime import inbox, journal, relay
from services.common.runtime.database import Database, load_queries
from services.common.runtime.migrate import SHARED_PACKAGE, MigrationError, migrate
from services.common.testing.postgres import RUNTIME_ROLE, Postgres, TestDatabase


class TestQueries:
    """Named statements."""

    @pytest.mark.parametrize("queries", [journal.QUERIES, relay.QUERIES, inbox.QUERIES])
    async def test_every_one_is_valid(self, db: Database, queries: dict[str, str]) -> None:
        """PostgreSQL prepares each against the migrated schema."""
        async with db.connection() as conn:
            for statement in queries.values():
                await conn.prepare(statement)

    def test_a_file_without_names_is_a_bug(self, tmp_path: Path) -> None:
        """Nothing is silently left out."""
        assert tmp_path.exists()
        with pytest.raises(FileNotFoundError):
            load_queries("services.common.runtime", "missing.sql")


class TestSessions:
    """What every connection is like."""

    async def test_times_are_utc_whatever_the_server_says(self, db: Database) -> None:
        """And statements are cut off after the limit of the settings."""
        async with db.connection() as conn:
            assert await conn.fetchval("SHOW TimeZone") == "UTC"
            assert await conn.fetchval("SHOW statement_timeout") == "30s"

    async def test_a_failed_body_rolls_back(self, db: Database) -> None:
        """Also when it is cancelled: the connection goes back clean."""
        accepted = asyncio.Event()

        async def accept_and_hang() -> None:
            async with db.transaction() as conn:
                await inbox.accept(conn, "test", [new_uuid7()])
                accepted.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(accept_and_hang())
        await asyncio.wait_for(accepted.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        async with db.connection() as conn:
            assert await conn.fetchval("SELECT count(*) FROM inbox") == 0


class TestLease:
    """One holder at a time."""

    async def test_passes_on_when_its_holder_ends(self, db: Database) -> None:
        """The second waits for the first, and other names do not."""
        order = []

        async def second() -> None:
            async with db.lease("relay"):
                order.append("second")

        async with db.lease("relay"), db.lease("other"):
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.2)
            order.append("first")
        await asyncio.wait_for(waiting, 60)

        assert order == ["first", "second"]


class TestInbox:
    """Events are taken in once."""

    async def test_gives_only_new_ids(self, db: Database) -> None:
        """A set-based answer; sources do not disturb one another."""
        first, second = new_uuid7(), new_uuid7()
        async with db.transaction() as conn:
            assert await inbox.accept(conn, "wallet", [first]) == {first}
        async with db.transaction() as conn:
            assert await inbox.accept(conn, "wallet", [first, second]) == {second}
            assert await inbox.accept(conn, "points", [first]) == {first}


class TestMigrate:
    """Forward only."""

    async def test_applies_each_file_once(self, database: TestDatabase) -> None:
        """A second run finds nothing to do."""
        again = await migrate(
            database.owner_dsn, package=SHARED_PACKAGE, runtime_role=RUNTIME_ROLE, journal="facts"
        )
        assert again == []

    async def test_refuses_a_file_that_changed(self, database: TestDatabase) -> None:
        """What was applied is what the repository says, or nothing starts."""
        async with database.open_as_owner() as owner:
            await owner.execute("UPDATE schema_migration SET sha256 = '' WHERE name LIKE '%fact%'")

        with pytest.raises(MigrationError, match="0002_fact"):
            await migrate(
                database.owner_dsn,
                package=SHARED_PACKAGE,
                runtime_role=RUNTIME_ROLE,
                journal="facts",
            )

    async def test_names_a_missing_role(self, database: TestDatabase) -> None:
        """The message says what to do."""
        with pytest.raises(MigrationError, match="nobody_made_me"):
            await migrate(
                database.owner_dsn,
                package=SHARED_PACKAGE,
                runtime_role="nobody_made_me",
                journal="facts",
            )

    async def test_a_journal_of_its_own_has_no_fact_table(self, postgres: Postgres) -> None:
        """Such a service gets head, blocks and relay tables only."""
        template = await postgres.create_template("own", package=SHARED_PACKAGE, journal="own")
        async with template.open() as db, db.connection() as conn:
            assert await conn.fetchval("SELECT to_regclass('fact') IS NULL")
            assert await conn.fetchval("SELECT to_regclass('block') IS NOT NULL")
