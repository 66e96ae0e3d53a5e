"""The provider's page, asked by a phone while the provider dies."""

from aiohttp import web

from services.simulator.calls import Patience
from services.simulator.provider_page import open_page

SETUP = "/v1/setup_intents/seti_1"


class DyingProvider:
    """Confirms, and dies before it answers; alive again, it refuses to confirm twice."""

    def __init__(self) -> None:
        self.status = "requires_payment_method"
        self.confirmations = 0

    async def read(self, _: web.Request) -> web.Response:
        """Answer the setup intent."""
        return web.json_response({"status": self.status})

    async def confirm(self, request: web.Request) -> web.Response:
        """Drop the first answer after it is done."""
        self.confirmations += 1
        if self.status == "succeeded":
            error = {"code": "setup_intent_unexpected_state"}
            return web.json_response({"error": error}, status=400)
        self.status = "succeeded"
        assert request.transport is not None
        request.transport.close()
        return web.Response()


class TestConfirmEnrolment:
    async def test_looks_what_became_of_a_lost_answer(self) -> None:
        """A repetition that is refused since the first one was done is no refusal of the card."""
        provider = DyingProvider()
        app = web.Application()
        app.add_routes(
            [web.get(SETUP, provider.read), web.post(f"{SETUP}/confirm", provider.confirm)]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            async with open_page(
                f"http://{host}:{port}",
                publishable_key="pk",
                secret_key="sk",
                patience=Patience(first_pause_seconds=0.01),
            ) as page:
                await page.confirm_enrolment("seti_1", client_secret="s", card="pm_card_visa")
        finally:
            await runner.cleanup()

        assert provider.confirmations == 2
