"""The requests of the official SDK that the wallet makes, one function each, with our keys and parameters.

They raise ``stripe.StripeError`` and nothing else. A key is made of the leg, the operation
and the try, so that a repetition by whatever process carries the same one; the parameters
under a key never change, since the provider refuses that.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import UUID

import stripe

from services.wallet.clients.provider import CardCall, EnrolledCard, Enrolment, ProviderEvent
from services.wallet.clients.stripe_objects import (
    BURNT_KEY,
    LEG_KEY,
    PAYMENT_KEY,
    TRY_KEY,
    Intent,
    Malformed,
    Refunding,
    read_enrolled_card,
    read_event,
    read_intent,
    read_list,
    read_reference,
    read_refund,
    read_secret,
)

PAGE_MAX: Final = 100
"""Items on a page of a list, as many as the provider gives."""

_PAGES_MAX: Final = 20

_EVENT_TYPES: Final = (
    "charge.refunded",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
"""The kinds of events that tell of a payment of ours; an account has many more."""

_INTENTS: Final = "/v1/payment_intents"
_REFUNDS: Final = "/v1/refunds"
_ENROLMENTS: Final = "/v1/setup_intents"

T = TypeVar("T")


class StripeCalls:
    """The SDK's client, asked for what the wallet needs.

    Answers are read as the JSON that they are. The SDK would make an object of every part of
    them, at more cost than sending the request, and we take a few fields over anyhow.
    """

    def __init__(self, client: stripe.StripeClient) -> None:
        """Take a client whose transport bounds every request."""
        self._client = client

    async def create_intent(self, call: CardCall) -> Intent:
        """Create and confirm a payment in one request; its amount is reserved, not taken."""
        params = {
            "amount": call.amount_minor,
            "currency": call.currency_code.lower(),
            "customer": call.provider_customer,
            "payment_method": call.provider_method,
            "allowed_payment_method_types": ["card"],
            "capture_method": "manual",
            "confirm": True,
            "metadata": _metadata(call),
        }
        return await self._post(_INTENTS, params, key=_key(call, "authorize"), read=read_intent)

    async def create_burnt_intent(self, call: CardCall) -> Intent:
        """Use up the key of ``create_intent``: a payment without a card, which nobody can confirm."""
        params = {
            "amount": call.amount_minor,
            "currency": call.currency_code.lower(),
            "allowed_payment_method_types": ["card"],
            "capture_method": "manual",
            "metadata": {**_metadata(call), BURNT_KEY: "true"},
        }
        return await self._post(_INTENTS, params, key=_key(call, "authorize"), read=read_intent)

    async def read_intent(self, reference: str) -> Intent:
        """Read a payment."""
        return await self._get(_path(_INTENTS, reference), {}, read=read_intent)

    async def find_intent(self, call: CardCall) -> Intent | None:
        """Find the payment of a leg among those of its shopper, newest first.

        Lists show at once what was created; the provider's search does not.

        Raises:
            Malformed: the list is longer than can be read, so that nothing found says nothing.
        """
        params: dict[str, Any] = {"customer": call.provider_customer, "limit": PAGE_MAX}
        for _ in range(_PAGES_MAX):
            page = await self._get(_INTENTS, params, read=read_list)
            intents = [read_intent(item) for item in page]
            for intent in intents:
                if intent.leg == str(call.leg_id):
                    return intent
            if len(intents) < PAGE_MAX:
                return None
            params = {**params, "starting_after": intents[-1].reference}
        raise Malformed("list too long", code="list_too_long")

    async def capture_intent(self, call: CardCall) -> Intent:
        """Take the reserved amount."""
        return await self._post(
            _path(_INTENTS, call.provider_reference, "capture"),
            {"amount_to_capture": call.amount_minor},
            key=_key(call, "capture"),
            read=read_intent,
        )

    async def cancel_intent(self, call: CardCall) -> Intent:
        """Give the reserved amount free."""
        path = _path(_INTENTS, call.provider_reference, "cancel")
        return await self._post(path, {}, key=_key(call, "cancel"), read=read_intent)

    async def abandon_intent(self, call: CardCall, reference: str) -> Intent:
        """Cancel a payment of an authorization that reserved nothing."""
        path = _path(_INTENTS, reference, "cancel")
        return await self._post(path, {}, key=_key(call, "abandon"), read=read_intent)

    async def create_refund(self, call: CardCall) -> Refunding:
        """Give the captured amount back."""
        params = {
            "payment_intent": call.provider_reference,
            "amount": call.amount_minor,
            "metadata": _refund_metadata(call),
        }
        return await self._post(_REFUNDS, params, key=_key(call, "refund"), read=read_refund)

    async def find_refund(self, call: CardCall) -> Refunding | None:
        """Find the refund of a leg among those of its payment.

        One that failed answers for its own try alone: the next try's may still be under way. One that stands answers
        for all, for a late one of an earlier try has given the money back as well.
        """
        params = {"payment_intent": call.provider_reference, "limit": PAGE_MAX}
        page = await self._get(_REFUNDS, params, read=read_list)
        refunds = [read_refund(item) for item in page]
        ours = [refund for refund in refunds if refund.leg == str(call.leg_id)]
        standing = [refund for refund in ours if not refund.ended]
        of_this_try = [refund for refund in ours if refund.try_number == call.try_number]
        return next(iter(standing + of_this_try), None)

    async def create_customer(self, customer_id: UUID) -> str:
        """Make the provider know a shopper, by our pseudonymous id alone."""
        return await self._post(
            "/v1/customers",
            {"metadata": {"customer": str(customer_id)}},
            key=f"{customer_id}:customer",
            read=read_reference,
        )

    async def create_enrolment(self, provider_customer: str, *, request_id: UUID) -> Enrolment:
        """Begin an enrolment, for payments with the shopper present."""
        return await self._post(
            _ENROLMENTS,
            {
                "customer": provider_customer,
                "usage": "on_session",
                "allowed_payment_method_types": ["card"],
            },
            key=f"{request_id}:enrolment:{provider_customer}",
            read=lambda item: Enrolment(
                provider_reference=read_reference(item), client_secret=read_secret(item)
            ),
        )

    async def read_enrolment(self, reference: str) -> EnrolledCard | None:
        """Read the card of an enrolment; None unless it succeeded."""
        path = _path(_ENROLMENTS, reference)
        return await self._get(path, {"expand": ["payment_method"]}, read=read_enrolled_card)

    async def detach_method(self, provider_method: str) -> None:
        """Take a method away from its shopper."""
        path = _path("/v1/payment_methods", provider_method, "detach")
        await self._post(path, {}, key=f"{provider_method}:detach", read=read_reference)

    async def list_events(self, *, after: str) -> Sequence[ProviderEvent]:
        """Read the next events after the one of this id, oldest first; for an empty id the latest."""
        params: dict[str, Any] = {"limit": PAGE_MAX, "types": list(_EVENT_TYPES)}
        if after:
            params["ending_before"] = after
        page = await self._get("/v1/events", params, read=read_list)
        return [read_event(item) for item in reversed(page)]

    async def _get(self, path: str, params: Mapping[str, Any], *, read: Callable[[object], T]) -> T:
        return await _taken(self._client.raw_request_async("get", path, **params), read)

    async def _post(
        self, path: str, params: Mapping[str, Any], *, key: str, read: Callable[[object], T]
    ) -> T:
        request = self._client.raw_request_async("post", path, idempotency_key=key, **params)
        return await _taken(request, read)


def _path(collection: str, *parts: str) -> str:
    """Give the path of an object, or of something to be done with it; a reference cannot leave its place."""
    return "/".join((collection, *(quote(part, safe="") for part in parts)))


def _key(call: CardCall, operation: str) -> str:
    """Give the provider's idempotency key of an operation, the same at every repetition."""
    return f"{call.leg_id}:{operation}:{call.try_number}"


def _metadata(call: CardCall) -> dict[str, str]:
    return {LEG_KEY: str(call.leg_id), PAYMENT_KEY: str(call.payment_id)}


def _refund_metadata(call: CardCall) -> dict[str, str]:
    """Name the try, too, from the second one on: what the first one's key was used with stays as it was."""
    if call.try_number == 1:
        return _metadata(call)
    return {**_metadata(call), TRY_KEY: str(call.try_number)}


async def _taken(request: Awaitable[stripe.StripeResponse], read: Callable[[object], T]) -> T:
    """Await an answer and take it over.

    The SDK takes the shape of an answer on trust and stumbles over another one in many
    ways; all of them mean the same.
    """
    try:
        return read((await request).data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Malformed("not as documented", code="malformed") from error
