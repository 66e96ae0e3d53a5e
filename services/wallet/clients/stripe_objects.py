"""What the provider tells, taken over into values of ours; what is not as documented is malformed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import stripe

from services.wallet.clients.provider import EnrolledCard, ProviderEvent
from services.wallet.domain.leg import Decline

LEG_KEY: Final = "leg"
"""Key of the metadata that names the leg, on payments and on refunds."""

PAYMENT_KEY: Final = "payment"
"""Key of the metadata that names the checkout or the top-up."""

BURNT_KEY: Final = "burnt"
"""Key of the metadata of a payment that exists only to use up an idempotency key."""

TRY_KEY: Final = "try"
"""Key of the metadata that names the try, on refunds after the first."""

_TEXT_LENGTH_MAX: Final = 255
_NUMBER_MAX: Final = 253_402_300_799
"""The last second of the year 9999."""

_PAYMENT_OBJECT: Final = "payment_intent"
_SUCCEEDED: Final = "succeeded"
_REFUND_ENDED: Final = frozenset({"failed", "canceled"})


class Malformed(stripe.StripeError):
    """An answer that is not as documented: whatever was asked may have happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A payment at the provider (a payment intent)."""

    reference: str
    status: str
    leg: str
    """Our leg, as its metadata names it; empty where it names none."""
    burnt: bool
    """Whether it exists only to use up an idempotency key."""
    error: Decline | None
    """The last no that it got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunding:
    """A refund at the provider."""

    reference: str
    status: str
    leg: str
    """Our leg, as its metadata names it; empty where it names none."""
    failure: str
    """Why it failed; empty where it did not."""
    try_number: int = 1
    """Our try, as its metadata names it; it names none for the first."""

    @property
    def ended(self) -> bool:
        """Tell whether it came to nothing."""
        return self.status in _REFUND_ENDED


def read_intent(item: object) -> Intent:
    """Take over a payment.

    Raises:
        Malformed: it has no id or no status.
    """
    error = _part(item, "last_payment_error")
    metadata = _part(item, "metadata")
    return Intent(
        reference=_required(item, "id"),
        status=_required(item, "status"),
        leg=_text(metadata, LEG_KEY),
        burnt=bool(_text(metadata, BURNT_KEY)),
        error=None
        if error is None
        else Decline(_text(error, "code"), _text(error, "decline_code")),
    )


def read_refund(item: object) -> Refunding:
    """Take over a refund.

    Raises:
        Malformed: it has no id or no status.
    """
    metadata = _part(item, "metadata")
    named = _text(metadata, TRY_KEY)
    return Refunding(
        reference=_required(item, "id"),
        status=_required(item, "status"),
        leg=_text(metadata, LEG_KEY),
        failure=_text(item, "failure_reason"),
        try_number=int(named) if named.isdecimal() else 1,
    )


def read_enrolled_card(item: object) -> EnrolledCard | None:
    """Take over the card of an enrolment (a setup intent with its method); None unless it succeeded.

    Raises:
        Malformed: it succeeded and shows no card.
    """
    if _required(item, "status") != _SUCCEEDED:
        return None
    method = _part(item, "payment_method")
    card = _part(method, "card")
    return EnrolledCard(
        provider_customer=_required(item, "customer"),
        provider_method=_required(method, "id"),
        fingerprint=_text(card, "fingerprint"),
        brand=_required(card, "brand"),
        last_four=_required(card, "last4"),
        expire_month=_number(card, "exp_month"),
        expire_year=_number(card, "exp_year"),
    )


def read_event(item: object) -> ProviderEvent:
    """Take over an event, of whatever kind it is.

    Raises:
        Malformed: it has no id, no type, or no time.
    """
    thing = _part(_part(item, "data"), "object")
    is_payment = _text(thing, "object") == _PAYMENT_OBJECT
    return ProviderEvent(
        provider_event_id=_required(item, "id"),
        event_type=_required(item, "type"),
        object_reference=_text(thing, "id" if is_payment else _PAYMENT_OBJECT),
        payment_id=_uuid(_text(_part(thing, "metadata"), PAYMENT_KEY)),
        create_time=datetime.fromtimestamp(_number(item, "created"), UTC),
    )


def read_list(page: object) -> list[object]:
    """Take the items of a page.

    Raises:
        Malformed: it is no list.
    """
    items = _part(page, "data")
    if not isinstance(items, list):
        raise Malformed("no list", code="malformed")
    return items


def read_reference(item: object) -> str:
    """Take the provider's name of something.

    Raises:
        Malformed: it has none.
    """
    return _required(item, "id")


def read_secret(item: object) -> str:
    """Take the secret with which a phone goes on.

    Raises:
        Malformed: there is none.
    """
    return _required(item, "client_secret")


def _part(item: object, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else None


def _text(item: object, name: str) -> str:
    """Take a short text without anything odd in it: names, codes and ids are never more."""
    value = _part(item, name)
    if not isinstance(value, str) or len(value) > _TEXT_LENGTH_MAX:
        return ""
    return value if value.isascii() and value.isprintable() else ""


def _required(item: object, name: str) -> str:
    if value := _text(item, name):
        return value
    raise Malformed(f"no {name}", code="malformed")


def _number(item: object, name: str) -> int:
    value = _part(item, name)
    if type(value) is int and 0 <= value <= _NUMBER_MAX:
        return value
    raise Malformed(f"no {name}", code="malformed")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
