"""The audit as the command runs it, over the databases of a test."""

import asyncio
from collections.abc import Sequence

from services.auditor import VerifyReport, run_verify
from services.auditor.heads import NotedHead
from tests.integration.auditor.stage import Stack


async def verify(
    stack: Stack, *, wait_seconds: float = 0.0, noted: Sequence[NotedHead] | None = None
) -> VerifyReport:
    """Run the audit as the command does."""
    return await asyncio.to_thread(
        run_verify,
        ledger_dsn=stack.ledger.owner_dsn,
        points_dsn=stack.points.owner_dsn,
        wallet_dsn=stack.wallet.owner_dsn,
        wait_seconds=wait_seconds,
        noted=noted,
    )


def failed(report: VerifyReport) -> set[str]:
    """Name the failed checks."""
    return {check.name for check in report.failed()}
