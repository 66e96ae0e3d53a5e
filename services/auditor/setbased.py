"""Checks that are one SQL statement: it gives the offenders, and no row when all is well.

Where a proof is a comparison of a table with a sum or a join over another, PostgreSQL does it
over any number of rows in constant memory, and the statement is the proof.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.auditor.report import Check
from services.auditor.snapshot import batches
from services.auditor.tally import Listener, Tally
from services.common.runtime.database import Connection


@dataclass(frozen=True, slots=True)
class SetCheck:
    """One check: the statements that give its offenders, and the one that counts what it covers.

    ``counted`` is the statement that counts the rows; ``proven`` says what holds without offenders.
    """

    name: str
    statements: tuple[str, ...]
    counted: str
    proven: str


async def run_set_checks(
    conn: Connection,
    checks: Iterable[SetCheck],
    queries: Mapping[str, str],
    *,
    listener: Listener,
) -> list[Check]:
    """Run the checks one after the other on one connection."""
    counts: dict[str, int] = {}
    verdicts: list[Check] = []
    for check in checks:
        if check.counted not in counts:
            counts[check.counted] = int(await conn.fetchval(queries[check.counted]))
        tally = Tally(check.name, listener=listener)
        for statement in check.statements:
            async for rows in batches(conn, queries[statement]):
                for (offender,) in rows:
                    tally.blame(str(offender))
        tally.cover(counts[check.counted])
        verdicts.append(tally.close(check.proven))
    return verdicts
