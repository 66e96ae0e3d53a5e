"""Reads of the journal beside a writer at work."""

import asyncio

from tests.integration.ledger.commands import BANK, SALES, command, outcomes
from tests.integration.ledger.test_fold_ahead import waiting_writers
from tests.integration.ledger.writer import Ledger


async def test_proofs_leave_the_writer_its_connections(ledger: Ledger) -> None:
    """However many ask for a proof of the chain, which takes long, payments go on meanwhile."""
    await ledger.decide(command((BANK, -1), (SALES, 1)))
    async with ledger.database.open_as_owner() as owner, owner.transaction():
        await owner.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        proofs = [asyncio.create_task(ledger.journal.verify()) for _ in range(12)]
        await waiting_writers(ledger)

        [paid] = outcomes(await ledger.decide(command((BANK, -1), (SALES, 1))))
        assert not any(proof.done() for proof in proofs)

    assert paid.status == 0
    assert all(report.ok for report in await asyncio.gather(*proofs))
