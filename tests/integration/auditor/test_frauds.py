"""Careful frauds of whoever owns one service's database: found by whom, and what only a noted head finds.

A fraud that changes all that hangs on it inside its own database, hashes included, is found where another service or
the rules of the release say otherwise. What no other service knows is found by a head that was noted before, and by
nothing else: that boundary is written in docs/verify.md.
"""

from collections.abc import Collection
from dataclasses import replace

import pytest

from services.auditor.heads import NotedHead
from services.common.kernel.ids import new_uuid7
from services.common.testing.clock import ManualClock
from services.ledger.domain.transaction import Kind
from services.points.domain.command import EnrolMember
from tests.integration.auditor import frauds
from tests.integration.auditor.audited import failed, verify
from tests.integration.auditor.frauds import Fraud
from tests.integration.auditor.history import PHONE_LINES
from tests.integration.auditor.stage import (
    BANK,
    CUSTOMERS,
    LATER,
    PREPAID,
    Stack,
    book_facts,
    ledger_writer,
    make_checkout_ticket,
    make_ticket,
    make_transaction,
    phones_of,
    points_writer,
    publish_everything,
    record,
)

FOUND: dict[Fraud, tuple[str, set[str]]] = {
    frauds.enrich_two_accounts: ("ledger", {"ledger.account_balances"}),
    frauds.enlarge_a_transfer: ("ledger", {"ledger.hash_chain"}),
    frauds.enlarge_a_sale_and_hash_again: (
        "ledger",
        {"books.events_booked_once", "books.sales_by_vat_rate"},
    ),
    frauds.drop_an_open_hold: ("ledger", {"ledger.account_balances", "ledger.holds"}),
    frauds.plant_a_trigger: ("ledger", {"ledger.schema"}),
    frauds.plant_a_rule: ("ledger", {"ledger.schema"}),
    frauds.grant_a_column: ("ledger", {"ledger.schema"}),
    frauds.grant_everybody: ("ledger", {"ledger.schema"}),
    frauds.enlarge_a_lot: ("points", {"books.lots", "points.lots", "points.balances"}),
    frauds.enlarge_an_award_and_hash_again: (
        "points",
        {
            "books.events_booked_once",
            "books.lots",
            "points.balances",
            "points.facts_fold_again",
            "points.lots",
        },
    ),
    frauds.swap_two_tickets: (
        "points",
        {"points.balances", "points.facts_fold_again", "points.lots", "points.tickets"},
    ),
    frauds.take_a_card_over: ("points", {"points.cards"}),
    frauds.enlarge_a_captured_leg: ("wallet", {"wallet.payments"}),
    frauds.enlarge_a_top_up_and_hash_again: ("wallet", {"books.checkouts_booked_once"}),
}
"""What is found by the audit of any day, in whose database, and by which checks."""

NOTED_ONLY: dict[Fraud, str] = {
    frauds.enlarge_a_transfer_and_hash_again: "ledger",
    frauds.move_a_ledger_batch_in_time: "ledger",
    frauds.move_a_points_batch_in_time: "points",
    frauds.take_a_card_over_and_hash_again: "points",
}
"""What only a head that was noted before finds."""


async def noted(stack: Stack) -> list[NotedHead]:
    """Note the heads of an honest audit."""
    report = await verify(stack, noted=[])
    assert report.ok, report.failed()
    return [NotedHead(head, LATER) for head in report.heads]


@pytest.mark.parametrize("fraud", FOUND, ids=lambda fraud: fraud.__name__)
async def test_is_found(copy: Stack, fraud: Fraud) -> None:
    """Sums, chains, rules and the other services leave no room for it."""
    service, checks = FOUND[fraud]
    async with copy.of(service).open_as_owner() as conn:
        await fraud(conn)

    assert failed(await verify(copy)) == checks


@pytest.mark.parametrize("fraud", NOTED_ONLY, ids=lambda fraud: fraud.__name__)
async def test_is_found_by_a_noted_head(copy: Stack, fraud: Fraud) -> None:
    """One service's consistent other story about itself alone: the head of before says otherwise."""
    service = NOTED_ONLY[fraud]
    heads = await noted(copy)
    async with copy.of(service).open_as_owner() as conn:
        await fraud(conn)

    assert failed(await verify(copy)) == set()
    assert failed(await verify(copy, noted=heads)) == {f"{service}.heads"}


class TestEarlierCopies:
    """A database is put back to what it was: consistent in itself, but its end is missing."""

    async def test_of_the_ledger_after_a_transfer(self, stack: Stack, copy: Stack) -> None:
        """Nobody else knows the transfer: the noted head does."""
        transfer = make_transaction(Kind.POSTED, (BANK, -800), (PREPAID, 800))
        async with copy.ledger.open() as db:
            await ledger_writer(db, ManualClock(LATER))([transfer])

        await self._put_back(stack, copy, "ledger", {"ledger.heads"})

    async def test_of_points_after_an_enrolment(self, stack: Stack, copy: Stack) -> None:
        """No book tells of an enrolment: the noted head does."""
        async with copy.points.open() as db:
            enrol = EnrolMember(new_uuid7(), "", new_uuid7(), None, ("2990000000431",))
            await points_writer(db, ManualClock(LATER))([enrol])

        await self._put_back(stack, copy, "points", {"points.heads"})

    async def test_of_the_wallet_after_an_open_checkout(self, stack: Stack, copy: Stack) -> None:
        """Nothing was paid and nothing booked: the noted head tells of it."""
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            await phones.open(make_checkout_ticket(700, clock(), *PHONE_LINES), CUSTOMERS[0])

        await self._put_back(stack, copy, "wallet", {"wallet.heads"})

    @pytest.mark.parametrize("service", ["ledger", "points"])
    async def test_of_one_of_two_that_know_a_sale(
        self, stack: Stack, copy: Stack, service: str
    ) -> None:
        """The other one's journal tells of the sale, without any noted head."""
        async with copy.points.open() as db:
            ticket = make_ticket(500, LATER, (1_230, 0, 550, "National"), shopper=None)
            await points_writer(db, ManualClock(LATER))([record(ticket)])
        await book_facts(copy, ManualClock(LATER))

        both = {"books.events_booked_once", "books.sales_by_vat_rate"}
        await self._put_back(stack, copy, service, both | {f"{service}.heads"}, unnoted=both)

    @staticmethod
    async def _put_back(
        stack: Stack, copy: Stack, service: str, found: set[str], *, unnoted: Collection[str] = ()
    ) -> None:
        await publish_everything(copy)
        heads = await noted(copy)
        before = replace(copy, **{service: stack.of(service)})

        assert failed(await verify(before)) == set(unnoted)
        assert failed(await verify(before, noted=heads)) == found
