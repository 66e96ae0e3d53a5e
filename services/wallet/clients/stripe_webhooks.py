"""Webhooks of Stripe: whether one is genuine, and what it tells."""

import json
from typing import Final

import stripe

from services.wallet.clients.provider import ProviderEvent
from services.wallet.clients.stripe_objects import Malformed, read_event

TOLERANCE_SECONDS: Final = 300
"""A signature older than this is refused, so that a recorded request cannot be sent again later."""


class BadSignature(Exception):
    """The request was not signed by who shares our secret, or too long ago."""


class UnreadableEvent(Exception):
    """The request is genuine, and not as documented."""


def read_webhook(body: bytes, *, signature: str, secret: str) -> ProviderEvent:
    """Verify a webhook with the SDK's verifier, by the machine's clock, and take it over.

    Raises:
        BadSignature: it is not genuine.
        UnreadableEvent: it is no event.
    """
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, TypeError, ValueError) as error:
        raise BadSignature from error
    try:
        return read_event(json.loads(body))
    except (Malformed, RecursionError, ValueError) as error:
        raise UnreadableEvent from error
