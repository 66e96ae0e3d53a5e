"""Applies numbered SQL migrations, forward only, as the owner of the schema.

A service's set is the shared migrations beside this module, then its own. Each file runs
once, in one transaction of its own, and its hash is kept: a file that changed after it was
applied stops everything. ``:runtime_role`` in a file becomes the quoted name of the role
that the service runs as; the grants stand beside the tables they open.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias

import asyncpg
import structlog

Journal: TypeAlias = Literal["facts", "own"]
"""Whether a service keeps its facts in the shared table or in tables of its own."""

SHARED_PACKAGE: Final = "services.common.runtime.migrations"
FACTS_SUFFIX: Final = ".facts.sql"
"""Shared migrations so named apply only to services that journal in the shared table."""

_LOCK_KEY: Final = 0x4341474D
_QUEUE_TIMEOUT: Final = "60s"
_LOCK_TIMEOUT: Final = "4s"
_STATEMENT_TIMEOUT: Final = "10min"

_CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
  name text PRIMARY KEY,
  sha256 bytea NOT NULL,
  apply_time timestamptz NOT NULL DEFAULT now())
"""

log = structlog.get_logger(__name__)


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name with its set ("common/0001_journal.sql") and its SQL."""

    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        """Give the hash of the file as it stands in the repository."""
        return sha256(self.sql.encode()).digest()


def load_migrations(package: str, *, journal: Journal) -> list[Migration]:
    """Read the shared migrations, then those of a package, in the order they apply."""
    shared = [
        migration
        for migration in _read_package(SHARED_PACKAGE)
        if journal == "facts" or not migration.name.endswith(FACTS_SUFFIX)
    ]
    own = [] if package == SHARED_PACKAGE else _read_package(package)
    return [*shared, *own]


async def migrate(
    dsn_owner: str, *, package: str, runtime_role: str, journal: Journal
) -> Sequence[str]:
    """Bring a database up to date and give the names of the migrations applied now.

    Safe to run from several processes at once: they queue on an advisory lock. No single
    statement waits more than 4 s for a table lock, so that traffic never queues behind a
    migration that waits.

    Raises:
        MigrationError: an applied file has changed, or the runtime role does not exist.
    """
    conn = await asyncpg.connect(dsn_owner, server_settings={"TimeZone": "UTC"})
    try:
        await conn.execute(f"SET lock_timeout = '{_QUEUE_TIMEOUT}'")
        await conn.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        await conn.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        await conn.execute(f"SET statement_timeout = '{_STATEMENT_TIMEOUT}'")
        role = await _quote_role(conn, runtime_role)
        await conn.execute(_CREATE_TABLE)
        return await _apply_missing(conn, load_migrations(package, journal=journal), role=role)
    finally:
        await conn.close()


async def _apply_missing(
    conn: "asyncpg.Connection[Any]", migrations: Sequence[Migration], *, role: str
) -> list[str]:
    rows = await conn.fetch("SELECT name, sha256 FROM schema_migration")
    applied = {row["name"]: row["sha256"] for row in rows}
    now_applied = []
    for migration in migrations:
        if migration.name in applied:
            _check_unchanged(migration, applied[migration.name])
            continue
        async with conn.transaction():
            await conn.execute(migration.sql.replace(":runtime_role", role))
            await conn.execute(
                "INSERT INTO schema_migration (name, sha256) VALUES ($1, $2)",
                migration.name,
                migration.sha256,
            )
        log.info("schema.migration_applied", migration=migration.name)
        now_applied.append(migration.name)
    return now_applied


def _check_unchanged(migration: Migration, applied_sha256: bytes) -> None:
    if migration.sha256 != applied_sha256:
        message = (
            f"{migration.name} has changed since it was applied here."
            " Restore the file and put the change into a new migration."
        )
        raise MigrationError(message)


async def _quote_role(conn: "asyncpg.Connection[Any]", runtime_role: str) -> str:
    quoted = await conn.fetchval(
        "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1", runtime_role
    )
    if quoted is None:
        message = f"The runtime role {runtime_role} does not exist; create it first."
        raise MigrationError(message)
    return str(quoted)


def _read_package(package: str) -> Iterator[Migration]:
    """Read a package's SQL files; the set is named after the service, or "common"."""
    set_name = package.split(".")[1]
    for entry in sorted(files(package).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            yield Migration(f"{set_name}/{entry.name}", entry.read_text(encoding="utf-8"))
