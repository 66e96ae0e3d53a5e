"""The audit as a whole: wait for events in flight, freeze the databases, run the parts."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from services.auditor.books import audit_books, audit_checkout_books
from services.auditor.event_journals import audit_points_journal, audit_wallet_journal
from services.auditor.hand_postings import audit_hand_postings
from services.auditor.heads import NotedHead, with_heads
from services.auditor.inflight import has_arrived, journal_ends
from services.auditor.ledger_journal import audit_ledger_journal
from services.auditor.ledger_state import audit_ledger_state
from services.auditor.lots import audit_lots
from services.auditor.parallel import AuditError, Part, ProviderSource, Sources, run_parts
from services.auditor.points_members import SHARES, audit_points_holds, audit_points_members
from services.auditor.report import VerifyReport
from services.auditor.snapshot import UNREACHABLE, frozen
from services.auditor.tally import Listener, ignore_progress
from services.auditor.wallet_state import audit_wallet
from services.ledger.codec.chart import load_chart

PROCESSES_MIN: Final = 2
"""Even one core overlaps a part's waiting for PostgreSQL with another part's computing."""

POLL_SECONDS: Final = 0.25
"""Between two looks for a moment at which everything has arrived."""

PARTS: Final = (
    *(
        Part(f"points members {share}", partial(audit_points_members, share))
        for share in range(SHARES)
    ),
    Part("wallet", audit_wallet),
    Part("books", audit_books),
    Part("checkout books", audit_checkout_books),
    Part("ledger journal", audit_ledger_journal),
    Part("ledger state", audit_ledger_state),
    Part("points journal", audit_points_journal),
    Part("points holds", audit_points_holds),
    Part("lots", audit_lots),
    Part("hand postings", audit_hand_postings),
    Part("wallet journal", audit_wallet_journal),
)
"""The longest first, so that the processes end together."""


def run_verify(
    *,
    ledger_dsn: str,
    points_dsn: str,
    wallet_dsn: str | None = None,
    progress: Listener = ignore_progress,
    wait_seconds: float = 30.0,
    chart_file: Path | None = None,
    provider_url: str | None = None,
    provider_key: str | None = None,
    noted: Sequence[NotedHead] | None = None,
) -> VerifyReport:
    """Prove every service's promises from its database; blocks until the verdict is there.

    The databases are read as their owner and never written. Events that are still on their way
    to the ledger get ``wait_seconds`` to arrive; what has not arrived then fails the audit as
    not yet consumed. ``chart_file`` is the ledger's chart of accounts, the delivered one without
    it. ``provider_url`` and ``provider_key`` lead to the payment provider, whose payments and
    refunds are compared with the wallet's legs (an empty url is Stripe itself); without a key the
    report says that this was not run. ``noted`` are heads of earlier audits (``heads.read_heads``), which
    must still stand; the report then has the present ones. From asynchronous code call this through
    ``asyncio.to_thread``.

    Raises AuditError when the audit could not run, for example without a database.
    """
    asked = _Asked(
        ledger_dsn, points_dsn, wallet_dsn, chart_file, provider_url or "", provider_key or ""
    )
    try:
        return asyncio.run(
            _verify(asked, progress=progress, wait_seconds=wait_seconds, noted=noted)
        )
    except UNREACHABLE as error:
        raise AuditError(f"cannot read a database: {error}") from error


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where the databases, the chart and the provider are."""

    ledger: str
    points: str
    wallet: str | None
    chart_file: Path | None
    provider_url: str
    provider_key: str = field(repr=False)


async def _verify(
    asked: _Asked,
    *,
    progress: Listener,
    wait_seconds: float,
    noted: Sequence[NotedHead] | None,
) -> VerifyReport:
    """Freeze until nothing is in flight, or the time to wait is over; then prove what is there."""
    chart = load_chart(asked.chart_file)
    deadline = time.monotonic() + wait_seconds
    while True:
        async with AsyncExitStack() as stack:
            ends = await journal_ends(asked.wallet) if asked.wallet else []
            sources = await _freeze(stack, asked)
            arrived = await has_arrived(sources, chart, wallet_ends=ends)
            if arrived or time.monotonic() >= deadline:
                sources = replace(sources, arrived=arrived)
                report = await _prove(sources, progress)
                if noted is None:
                    return report
                return await with_heads(report, sources, noted, listener=progress)
        await asyncio.sleep(POLL_SECONDS)


async def _freeze(stack: AsyncExitStack, asked: _Asked) -> Sources:
    """Freeze the databases for as long as the stack is open.

    Whoever follows is frozen before whom it follows, the ledger first and the wallet last: whatever
    was booked, spent or held by then, its cause is in the later snapshots.
    """
    provider = None
    if asked.provider_key:
        provider = ProviderSource(asked.provider_url, asked.provider_key, int(time.time()))
    return Sources(
        ledger=await stack.enter_async_context(frozen(asked.ledger)),
        points=await stack.enter_async_context(frozen(asked.points)),
        wallet=await stack.enter_async_context(frozen(asked.wallet)) if asked.wallet else None,
        chart_file=asked.chart_file,
        provider=provider,
    )


async def _prove(sources: Sources, progress: Listener) -> VerifyReport:
    """Run all parts over frozen databases."""
    processes_max = max(PROCESSES_MIN, os.cpu_count() or 0)
    verdicts = await asyncio.to_thread(
        run_parts, PARTS, sources, listener=progress, processes_max=processes_max
    )
    return VerifyReport.of(chain.from_iterable(verdicts))
