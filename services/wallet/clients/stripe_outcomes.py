"""What an answer of the provider means for a leg: pure, and the only place that says it.

Certainty first: what is not known to be a yes, a no, or surely not sent is unknown.
"""

import re
from enum import Enum
from typing import Final

import stripe

from services.wallet.clients.answer import CallAnswer, declined, done, not_sent, unknown
from services.wallet.clients.stripe_http import NotConnected
from services.wallet.clients.stripe_objects import Intent, Refunding

_SERVER_ERROR: Final = 500
_AMOUNTS_REFUSED: Final = frozenset({"amount_too_small", "amount_too_large"})
_WORD: Final = re.compile(r"[a-z0-9_]{1,100}")


class Failure(Enum):
    """What a call that raised has come to."""

    DECLINED = "declined"
    """The card said no, or no card can pay this amount; it stays so, however often one asks."""
    REFUSED = "refused"
    """The provider calls the request wrong; it did nothing."""
    NOT_SENT = "not_sent"
    """No connection, not let in, or too many requests; it did nothing."""
    KEY_SPENT = "key_spent"
    """The key belongs to a request with other parameters, whose execution has ended."""
    ENDED = "ended"
    """This is the kept answer of an execution that failed at the provider; the key never executes again."""
    UNKNOWN = "unknown"
    """Anything else: it may have happened, or may yet."""


def failure_of(error: stripe.StripeError) -> Failure:
    """Classify what a call of the SDK raised."""
    match error:
        case NotConnected():
            return Failure.NOT_SENT
        case stripe.CardError():
            return Failure.DECLINED
        case stripe.IdempotencyError():
            return Failure.KEY_SPENT
        case stripe.RateLimitError() | stripe.AuthenticationError() | stripe.PermissionError():
            return Failure.NOT_SENT
        case stripe.InvalidRequestError(code=str(code)) if code in _AMOUNTS_REFUSED:
            return Failure.DECLINED
        case stripe.InvalidRequestError():
            return Failure.REFUSED
        case stripe.APIError(http_status=int(status)) if status >= _SERVER_ERROR:
            return Failure.ENDED if _is_replayed(error) else Failure.UNKNOWN
        case _:
            return Failure.UNKNOWN


def cause_of(error: stripe.StripeError) -> str:
    """Give a word for the log; the provider's sentences stay out of it."""
    match error:
        case stripe.APIConnectionError():
            return _word(error.user_message, default="connection_lost")
        case stripe.APIError(http_status=409):
            return "key_in_use"
        case stripe.IdempotencyError():
            return "key_spent"
        case _:
            return _word(error.code, default=f"http_{error.http_status}")


def first_answer(error: stripe.StripeError) -> CallAnswer:
    """Say what a first authorization that raised came to: nothing was sent under its key before."""
    match failure_of(error):
        case Failure.DECLINED:
            return declined_answer(error)
        case Failure.REFUSED | Failure.NOT_SENT:
            return not_sent(cause_of(error))
        case _:
            return unknown(cause_of(error))


def repeated_answer(error: stripe.StripeError) -> CallAnswer:
    """Say what a repetition that raised came to: that it was not sent says nothing of the first."""
    if failure_of(error) is Failure.DECLINED:
        return declined_answer(error)
    return unknown(cause_of(error))


def declined_answer(error: stripe.StripeError) -> CallAnswer:
    """Render a card's no."""
    details = error.error
    reference = getattr(getattr(details, "payment_intent", None), "id", "")
    return declined(
        _word(error.code, default="card_declined"),
        issuer_code=_word(getattr(details, "decline_code", None), default=""),
        reference=reference if isinstance(reference, str) else "",
    )


def authorization_answer(intent: Intent) -> CallAnswer:
    """Read an authorization off a payment; what waits for the shopper is unknown as yet."""
    if intent.burnt:
        return not_sent("burnt", reference=intent.reference)
    match intent.status:
        case "requires_capture" | "succeeded":
            return done(intent.reference)
        case "requires_payment_method":
            return _last_decline(intent)
        case "canceled":
            return declined("payment_canceled", reference=intent.reference)
        case status:
            return unknown(_word(status, default="malformed"), reference=intent.reference)


def capture_answer(intent: Intent) -> CallAnswer:
    """Read a capture off a payment; unknown as long as the amount is only reserved."""
    match intent.status:
        case "succeeded":
            return done(intent.reference)
        case "canceled":
            return declined("payment_canceled", reference=intent.reference)
        case status:
            return unknown(_word(status, default="malformed"), reference=intent.reference)


def cancellation_answer(intent: Intent) -> CallAnswer:
    """Read a cancellation off a payment; unknown as long as it could still be captured."""
    match intent.status:
        case "canceled":
            return done(intent.reference)
        case "succeeded":
            return declined("payment_captured", reference=intent.reference)
        case status:
            return unknown(_word(status, default="malformed"), reference=intent.reference)


def refund_answer(refund: Refunding) -> CallAnswer:
    """Read the outcome of a refund; one that is pending is unknown as yet."""
    match refund.status:
        case "succeeded":
            return done(refund.reference)
        case "failed" | "canceled":
            code = _word(refund.failure, default=f"refund_{refund.status}")
            return declined(code, reference=refund.reference)
        case status:
            return unknown(_word(status, default="malformed"), reference=refund.reference)


def _last_decline(intent: Intent) -> CallAnswer:
    code, issuer_code = intent.error or ("", "")
    return declined(
        _word(code, default="card_declined"),
        issuer_code=_word(issuer_code, default=""),
        reference=intent.reference,
    )


def _is_replayed(error: stripe.StripeError) -> bool:
    """Tell whether the answer is the kept one of an earlier request with the same key."""
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def _word(text: object, *, default: str) -> str:
    """Take a code as it is, and nothing that is no code."""
    return text if isinstance(text, str) and _WORD.fullmatch(text) else default
