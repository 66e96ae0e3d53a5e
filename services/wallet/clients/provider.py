"""The payment provider, as the rest of the wallet sees it; ``stripe`` is the real one.

Calls for a leg answer a ``CallAnswer`` and raise nothing for what the provider or the
network does. Calls for enrolment have nothing to find out later: they raise
``ProviderUnavailable``, and the caller asks again with the same ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.common.kernel.errors import Unavailable
from services.wallet.clients.answer import CallAnswer


class ProviderUnavailable(Unavailable):
    """The provider did not answer, and nothing was charged."""

    reason = "PROVIDER_UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCall:
    """An operation on a card leg: all that the provider is told, the same at every repetition."""

    payment_id: UUID
    """The checkout or the top-up."""
    leg_id: UUID
    try_number: int
    """Number of the try at the operation; part of the provider's idempotency key."""
    amount_minor: int
    currency_code: str
    provider_customer: str
    provider_method: str
    provider_reference: str
    """The provider's name of the payment; empty as long as none was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """An enrolment that the phone finishes at the provider."""

    provider_reference: str
    client_secret: str = field(repr=False)
    """For the phone alone: neither kept nor logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledCard:
    """The card of an enrolment that succeeded, as tokens and what a shopper recognizes."""

    provider_customer: str
    provider_method: str
    fingerprint: str
    brand: str
    last_four: str
    expire_month: int
    expire_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """Something happened at the provider; a hint to look at a payment, never a fact by itself."""

    provider_event_id: str
    event_type: str
    object_reference: str
    """The provider's name of the payment it is about; empty where it is about none."""
    payment_id: UUID | None
    """Our name of that payment, where the provider repeats it."""
    create_time: datetime
    """The provider's time of it."""


class Provider(Protocol):
    """What the wallet asks of a payment provider.

    A first call sends. The ``find_out`` calls are for an operation whose outcome is
    unknown: they look first and send again only what cannot happen twice. They answer
    NOT_SENT or DECLINED only on evidence, so OUTCOME_UNKNOWN is what they say meanwhile.
    """

    async def register_shopper(self, customer_id: UUID) -> str:
        """Give the provider's name of a shopper, made now or before.

        Raises:
            ProviderUnavailable: no answer; a repetition finds the same name.
        """

    async def start_enrolment(self, provider_customer: str, *, request_id: UUID) -> Enrolment:
        """Begin an enrolment, or find the one of this request again.

        Raises:
            ProviderUnavailable: no answer; a repetition finds the same enrolment.
        """

    async def read_enrolment(self, reference: str) -> EnrolledCard | None:
        """Give the card of an enrolment; None unless it succeeded.

        Raises:
            ProviderUnavailable: no answer.
        """

    async def detach(self, provider_method: str) -> None:
        """Make a method useless for new payments; one that is gone already is no error.

        Raises:
            ProviderUnavailable: no answer; a repetition is safe.
        """

    async def authorize(self, call: CardCall) -> CallAnswer:
        """Reserve the amount on the card. DONE tells the payment's reference."""

    async def retry_authorization(self, call: CardCall) -> CallAnswer:
        """Look; where nothing is found, send the same again under the same key."""

    async def look_up_authorization(self, call: CardCall) -> CallAnswer:
        """Look, by the reference or else among the shopper's payments; send nothing."""

    async def burn_authorization(self, call: CardCall) -> CallAnswer:
        """Make sure that it neither happened nor can: take its key for something harmless.

        NOT_SENT where that worked; otherwise what the look-up says.
        """

    async def capture(self, call: CardCall) -> CallAnswer:
        """Take the reserved amount. DECLINED: the reservation is gone."""

    async def find_out_capture(self, call: CardCall) -> CallAnswer:
        """Look, and send again as long as the amount is only reserved."""

    async def cancel(self, call: CardCall) -> CallAnswer:
        """Give the reserved amount free. DECLINED: it was captured."""

    async def find_out_cancellation(self, call: CardCall) -> CallAnswer:
        """Look, and send again as long as the amount is reserved."""

    async def refund(self, call: CardCall) -> CallAnswer:
        """Give the captured amount back. DONE tells the refund's reference."""

    async def find_out_refund(self, call: CardCall) -> CallAnswer:
        """Look for the refund of this leg, and send the same again where there is none."""

    async def list_events(self, *, after: str) -> Sequence[ProviderEvent]:
        """Give the next events after the one of this id, oldest first; for an empty id the latest.

        Raises:
            ProviderUnavailable: no answer.
        """
