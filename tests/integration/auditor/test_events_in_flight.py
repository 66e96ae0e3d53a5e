"""The audit while a fact is on its way from one service to another."""

import asyncio

from services.auditor.report import BreakKind
from services.common.kernel.ids import new_uuid7
from services.common.runtime.journal import Fact, append_facts, lock_head
from services.common.testing.clock import ManualClock
from tests.integration.auditor.audited import failed, verify
from tests.integration.auditor.stage import (
    LATER,
    Stack,
    book_facts,
    make_ticket,
    points_writer,
    publish_again,
    record,
)


class TestEventsInFlight:
    """What is not booked yet is neither skipped nor waited for without end."""

    async def test_reports_what_the_ledger_has_not_consumed(self, copy: Stack) -> None:
        """An event without its transaction fails the audit by name, until it is booked."""
        async with copy.points.open() as db:
            ticket = make_ticket(500, LATER, (1_230, 0, 550, "National"), shopper=None)
            await points_writer(db, ManualClock(LATER))([record(ticket)])
        await publish_again(copy.points)
        report = await verify(copy)
        assert failed(report) == {"books.events_booked_once", "books.sales_by_vat_rate"}
        assert any("not yet consumed" in check.detail for check in report.failed())
        assert {check.kind for check in report.failed()} == {BreakKind.BUSINESS}

        await book_facts(copy, ManualClock(LATER))
        await publish_again(copy.ledger)
        assert (await verify(copy)).ok

    async def test_waits_for_what_is_on_its_way(self, copy: Stack) -> None:
        """The wait ends when the newest events are booked and published."""
        async with copy.points.open() as db:
            ticket = make_ticket(501, LATER, (990, 0, 550, "National"), shopper=None)
            await points_writer(db, ManualClock(LATER))([record(ticket)])
        await publish_again(copy.points)

        waiting = asyncio.create_task(verify(copy, wait_seconds=60.0))
        await book_facts(copy, ManualClock(LATER))
        await publish_again(copy.ledger)

        assert (await waiting).ok

    async def test_never_calls_a_broken_event_arrived_or_missing_silently(
        self, copy: Stack
    ) -> None:
        """A fact that no rule can read fails by name, and is not waited for."""
        async with copy.points.open() as db, db.transaction() as conn:
            head = await lock_head(conn, 0)
            unreadable = Fact(new_uuid7(), 5, new_uuid7(), b"\xff\xff")
            await append_facts(conn, head, [unreadable], recorded_time=LATER)
        await publish_again(copy.points)

        report = await verify(copy, wait_seconds=60.0)

        assert failed(report) == {"points.facts_fold_again", "books.events_booked_once"}
        assert any("cannot be booked" in check.detail for check in report.failed())
