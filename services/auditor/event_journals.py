"""The journals whose facts are the published events: those of points and wallet."""

from services.auditor.facts import audit_fact_journal
from services.auditor.parallel import Sources
from services.auditor.report import Check
from services.auditor.snapshot import reading
from services.auditor.tally import Listener


async def audit_points_journal(sources: Sources, listener: Listener) -> list[Check]:
    """Prove the hash chain of points."""
    async with reading(sources.points) as conn:
        return await audit_fact_journal(conn, "points", listener=listener)


async def audit_wallet_journal(sources: Sources, listener: Listener) -> list[Check]:
    """Prove the hash chain of the wallet, where there is a wallet."""
    if sources.wallet is None:
        return []
    async with reading(sources.wallet) as conn:
        return await audit_fact_journal(conn, "wallet", listener=listener)
