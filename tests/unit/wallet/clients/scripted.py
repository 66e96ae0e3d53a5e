"""The adapter over a transport that answers from a script: the SDK's own reading of answers is part of the test."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import stripe

from services.wallet.clients.provider import CardCall
from services.wallet.clients.stripe import API_VERSION, StripeProvider
from services.wallet.clients.stripe_calls import StripeCalls

CALL = CardCall(
    payment_id=UUID("01890a5d-ac96-774b-bcce-b302099a8001"),
    leg_id=UUID("01890a5d-ac96-774b-bcce-b302099a8002"),
    try_number=1,
    amount_minor=1234,
    currency_code="EUR",
    provider_customer="cus_1",
    provider_method="pm_1",
    provider_reference="",
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider answers."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What it was asked."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


Answer = Reply | Exception
Script = Mapping[tuple[str, str], list[Answer]]
"""Answers by method and path, each used once; the last one stays."""


class ScriptedTransport(stripe.HTTPClient):
    """Answers from a script and keeps what it was asked."""

    name = "scripted"

    def __init__(self, script: Script) -> None:
        """Take the answers."""
        super().__init__()
        self._script = {key: list(answers) for key, answers in script.items()}
        self.requests: list[Request] = []

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Answer as the script says."""
        parts = urlsplit(url)
        params = dict(parse_qsl(post_data if method == "post" else parts.query))
        self.requests.append(Request(method, parts.path, params, headers))
        answers = self._script[method, parts.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer.body.encode(), answer.status, answer.headers

    @property
    def posts(self) -> list[Request]:
        """Give what changed something."""
        return [request for request in self.requests if request.method == "post"]


def adapter(script: Script) -> tuple[StripeProvider, ScriptedTransport]:
    """Give an adapter on a script."""
    transport = ScriptedTransport(script)
    client = stripe.StripeClient(
        "sk_test_1", stripe_version=API_VERSION, max_network_retries=0, http_client=transport
    )
    return StripeProvider(StripeCalls(client)), transport


def ok(document: object) -> Reply:
    """Answer a document."""
    return Reply(200, json.dumps(document))


def intent(status: str, **changes: Any) -> dict[str, Any]:
    """Give a payment of the call's leg."""
    return {
        "object": "payment_intent",
        "id": "pi_1",
        "status": status,
        "metadata": {"leg": str(CALL.leg_id), "payment": str(CALL.payment_id)},
    } | changes


def listed(*items: dict[str, Any]) -> Reply:
    """Answer a page."""
    return ok({"object": "list", "data": list(items), "has_more": False, "url": "/v1/things"})


def failed(status: int, *, replayed: bool = False, **error: Any) -> Reply:
    """Answer an error."""
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return Reply(status, json.dumps({"error": error}), headers)


KEY_SPENT = failed(400, type="idempotency_error", message="Keys for idempotent requests ...")
KEY_IN_USE = failed(409, type="invalid_request_error", code="idempotency_key_in_use")
DECLINED = failed(
    402,
    type="card_error",
    code="card_declined",
    decline_code="insufficient_funds",
    payment_intent=intent("requires_payment_method"),
)
REFUSED = failed(400, type="invalid_request_error", code="parameter_invalid_integer")
BROKEN = failed(500, type="api_error")
STAYS_BROKEN = failed(500, replayed=True, type="api_error")
