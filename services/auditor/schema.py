"""The schema itself: applied as released, and a journal that its service can only add to."""

from dataclasses import dataclass
from typing import Final

from services.auditor.report import Check
from services.auditor.tally import Listener, Tally
from services.common.runtime.database import Connection, load_queries
from services.common.runtime.migrate import Journal, load_migrations

QUERIES: Final = load_queries(__package__, "schema.sql")


@dataclass(frozen=True, slots=True)
class ServiceSchema:
    """What a service's database must look like; ``append_only`` are its journal's tables."""

    service: str
    journal: Journal
    append_only: tuple[str, ...]

    @property
    def package(self) -> str:
        """Give the package of the service's own migrations."""
        return f"services.{self.service}.store.migrations"


async def audit_schema(conn: Connection, schema: ServiceSchema, *, listener: Listener) -> Check:
    """Prove that the applied migrations are this release's, and that nobody may edit the journal."""
    tally = Tally(f"{schema.service}.schema", listener=listener)
    applied = {
        row["name"]: row["sha256"] for row in await conn.fetch(QUERIES["applied_migrations"])
    }
    released = {
        migration.name: migration.sha256
        for migration in load_migrations(schema.package, journal=schema.journal)
    }
    for name in sorted(applied.keys() | released.keys()):
        tally.cover(1)
        tally.expect(
            holds=applied.get(name) == released.get(name),
            offender=f"migration {name} is not the one of this release",
        )
    for grantee, privilege, table in await conn.fetch(
        QUERIES["journal_writers"], list(schema.append_only)
    ):
        tally.blame(f"the role {grantee} may {privilege} {table}")
    for (name,) in await conn.fetch(QUERIES["hidden_code"]):
        tally.blame(f"{name}: no release brings one")
    return tally.close("migrations are this release's, and the journal can only grow")
