"""The proof that a filled stack holds what its services would have written: the whole audit of both."""

import asyncio

from services.auditor.verify import run_verify
from services.bench.errors import BenchError
from services.bench.size.databases import Databases


async def prove(databases: Databases) -> str:
    """Verify the journals, their chains, every state table and the books; raises BenchError with what is broken."""
    report = await asyncio.to_thread(
        run_verify,
        ledger_dsn=databases.owner["ledger"],
        points_dsn=databases.owner["points"],
        wait_seconds=0.0,
    )
    broken = [f"{check.name}: {check.detail}" for check in report.checks if not check.ok]
    if broken:
        message = f"The filled stack is not what its services would have written: {broken}"
        raise BenchError(message)
    rows = sum(check.checked for check in report.checks)
    return f"{len(report.checks)} checks over {rows:,} rows passed"
