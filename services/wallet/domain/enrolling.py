"""Decisions about shoppers: the provider's name of one, and the cards that one can pay with."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.wallet.domain.batch import Batch, Stamps
from services.wallet.domain.command import (
    DefaultMethod,
    DetachMethod,
    EnrolMethod,
    RegisterShopper,
)
from services.wallet.domain.event import (
    PaymentMethodDefaulted,
    PaymentMethodDetached,
    PaymentMethodEnrolled,
    ShopperRegistered,
)
from services.wallet.domain.shopper import (
    METHODS_MAX,
    EnrolmentNotFinished,
    PaymentMethodNotFound,
    PaymentMethodsTooMany,
    Shopper,
)


class ShopperOutcome(NamedTuple):
    """A shopper right after the command, the method it was about, and whether it changed nothing."""

    shopper: Shopper
    payment_method_id: UUID | None
    replayed: bool


def decide_register(batch: Batch, command: RegisterShopper, *, now: datetime) -> ShopperOutcome:
    """Keep under which name the provider knows a shopper; the first name stays."""
    known = batch.shoppers.get(command.customer_id)
    if known is None:
        stamps = Stamps(command.event_id, command.trace_parent, now)
        batch.record(
            ShopperRegistered(
                stamp=stamps.new(),
                customer_id=command.customer_id,
                provider_customer=command.provider_customer,
            )
        )
    return ShopperOutcome(batch.shoppers[command.customer_id], None, replayed=known is not None)


def decide_enrol(batch: Batch, command: EnrolMethod, *, now: datetime) -> ShopperOutcome:
    """Keep a card; one that is there already, by its id or fingerprint, is answered as it is.

    Raises:
        EnrolmentNotFinished: the shopper is not registered, or the method of this enrolment was detached since.
        PaymentMethodsTooMany: the shopper has as many methods as one may have.
    """
    shopper = batch.shoppers.get(command.customer_id)
    if shopper is None or command.payment_method_id in shopper.detached_ids:
        raise EnrolmentNotFinished("The enrolment leads to no payment method.")
    for method in shopper.methods:
        if command.payment_method_id == method.payment_method_id or (
            command.fingerprint and command.fingerprint == method.fingerprint
        ):
            return ShopperOutcome(shopper, method.payment_method_id, replayed=True)
    if len(shopper.methods) >= METHODS_MAX:
        raise PaymentMethodsTooMany(
            "The shopper has as many payment methods as one may have.", methods_max=METHODS_MAX
        )
    stamps = Stamps(command.event_id, command.trace_parent, now)
    batch.record(
        PaymentMethodEnrolled(
            stamp=stamps.new(),
            customer_id=command.customer_id,
            payment_method_id=command.payment_method_id,
            provider_method=command.provider_method,
            fingerprint=command.fingerprint,
            brand=command.brand,
            last_four=command.last_four,
            expire_month=command.expire_month,
            expire_year=command.expire_year,
        )
    )
    return ShopperOutcome(
        batch.shoppers[command.customer_id], command.payment_method_id, replayed=False
    )


def decide_default(batch: Batch, command: DefaultMethod, *, now: datetime) -> ShopperOutcome:
    """Use a method when none is named.

    Raises:
        PaymentMethodNotFound: the shopper has no such method.
    """
    shopper = batch.shoppers.get(command.customer_id)
    if shopper is None or shopper.find(command.payment_method_id) is None:
        raise PaymentMethodNotFound("The shopper has no such payment method.")
    replayed = shopper.default_id == command.payment_method_id
    if not replayed:
        stamps = Stamps(command.event_id, command.trace_parent, now)
        batch.record(
            PaymentMethodDefaulted(
                stamp=stamps.new(),
                customer_id=command.customer_id,
                payment_method_id=command.payment_method_id,
            )
        )
    shopper = batch.shoppers[command.customer_id]
    return ShopperOutcome(shopper, command.payment_method_id, replayed=replayed)


def decide_detach(batch: Batch, command: DetachMethod, *, now: datetime) -> ShopperOutcome:
    """Forget a method; a repeat changes nothing.

    Raises:
        PaymentMethodNotFound: the shopper never had such a method.
    """
    shopper = batch.shoppers.get(command.customer_id)
    if shopper is not None and command.payment_method_id in shopper.detached_ids:
        return ShopperOutcome(shopper, command.payment_method_id, replayed=True)
    if shopper is None or shopper.find(command.payment_method_id) is None:
        raise PaymentMethodNotFound("The shopper has no such payment method.")
    stamps = Stamps(command.event_id, command.trace_parent, now)
    batch.record(
        PaymentMethodDetached(
            stamp=stamps.new(),
            customer_id=command.customer_id,
            payment_method_id=command.payment_method_id,
        )
    )
    shopper = batch.shoppers[command.customer_id]
    return ShopperOutcome(shopper, command.payment_method_id, replayed=False)
