"""Shoppers: under which name the provider knows one, and the cards that one can pay with."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from services.common.kernel.errors import FailedPrecondition, NotFound
from services.wallet.domain.event import (
    PaymentMethodDefaulted,
    PaymentMethodDetached,
    PaymentMethodEnrolled,
    ShopperEvent,
    ShopperRegistered,
)
from services.wallet.domain.tender import CardMeans

METHODS_MAX: Final = 10
"""How many methods a shopper may have at a time."""


class PaymentMethodNotFound(NotFound):
    """The shopper has no such method, or none at all."""

    reason = "PAYMENT_METHOD_NOT_FOUND"


class PaymentMethodsTooMany(FailedPrecondition):
    """The shopper has as many methods as one may have."""

    reason = "PAYMENT_METHODS_TOO_MANY"


class EnrolmentNotFinished(FailedPrecondition):
    """The provider does not call the enrolment succeeded, or it is not the caller's."""

    reason = "ENROLMENT_NOT_FINISHED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A card as the provider's token, and what the shopper recognizes it by."""

    payment_method_id: UUID
    provider_method: str
    fingerprint: str
    brand: str
    last_four: str
    expire_month: int
    expire_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shopper:
    """One shopper; it changes by facts alone (``apply``)."""

    customer_id: UUID
    version: int
    """Number of facts so far."""
    provider_customer: str
    methods: tuple[PaymentMethod, ...] = ()
    """Methods that can be used, oldest first."""
    default_id: UUID | None = None
    """Present exactly when there is a method."""
    detached_ids: frozenset[UUID] = frozenset()

    def find(self, payment_method_id: UUID) -> PaymentMethod | None:
        """Give a method that can be used."""
        wanted = (m for m in self.methods if m.payment_method_id == payment_method_id)
        return next(wanted, None)


def card_of(shopper: Shopper | None, payment_method_id: UUID | None) -> CardMeans:
    """Give the means behind a method; none means the default one.

    Raises:
        PaymentMethodNotFound: the shopper has no such method, or none at all.
    """
    asked = payment_method_id or (shopper.default_id if shopper else None)
    method = shopper.find(asked) if shopper and asked else None
    if shopper is None or method is None:
        raise PaymentMethodNotFound("The shopper has no such payment method.")
    return CardMeans(
        payment_method_id=method.payment_method_id,
        provider_customer=shopper.provider_customer,
        provider_method=method.provider_method,
    )


def apply(shopper: Shopper | None, event: ShopperEvent) -> Shopper:
    """Fold one fact in; facts come in the order of the journal, without a gap."""
    if shopper is None:
        assert isinstance(event, ShopperRegistered), "a shopper begins by being registered"
        return Shopper(
            customer_id=event.customer_id, version=1, provider_customer=event.provider_customer
        )
    shopper = replace(shopper, version=shopper.version + 1)
    match event:
        case PaymentMethodEnrolled():
            return _enrolled(shopper, event)
        case PaymentMethodDefaulted():
            return replace(shopper, default_id=event.payment_method_id)
        case PaymentMethodDetached():
            return _detached(shopper, event.payment_method_id)
        case ShopperRegistered():
            raise AssertionError("a shopper is registered once")


def _enrolled(shopper: Shopper, event: PaymentMethodEnrolled) -> Shopper:
    method = PaymentMethod(
        payment_method_id=event.payment_method_id,
        provider_method=event.provider_method,
        fingerprint=event.fingerprint,
        brand=event.brand,
        last_four=event.last_four,
        expire_month=event.expire_month,
        expire_year=event.expire_year,
    )
    default_id = shopper.default_id or event.payment_method_id
    return replace(shopper, methods=(*shopper.methods, method), default_id=default_id)


def _detached(shopper: Shopper, payment_method_id: UUID) -> Shopper:
    methods = tuple(m for m in shopper.methods if m.payment_method_id != payment_method_id)
    default_id = shopper.default_id
    if default_id == payment_method_id:
        default_id = methods[0].payment_method_id if methods else None
    return replace(
        shopper,
        methods=methods,
        default_id=default_id,
        detached_ids=shopper.detached_ids | {payment_method_id},
    )
