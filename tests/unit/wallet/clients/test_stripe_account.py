"""Shoppers and enrolments by the Stripe adapter, and what it never logs."""

import logging

import pytest
import stripe

from services.wallet.clients.provider import ProviderUnavailable
from services.wallet.clients.stripe import API_VERSION, open_stripe
from services.wallet.clients.stripe_http import NoAnswer
from tests.unit.wallet.clients.scripted import (
    BROKEN,
    CALL,
    REFUSED,
    Answer,
    Reply,
    adapter,
    ok,
)


class TestAccount:
    async def test_a_shopper_is_a_pseudonym(self) -> None:
        """The provider learns our id of the shopper and nothing else."""
        provider, transport = adapter(
            {("post", "/v1/customers"): [ok({"object": "customer", "id": "cus_1"})]}
        )

        assert await provider.register_shopper(CALL.payment_id) == "cus_1"
        [request] = transport.requests
        assert request.params == {"metadata[customer]": str(CALL.payment_id)}
        assert request.headers["Idempotency-Key"] == f"{CALL.payment_id}:customer"

    @pytest.mark.parametrize("reply", [BROKEN, NoAnswer("timeout"), Reply(200, "[]"), REFUSED])
    async def test_trouble_with_an_enrolment_is_told_as_such(self, reply: Answer) -> None:
        """An enrolment that cannot begin is UNAVAILABLE; nothing was charged."""
        provider, _ = adapter({("post", "/v1/setup_intents"): [reply]})

        with pytest.raises(ProviderUnavailable):
            await provider.start_enrolment("cus_1", request_id=CALL.leg_id)

    @pytest.mark.parametrize(
        "card",
        [None, {}, {"brand": "visa", "last4": "4242", "exp_month": "12", "exp_year": 2040}],
    )
    async def test_an_enrolment_whose_card_cannot_be_read_is_trouble(self, card: object) -> None:
        """A method that shows no card is not taken over half."""
        document = {
            "object": "setup_intent",
            "id": "seti_1",
            "status": "succeeded",
            "customer": "cus_1",
            "payment_method": {"object": "payment_method", "id": "pm_1", "card": card},
        }
        provider, _ = adapter({("get", "/v1/setup_intents/seti_1"): [ok(document)]})

        with pytest.raises(ProviderUnavailable):
            await provider.read_enrolment("seti_1")


class TestSilence:
    async def test_nothing_of_a_request_is_logged(
        self,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither the SDK's log nor ours shows bodies, keys or secrets, even where its log is asked for."""
        secret = "seti_1_secret_abc"
        document = {"object": "setup_intent", "id": "seti_1", "client_secret": secret}
        provider, transport = adapter({("post", "/v1/setup_intents"): [ok(document)]})
        monkeypatch.setattr("stripe._util.STRIPE_LOG", "debug")
        monkeypatch.setattr("stripe.log", "debug")
        monkeypatch.setattr("stripe.enable_telemetry", True)

        with caplog.at_level(logging.DEBUG):
            async with open_stripe(
                api_key="sk_test_1", url="", timeout_seconds=1.0, connections_max=1
            ):
                enrolments = [
                    await provider.start_enrolment("cus_1", request_id=CALL.leg_id)
                    for _ in range(2)
                ]

        captured = capsys.readouterr()
        assert enrolments[0].client_secret == secret
        for text in (repr(enrolments), caplog.text, captured.out, captured.err):
            assert secret not in text
            assert "cus_1" not in text
        assert "X-Stripe-Client-Telemetry" not in transport.requests[1].headers

    def test_the_version_of_the_api_is_that_of_the_sdk(self) -> None:
        """A newer SDK is taken on deliberately: its types speak of its own version."""
        assert stripe.api_version == API_VERSION
