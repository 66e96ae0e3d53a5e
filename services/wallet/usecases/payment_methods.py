"""Payment cards of shoppers: enrolled and forgotten at the provider, kept here as tokens."""

from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.ids import new_uuid7
from services.common.runtime.identity import Caller
from services.common.runtime.telemetry import current_traceparent
from services.wallet.clients.provider import EnrolledCard, Enrolment, Provider
from services.wallet.domain.command import (
    DefaultMethod,
    DetachMethod,
    EnrolMethod,
    RegisterShopper,
)
from services.wallet.domain.enrolling import ShopperOutcome
from services.wallet.domain.shopper import EnrolmentNotFinished, PaymentMethodNotFound, Shopper
from services.wallet.usecases.execute import Queue, execute
from services.wallet.usecases.read import Reader, shopper_id

_UUID_VERSION: Final = 8 << 76
_UUID_VARIANT: Final = 2 << 62
_UUID_FREE_BITS: Final = ~(0xF << 76 | 0x3 << 62)


class MethodView(NamedTuple):
    """A method and the shopper whose it is."""

    shopper: Shopper
    payment_method_id: UUID


class PaymentMethods:
    """What a shopper may do with cards."""

    def __init__(self, queue: Queue, reader: Reader, provider: Provider) -> None:
        """Take the queue, the questions and the provider."""
        self._queue = queue
        self._reader = reader
        self._provider = provider

    async def begin_enrolment(self, request_id: UUID, *, caller: Caller) -> Enrolment:
        """Begin an enrolment at the provider; a repeat finds the same one.

        Raises:
            ProviderUnavailable: the provider did not answer.
        """
        customer_id = shopper_id(caller)
        shopper = await self._reader.shopper(customer_id)
        if shopper is None:
            provider_customer = await self._provider.register_shopper(customer_id)
            command = RegisterShopper(
                event_id=new_uuid7(),
                trace_parent=current_traceparent(),
                customer_id=customer_id,
                provider_customer=provider_customer,
            )
            shopper = (await execute(self._queue, command, ShopperOutcome)).shopper
        return await self._provider.start_enrolment(
            shopper.provider_customer, request_id=request_id
        )

    async def finish_enrolment(self, provider_reference: str, *, caller: Caller) -> MethodView:
        """Take over the card of an enrolment that succeeded; the same card is kept once.

        Raises:
            EnrolmentNotFinished: it did not succeed, or is not the caller's.
            PaymentMethodsTooMany: as it says.
            ProviderUnavailable: the provider did not answer.
        """
        customer_id = shopper_id(caller)
        shopper = await self._reader.shopper(customer_id)
        card = await self._provider.read_enrolment(provider_reference)
        if shopper is None or card is None or card.provider_customer != shopper.provider_customer:
            raise EnrolmentNotFinished("The enrolment leads to no payment method.")
        command = _enrol(customer_id, provider_reference, card)
        outcome = await execute(self._queue, command, ShopperOutcome)
        assert outcome.payment_method_id is not None, "an enrolment leads to a method"
        kept = outcome.shopper.find(outcome.payment_method_id)
        assert kept is not None, "what was just kept is there"
        if kept.provider_method != card.provider_method:
            await self._provider.detach(card.provider_method)
        return MethodView(outcome.shopper, kept.payment_method_id)

    async def shopper(self, *, caller: Caller) -> Shopper | None:
        """Give the caller with all methods; None for one who has never had any."""
        return await self._reader.shopper(shopper_id(caller))

    async def set_default(self, payment_method_id: UUID, *, caller: Caller) -> MethodView:
        """Use a method when none is named.

        Raises:
            PaymentMethodNotFound: the caller has no such method.
        """
        command = DefaultMethod(
            event_id=new_uuid7(),
            trace_parent=current_traceparent(),
            customer_id=shopper_id(caller),
            payment_method_id=payment_method_id,
        )
        outcome = await execute(self._queue, command, ShopperOutcome)
        return MethodView(outcome.shopper, payment_method_id)

    async def detach(self, payment_method_id: UUID, *, caller: Caller) -> None:
        """Make a method useless at the provider, then forget it; a repeat changes nothing.

        Raises:
            PaymentMethodNotFound: the caller never had such a method.
            ProviderUnavailable: the provider did not answer.
        """
        shopper = await self._reader.shopper(shopper_id(caller))
        if shopper is None:
            raise PaymentMethodNotFound("The shopper has no such payment method.")
        method = shopper.find(payment_method_id)
        if method is not None:
            await self._provider.detach(method.provider_method)
        command = DetachMethod(
            event_id=new_uuid7(),
            trace_parent=current_traceparent(),
            customer_id=shopper.customer_id,
            payment_method_id=payment_method_id,
        )
        await execute(self._queue, command, ShopperOutcome)


def method_id(customer_id: UUID, provider_reference: str) -> UUID:
    """Give the id of the method that an enrolment leads to, the same at every repetition."""
    digest = sha256(customer_id.bytes + provider_reference.encode()).digest()
    number = int.from_bytes(digest[:16], "big") & _UUID_FREE_BITS
    return UUID(int=number | _UUID_VERSION | _UUID_VARIANT)


def _enrol(customer_id: UUID, provider_reference: str, card: EnrolledCard) -> EnrolMethod:
    return EnrolMethod(
        event_id=new_uuid7(),
        trace_parent=current_traceparent(),
        customer_id=customer_id,
        payment_method_id=method_id(customer_id, provider_reference),
        provider_method=card.provider_method,
        fingerprint=card.fingerprint,
        brand=card.brand,
        last_four=card.last_four,
        expire_month=card.expire_month,
        expire_year=card.expire_year,
    )
