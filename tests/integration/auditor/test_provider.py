"""The audit reads a provider by itself, page by page, and finds what the wallet's adapter did there."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.auditor.parallel import AuditError, ProviderSource
from services.auditor.provider_page import PAGE_ITEMS, reading_provider
from services.common.kernel.ids import new_uuid7
from services.wallet.clients.provider import CardCall
from services.wallet.clients.stripe import open_stripe
from tests.integration.wallet.card_desk import CardDesk
from tests.integration.wallet.sandbox import KEY, Sandbox, run_sandbox


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[CardDesk]:
    """Give an adapter in front of a new sandbox."""
    async with (
        run_sandbox(tmp_path) as sandbox,
        open_stripe(
            api_key=KEY, url=sandbox.url, timeout_seconds=20, connections_max=10
        ) as provider,
    ):
        yield CardDesk(provider, provider, sandbox)


def source(sandbox: Sandbox, *, key: str = KEY) -> ProviderSource:
    """Name the provider as the audit's caller does."""
    return ProviderSource(sandbox.url, key, 2**40)


class TestReading:
    async def test_finds_what_was_captured_canceled_refunded_and_declined(
        self, desk: CardDesk
    ) -> None:
        """Each payment comes with the leg that it was made for."""
        captured = await desk.captured("pm_card_visa")
        canceled = await desk.authorized("pm_card_visa")
        await desk.provider.cancel(canceled)
        refunded = await desk.captured("pm_card_visa")
        await desk.provider.refund(refunded)
        declined = await desk.call("pm_card_chargeDeclined")
        await desk.provider.authorize(declined)

        async with reading_provider(source(desk.sandbox)) as pages:
            intents = {leg_id: intent async for leg_id, intent in pages.intents()}
            refunds = {leg_id: refund async for leg_id, refund in pages.refunds()}

        assert {leg_id: intent.status for leg_id, intent in intents.items()} == {
            captured.leg_id: "succeeded",
            canceled.leg_id: "canceled",
            refunded.leg_id: "succeeded",
            declined.leg_id: "requires_payment_method",
        }
        amount = captured.amount_minor
        paid = intents[captured.leg_id]
        assert (paid.reference, paid.received_minor) == (captured.provider_reference, amount)
        assert paid.currency_code == "EUR"
        (refund,) = refunds.values()
        assert (refund.intent, refund.amount_minor) == (refunded.provider_reference, amount)
        assert set(refunds) == {refunded.leg_id}

    async def test_reads_every_page(self, desk: CardDesk) -> None:
        """A list that is longer than a page is read to its end."""
        first = await desk.call("pm_card_visa")
        calls: list[CardCall] = [
            replace(first, leg_id=new_uuid7()) for _ in range(2 * PAGE_ITEMS + 1)
        ]
        for call in calls:
            await desk.provider.authorize(call)

        async with reading_provider(source(desk.sandbox)) as pages:
            found = [leg_id async for leg_id, _ in pages.intents()]

        assert sorted(found) == sorted(call.leg_id for call in calls)

    async def test_says_so_when_it_cannot_read(self, desk: CardDesk) -> None:
        """A key that the provider refuses proves nothing and disproves nothing."""
        async with reading_provider(source(desk.sandbox, key="sk_test_wrong")) as pages:
            with pytest.raises(AuditError, match="cannot read payment_intents"):
                await anext(pages.intents())
