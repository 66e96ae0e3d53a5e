"""Customers and their payment methods."""

import hmac
from typing import Final

from services.simulator.sandbox.cards import Card, card_of_number, card_of_token
from services.simulator.sandbox.documents import Document, new_id
from services.simulator.sandbox.execution import Execution
from services.simulator.sandbox.forms import Params
from services.simulator.sandbox.refusals import ApiRefusal, bad_parameter, missing_parameter

_LAST_DIGITS: Final = 4
_YEAR_MIN: Final = 2020


def create_customer(turn: Execution, _: str) -> Document:
    """Make a customer; only what says nothing about a person is kept."""
    customer = {
        "id": new_id("cus"),
        "object": "customer",
        "created": turn.now,
        "description": turn.params.text("description"),
        "livemode": False,
        "metadata": turn.params.metadata(),
    }
    turn.params.finish()
    turn.emit("customer.created", customer)
    return turn.save(customer)


def retrieve_customer(turn: Execution, customer_id: str) -> Document:
    """Return a customer."""
    turn.params.finish()
    return turn.find(customer_id, "customer")


def create_payment_method(turn: Execution, _: str) -> Document:
    """Make a payment method of a card number or a token."""
    if turn.params.choice("type", ["card"]) is None:
        raise missing_parameter("type")
    turn.params.ignore("billing_details", "allow_redisplay")
    card = turn.params.inner("card")
    if card is None:
        raise missing_parameter("card")
    method = new_method(turn, card, metadata=turn.params.metadata())
    turn.params.finish()
    return turn.save(method)


def retrieve_payment_method(turn: Execution, method_id: str) -> Document:
    """Return a payment method; each look at a test token makes one."""
    turn.params.finish()
    return method_of(turn, method_id, param="")


def attach_payment_method(turn: Execution, method_id: str) -> Document:
    """Give a payment method to a customer."""
    customer = turn.find(turn.params.required("customer"), "customer", param="customer")
    turn.params.finish()
    method = method_of(turn, method_id, param="")
    if method["customer"] is not None:
        message = "The payment method you provided has already been attached to a customer."
        raise bad_parameter("payment_method", message)
    return attach(turn, method, customer["id"])


def detach_payment_method(turn: Execution, method_id: str) -> Document:
    """Take a payment method from its customer, for good."""
    turn.params.finish()
    method = turn.find(method_id, "payment_method")
    if method["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise bad_parameter("payment_method", message)
    detached = turn.save({**method, "customer": None, "_detached": True})
    turn.emit("payment_method.detached", detached)
    return detached


def attach(turn: Execution, method: Document, customer_id: str) -> Document:
    """Give a payment method to a customer, when it may still be used."""
    _check_usable(method)
    attached = turn.save({**method, "customer": customer_id})
    turn.emit("payment_method.attached", attached)
    return attached


def method_of(turn: Execution, method_id: str, *, param: str = "payment_method") -> Document:
    """Return the payment method of an id; a test token (``pm_card_visa``) becomes a new one."""
    card = card_of_token(method_id) if method_id.startswith("pm_card_") else None
    if card is None:
        return turn.find(method_id, "payment_method", param=param)
    return turn.save(_method(turn, card, expires=(12, 2040)))


def usable_method(turn: Execution, method_id: str, *, customer: str | None) -> Document:
    """Return a payment method for a payment of a customer's; raises ApiRefusal when it belongs elsewhere."""
    method = method_of(turn, method_id)
    _check_usable(method)
    if method["customer"] not in (None, customer):
        message = (
            "The provided PaymentMethod cannot be used: it is attached to a customer, and this is not a payment of "
            "that customer's."
        )
        raise bad_parameter("payment_method", message)
    return method


def new_method(turn: Execution, card: Params, *, metadata: dict[str, str]) -> Document:
    """Return a new payment method of ``card`` parameters: a test card's number with its date, or a token."""
    token = card.text("token")
    if token is not None:
        found = card_of_token(token)
        if found is None:
            raise bad_parameter("card[token]", "No such token.")
        card.finish()
        return {**_method(turn, found, expires=(12, 2040)), "metadata": metadata}
    number = card.required("number").replace(" ", "").replace("-", "")
    month, year = card.integer("exp_month", at_least=1), card.integer("exp_year", at_least=1)
    card.ignore("cvc")
    card.finish()
    if month is None or year is None:
        raise missing_parameter("card[exp_month]" if month is None else "card[exp_year]")
    found = card_of_number(number)
    if found is None:
        # It may be somebody's: refused unseen, as the real provider does in test mode.
        raise ApiRefusal(
            402,
            type="card_error",
            code="card_declined",
            decline_code="test_mode_live_card",
            param="number",
            message="Your card was declined. Only the test cards are taken here.",
        )
    if month > 12 or year < _YEAR_MIN:  # noqa: PLR2004 -- months of a year
        raise bad_parameter("card[exp_month]", "Your card's expiration date is invalid.")
    return {**_method(turn, found, expires=(month, year)), "metadata": metadata}


def _method(turn: Execution, card: Card, *, expires: tuple[int, int]) -> Document:
    fingerprint = hmac.new(turn.store.secret("fingerprint"), card.number.encode(), "sha256")
    month, year = expires
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "card": {
            "brand": card.brand,
            "country": "FR",
            "exp_month": month,
            "exp_year": year,
            "fingerprint": fingerprint.hexdigest()[:16],
            "funding": "debit",
            "last4": card.number[-_LAST_DIGITS:],
        },
        "created": turn.now,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
        "_card": card.name,
    }


def _check_usable(method: Document) -> None:
    if method.get("_detached"):
        message = "This PaymentMethod was detached from a Customer, and may not be used again."
        raise bad_parameter("payment_method", message)
