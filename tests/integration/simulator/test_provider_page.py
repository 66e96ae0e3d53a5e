"""The provider's page, against the sandbox itself and its official client."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stripe

from services.simulator.calls import Patience
from services.simulator.errors import ProviderRefusedError
from services.simulator.provider_page import ProviderPage, ProviderTotals, open_page
from services.simulator.sandbox.main import SandboxSettings, running_sandbox
from services.simulator.sandbox.provider import Keys

SECRET, PUBLISHABLE = "sk_test_page", "pk_test_page"
HURRIED = Patience(attempts_max=2, first_pause_seconds=0.0)


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """Run a sandbox."""
    settings = SandboxSettings(
        host="127.0.0.1", port=0, folder=tmp_path, keys=Keys(SECRET, PUBLISHABLE)
    )
    async with running_sandbox(settings) as address:
        yield address


@pytest.fixture
async def page(url: str) -> AsyncIterator[ProviderPage]:
    """Open its page."""
    async with open_page(
        url, publishable_key=PUBLISHABLE, secret_key=SECRET, patience=HURRIED
    ) as opened:
        yield opened


async def enrolment(url: str) -> stripe.SetupIntent:
    """Begin an enrolment as a merchant does."""
    http_client = stripe.AIOHTTPClient()
    client = stripe.StripeClient(SECRET, base_addresses={"api": url}, http_client=http_client)
    try:
        customer = await client.v1.customers.create_async()
        return await client.v1.setup_intents.create_async({"customer": customer.id})
    finally:
        await http_client.close_async()  # type: ignore[no-untyped-call]  # the SDK's own lacks types


class TestConfirmEnrolment:
    async def test_gives_the_card_to_the_provider_alone(self, url: str, page: ProviderPage) -> None:
        """With the client secret and the publishable key; doing it again changes nothing."""
        intent = await enrolment(url)
        assert intent.client_secret is not None

        for _ in range(2):
            await page.confirm_enrolment(
                intent.id, client_secret=intent.client_secret, card="pm_card_visa"
            )

        assert await page.read_totals() == ProviderTotals(captured_minor=0, refunded_minor=0)

    async def test_says_that_a_card_is_not_taken(self, url: str, page: ProviderPage) -> None:
        """A card that the provider declines at once cannot be enrolled."""
        intent = await enrolment(url)
        assert intent.client_secret is not None

        with pytest.raises(ProviderRefusedError, match="card_declined"):
            await page.confirm_enrolment(
                intent.id, client_secret=intent.client_secret, card="pm_card_setupDeclined"
            )

    async def test_needs_the_secret_of_this_enrolment(self, url: str, page: ProviderPage) -> None:
        """Who does not know the secret learns nothing."""
        intent = await enrolment(url)

        with pytest.raises(ProviderRefusedError):
            await page.confirm_enrolment(
                intent.id, client_secret=f"{intent.id}_secret_wrong", card="pm_card_visa"
            )


class TestAProviderThatIsAway:
    async def test_is_named_after_a_few_attempts(self) -> None:
        """Nobody listens there."""
        async with open_page(
            "http://127.0.0.1:9", publishable_key="", secret_key="", patience=HURRIED
        ) as page:
            with pytest.raises(ProviderRefusedError, match="does not answer"):
                await page.read_totals()
