"""Postings made by hand on accounts that posting rules alone should move are named, until reversed or acknowledged."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import pytest

from services.auditor import hand_postings, provider
from services.auditor.acknowledgements import acknowledge
from services.auditor.hand_postings import CHECK
from services.auditor.report import Acknowledged, BreakKind
from services.common.testing.clock import ManualClock
from services.ledger.codec.chart import load_chart
from services.ledger.domain.posting_events import SALE, WALLET_PURPOSES
from services.ledger.domain.transaction import Kind, TransactionCommand
from tests.integration.auditor.audited import failed, verify
from tests.integration.auditor.stage import (
    BANK,
    CUSTOMERS,
    LATER,
    Stack,
    ledger_writer,
    make_transaction,
    publish_again,
)

CARD: Final = "gl/511500/wallet"
CUSTOMER: Final = f"wallet/{CUSTOMERS[0]}/prepaid"


async def book(stack: Stack, *commands: TransactionCommand) -> None:
    """Book as a caller of the ledger does."""
    async with stack.ledger.open() as db:
        for answer in await ledger_writer(db, ManualClock(LATER))(list(commands)):
            assert not isinstance(answer, Exception), answer
    await publish_again(stack.ledger)


async def card_turnover(stack: Stack) -> tuple[int, int]:
    """Give what the audit compares with the provider: debits and credits of the card account."""
    async with stack.ledger.open_as_owner() as conn:
        row = await conn.fetchrow(
            provider.QUERIES["account_turnover"],
            load_chart(None).wallet.card,
            sorted(WALLET_PURPOSES),
        )
    assert row is not None
    return row["debit"], row["credit"]


class TestQueries:
    @pytest.mark.parametrize("queries", [hand_postings.QUERIES, provider.QUERIES])
    async def test_every_one_is_valid(self, stack: Stack, queries: Mapping[str, str]) -> None:
        """PostgreSQL prepares each against the ledger's schema."""
        async with stack.ledger.open_as_owner() as conn:
            for statement in queries.values():
                await conn.prepare(statement)


class TestProvidersAccount:
    """The provider is compared with the wallet's own bookings alone."""

    async def test_an_adjustment_is_named_and_leaves_the_comparison_alone(
        self, copy: Stack
    ) -> None:
        """What a service books on the provider's account is a matter for a person, never a broken proof."""
        before = await card_turnover(copy)
        adjusted = make_transaction(
            Kind.POSTED, (CARD, -2_044), (CUSTOMER, 2_044), purpose="adjustment"
        )
        paid_out = make_transaction(Kind.POSTED, (CARD, 500), (BANK, -500), purpose="payout")
        await book(copy, adjusted, paid_out)

        report = await verify(copy)

        assert before[0], "cards paid in this history"
        assert await card_turnover(copy) == before
        (check,) = report.failed()
        assert (check.name, check.kind) == (CHECK, BreakKind.BUSINESS)
        assert set(check.breaks) == {
            f"transaction {adjusted.transaction_id} (adjustment) moved {CARD} by -2044 by hand",
            f"transaction {paid_out.transaction_id} (payout) moved {CARD} by 500 by hand",
        }

        seen = [
            Acknowledged(CHECK, text, "accounting", LATER, "statement of November")
            for text in check.breaks
        ]
        assert acknowledge(report, seen).ok, "finance has looked at both"

    async def test_a_full_reversal_needs_no_word(self, copy: Stack) -> None:
        """In parts or at once: nothing is left to look at; before the last part, what is left is named."""
        adjusted = make_transaction(
            Kind.POSTED, (CARD, -2_044), (CUSTOMER, 2_044), purpose="adjustment"
        )
        target_id = adjusted.transaction_id
        part = make_transaction(
            Kind.REVERSAL, (CARD, -44), (CUSTOMER, 44), target_id=target_id, purpose="undo"
        )
        before = await card_turnover(copy)
        await book(copy, adjusted)
        await book(copy, part)
        (check,) = (await verify(copy)).failed()
        assert f"{CARD} by -2000 by hand" in check.detail

        await book(copy, make_transaction(Kind.REVERSAL, target_id=target_id, purpose="adjustment"))

        assert failed(await verify(copy)) == set()
        assert await card_turnover(copy) == before


class TestSales:
    """The sales booked are those of tickets and checkouts, and no caller moves them unseen."""

    @pytest.mark.parametrize("sales", ["gl/707100", "gl/707100/stores/0330"])
    async def test_sales_moved_to_vat_are_named_until_reversed(
        self, copy: Stack, sales: str
    ) -> None:
        """By the code of the general ledger: an account of another name is no way around it."""
        corrected = make_transaction(
            Kind.POSTED, (sales, -700), ("gl/445711", 700), purpose="correction"
        )
        await book(copy, corrected)

        report = await verify(copy)

        assert failed(report) == {CHECK}
        (text,) = report.failed()[0].breaks
        assert text == (
            f"transaction {corrected.transaction_id} (correction) moved"
            f" gl/445711 by 700, {sales} by -700 by hand"
        )
        seen = Acknowledged(CHECK, text, "accounting", LATER, "asked for by the tax office")
        assert acknowledge(report, [seen]).ok

        back = make_transaction(Kind.REVERSAL, target_id=corrected.transaction_id, purpose="undo")
        await book(copy, back)
        assert failed(await verify(copy)) == set()

    async def test_the_reversal_of_a_booked_sale_is_named(self, copy: Stack) -> None:
        """The event still stands; its sale is in the books no more."""
        async with copy.ledger.open_as_owner() as conn:
            sale: UUID = await conn.fetchval(
                "SELECT transaction_id FROM transaction WHERE purpose = $1 ORDER BY seq LIMIT 1",
                SALE,
            )
        await book(copy, make_transaction(Kind.REVERSAL, target_id=sale, purpose="correction"))

        (check,) = (await verify(copy)).failed()

        assert (check.name, check.kind) == (CHECK, BreakKind.BUSINESS)
        assert f"what reversed {sale} (correction) moved gl/" in check.breaks[0]

    async def test_money_that_callers_move_is_theirs(self, copy: Stack) -> None:
        """Prepaid balances, cash, banks and the clearing account of checkouts are open to hand-made postings."""
        await book(
            copy,
            make_transaction(Kind.POSTED, (BANK, -900), (CUSTOMER, 900), purpose="goodwill"),
            make_transaction(Kind.POSTED, (BANK, 900), ("gl/530000/stores/0330", -900)),
        )

        assert failed(await verify(copy)) == set()
