"""Stripe behind the wallet's ``Provider``: what is asked in which case, so that no outcome is guessed.

The requests are in ``stripe_calls``, what an answer means in ``stripe_outcomes``, how
requests travel in ``stripe_http``. The SDK never tries again by itself: whether a
repetition is safe is decided here.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

import stripe
import structlog
from stripe import _util as stripe_util

from services.wallet.clients.answer import CallAnswer, declined, not_sent, unknown
from services.wallet.clients.provider import (
    CardCall,
    EnrolledCard,
    Enrolment,
    ProviderEvent,
    ProviderUnavailable,
)
from services.wallet.clients.stripe_calls import StripeCalls
from services.wallet.clients.stripe_http import Transport, open_session
from services.wallet.clients.stripe_objects import Intent
from services.wallet.clients.stripe_outcomes import (
    Failure,
    authorization_answer,
    cancellation_answer,
    capture_answer,
    cause_of,
    failure_of,
    first_answer,
    refund_answer,
    repeated_answer,
)

API_VERSION: Final = "2026-10-28.endive"
"""The version of the API whose answers the code was written for; a newer SDK does not change it."""

_SILENT: Final = logging.CRITICAL + 1
_REFUSALS: Final = (Failure.REFUSED, Failure.DECLINED)
_RESERVED: Final = "requires_capture"
_ENDED: Final = "ended_without_effect"
_REFUNDED_OTHERWISE: Final = "charge_already_refunded"

T = TypeVar("T")
log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_stripe(
    *, api_key: str, url: str, timeout_seconds: float, connections_max: int
) -> AsyncIterator["StripeProvider"]:
    """Open Stripe, or at ``url`` what speaks its API; an empty ``url`` is Stripe itself.

    ``timeout_seconds`` bounds each request whole, from waiting for its turn to the last
    byte of its answer.
    """
    _silence_the_sdk()
    async with open_session(connections_max=connections_max) as session:
        client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            max_network_retries=0,
            base_addresses={"api": url.rstrip("/")} if url else None,
            http_client=Transport(
                session, timeout_seconds=timeout_seconds, connections_max=connections_max
            ),
        )
        yield StripeProvider(StripeCalls(client))


def _silence_the_sdk() -> None:
    """Turn off what the SDK keeps in global variables: telemetry, and logs with whole bodies.

    The environment could ask for its log, too; whoever does that here would get secrets.
    """
    stripe.enable_telemetry = False
    stripe.log = None
    stripe_util.STRIPE_LOG = None
    logging.getLogger("stripe").setLevel(_SILENT)


class StripeProvider:
    """A ``Provider``."""

    def __init__(self, calls: StripeCalls) -> None:
        """Take the requests."""
        self._calls = calls

    async def register_shopper(self, customer_id: UUID) -> str:
        """See ``Provider``."""
        return await _available(self._calls.create_customer(customer_id))

    async def start_enrolment(self, provider_customer: str, *, request_id: UUID) -> Enrolment:
        """See ``Provider``."""
        request = self._calls.create_enrolment(provider_customer, request_id=request_id)
        return await _available(request)

    async def read_enrolment(self, reference: str) -> EnrolledCard | None:
        """See ``Provider``."""
        try:
            return await self._calls.read_enrolment(reference)
        except stripe.StripeError as error:
            if failure_of(error) is Failure.REFUSED:
                return None
            raise _unavailable(error) from error

    async def detach(self, provider_method: str) -> None:
        """See ``Provider``."""
        try:
            await self._calls.detach_method(provider_method)
        except stripe.StripeError as error:
            if failure_of(error) is not Failure.REFUSED:
                raise _unavailable(error) from error

    async def authorize(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        try:
            return await self._settled(call, await self._calls.create_intent(call))
        except stripe.StripeError as error:
            return first_answer(error)

    async def retry_authorization(self, call: CardCall) -> CallAnswer:
        """See ``Provider``.

        It looks first, since the provider forgets keys after a day and would do it twice.
        """
        return await self._unless_found(call, self._retried)

    async def look_up_authorization(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        return await self._unless_found(call, _nothing_found)

    async def burn_authorization(self, call: CardCall) -> CallAnswer:
        """See ``Provider``. It looks first: a key that was forgotten can be taken, and proves nothing."""
        return await self._unless_found(call, self._burnt)

    async def capture(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        return await self._send(call, self._capture(call))

    async def find_out_capture(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        return await self._find_out(call, self._capture(call))

    async def cancel(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        return await self._send(call, self._cancellation(call))

    async def find_out_cancellation(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        return await self._find_out(call, self._cancellation(call))

    async def refund(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        return await self._send(call, self._refund(call))

    async def find_out_refund(self, call: CardCall) -> CallAnswer:
        """See ``Provider``."""
        return await self._find_out(call, self._refund(call))

    async def list_events(self, *, after: str) -> Sequence[ProviderEvent]:
        """See ``Provider``. Where the provider has forgotten the event, the latest follow."""
        try:
            return await self._calls.list_events(after=after)
        except stripe.StripeError as error:
            if not after or failure_of(error) is not Failure.REFUSED:
                raise _unavailable(error) from error
        return await _available(self._calls.list_events(after=""))

    async def _unless_found(
        self, call: CardCall, otherwise: Callable[[CardCall], Awaitable[CallAnswer]]
    ) -> CallAnswer:
        """Read what the provider shows of an authorization; go on where it shows none."""
        try:
            if call.provider_reference:
                intent: Intent | None = await self._calls.read_intent(call.provider_reference)
            else:
                intent = await self._calls.find_intent(call)
            if intent is not None:
                return await self._settled(call, intent)
        except stripe.StripeError as error:
            return unknown(cause_of(error), reference=call.provider_reference)
        return await otherwise(call)

    async def _retried(self, call: CardCall) -> CallAnswer:
        """Send the same under the same key: what was done is answered again, not done again."""
        try:
            return await self._settled(call, await self._calls.create_intent(call))
        except stripe.StripeError as error:
            if failure_of(error) is not Failure.ENDED:
                return repeated_answer(error)
        return await self._unless_found(call, _without_effect)

    async def _burnt(self, call: CardCall) -> CallAnswer:
        """Take the key; where it is spent, sending the same again tells what it was spent for."""
        try:
            return await self._settled(call, await self._calls.create_burnt_intent(call))
        except stripe.StripeError as error:
            failure = failure_of(error)
            cause = cause_of(error)
        if failure is Failure.KEY_SPENT:
            return await self._retried(call)
        if failure is Failure.ENDED:
            return await self._unless_found(call, _without_effect)
        if failure is Failure.DECLINED:
            # There is no card to say no: the amount itself is refused, as it was and will be for this leg.
            return declined(cause, reference=call.provider_reference)
        return unknown(cause, reference=call.provider_reference)

    async def _settled(self, call: CardCall, intent: Intent) -> CallAnswer:
        """Read an authorization, and end what would wait for somebody.

        A shopper at the till cannot go through an authentication of the bank there, and
        what was never confirmed nobody will confirm.
        """
        if intent.burnt and intent.status != "canceled":
            await self._abandoned(call, intent)
        elif intent.status == "requires_action" and await self._abandoned(call, intent):
            return declined("authentication_required", reference=intent.reference)
        elif intent.status == "requires_confirmation" and await self._abandoned(call, intent):
            return not_sent("requires_confirmation", reference=intent.reference)
        return authorization_answer(intent)

    async def _abandoned(self, call: CardCall, intent: Intent) -> bool:
        """Cancel a payment that reserves nothing, and tell whether that is certain."""
        try:
            canceled = await self._calls.abandon_intent(call, intent.reference)
        except stripe.StripeError:
            return False
        return canceled.status == "canceled"

    def _capture(self, call: CardCall) -> "_Change":
        async def send() -> CallAnswer:
            return capture_answer(await self._calls.capture_intent(call))

        async def look() -> CallAnswer | None:
            intent = await self._calls.read_intent(call.provider_reference)
            return None if intent.status == _RESERVED else capture_answer(intent)

        return _Change(send, look)

    def _cancellation(self, call: CardCall) -> "_Change":
        async def send() -> CallAnswer:
            return cancellation_answer(await self._calls.cancel_intent(call))

        async def look() -> CallAnswer | None:
            intent = await self._calls.read_intent(call.provider_reference)
            return None if intent.status == _RESERVED else cancellation_answer(intent)

        return _Change(send, look)

    def _refund(self, call: CardCall) -> "_Change":
        async def send() -> CallAnswer:
            return refund_answer(await self._calls.create_refund(call))

        async def look() -> CallAnswer | None:
            refund = await self._calls.find_refund(call)
            return None if refund is None else refund_answer(refund)

        return _Change(send, look, refusal_is_final=True)

    async def _send(self, call: CardCall, change: "_Change") -> CallAnswer:
        """Ask for a change for the first time; where it is refused, look why."""
        try:
            return await change.send()
        except stripe.StripeError as error:
            refusal = error
        if failure_of(refusal) in _REFUSALS:
            try:
                seen = await change.look()
            except stripe.StripeError as error:
                return unknown(cause_of(error), reference=call.provider_reference)
            if seen is not None:
                return seen
            if change.refusal_is_final:
                return declined(cause_of(refusal), reference=call.provider_reference)
        return unknown(cause_of(refusal), reference=call.provider_reference)

    async def _find_out(self, call: CardCall, change: "_Change") -> CallAnswer:
        """Look, and ask again for what a look shows not to be done.

        NOT_SENT where the key's execution has ended without effect: its kept failure
        would be the answer for ever, so that the next try needs a new key.
        """
        try:
            return await change.look() or await change.send()
        except stripe.StripeError as error:
            trouble = error
        try:
            seen = await change.look()
        except stripe.StripeError as error:
            return unknown(cause_of(error), reference=call.provider_reference)
        if seen is not None:
            return seen
        if failure_of(trouble) is Failure.ENDED:
            return not_sent(_ENDED, reference=call.provider_reference)
        if change.refusal_is_final and trouble.code == _REFUNDED_OTHERWISE:
            return declined(_REFUNDED_OTHERWISE, reference=call.provider_reference)
        return unknown(cause_of(trouble), reference=call.provider_reference)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of a payment that stands: how to ask for it, and how to see what came of it."""

    send: Callable[[], Awaitable[CallAnswer]]
    look: Callable[[], Awaitable[CallAnswer | None]]
    """None where nothing of it is to be seen."""
    refusal_is_final: bool = False
    """Whether a refused request is a no for good, where nothing else is to be seen."""


async def _nothing_found(_: CardCall) -> CallAnswer:
    return unknown("nothing_found")


async def _without_effect(_: CardCall) -> CallAnswer:
    """Say what came of an execution that has ended, when nothing is to be seen of it."""
    return not_sent(_ENDED)


async def _available(request: Awaitable[T]) -> T:
    try:
        return await request
    except stripe.StripeError as error:
        raise _unavailable(error) from error


def _unavailable(error: stripe.StripeError) -> ProviderUnavailable:
    cause = cause_of(error)
    log.warning("wallet.provider_unavailable", reason=cause)
    return ProviderUnavailable(f"The payment provider did not answer: {cause}.", cause=cause)
