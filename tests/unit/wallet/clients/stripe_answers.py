"""Requests that the Stripe adapter sends, and answers of every kind."""

from dataclasses import replace

from services.wallet.clients.stripe_http import NoAnswer
from tests.unit.wallet.clients.scripted import (
    BROKEN,
    CALL,
    KEY_IN_USE,
    KEY_SPENT,
    Answer,
    Reply,
    Request,
    intent,
    ok,
)

CREATE = ("post", "/v1/payment_intents")

LIST = ("get", "/v1/payment_intents")

READ = ("get", "/v1/payment_intents/pi_1")

CAPTURE = ("post", "/v1/payment_intents/pi_1/capture")

CANCEL = ("post", "/v1/payment_intents/pi_1/cancel")

REFUND = ("post", "/v1/refunds")

REFUNDS = ("get", "/v1/refunds")

KNOWN = replace(CALL, provider_reference="pi_1")

KEY = f"{CALL.leg_id}:authorize:1"

BURNT = intent("requires_payment_method", metadata={"leg": str(CALL.leg_id), "burnt": "true"})

UNCLEAR: list[Answer] = [
    BROKEN,
    KEY_IN_USE,
    KEY_SPENT,
    NoAnswer("timeout"),
    Reply(502, "<html>Bad gateway</html>"),
    Reply(404, "404: Not Found"),
    Reply(302, ""),
    Reply(200, ""),
    Reply(200, "{"),
    Reply(200, "[]"),
    Reply(200, "null"),
    Reply(200, '"requires_capture"'),
    Reply(400, '{"error": ["odd"]}'),
    Reply(400, '{"error": "invalid_client"}'),
    ok({"object": "payment_intent"}),
    ok({"object": "payment_intent", "id": "pi_1"}),
    ok({"object": "payment_intent", "id": 1, "status": "succeeded"}),
    ok(intent("processing")),
    ok(intent("brand_new_status")),
]

"""Answers that leave open whether what was asked happens."""


def keys(requests: list[Request]) -> list[str]:
    """Give the idempotency keys of requests."""
    return [request.headers["Idempotency-Key"] for request in requests]
