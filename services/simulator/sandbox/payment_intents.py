"""Payment intents: an amount is authorized, captured, canceled."""

from typing import Final

from services.simulator.sandbox.cards import (
    AUTHENTICATION_REQUIRED,
    Card,
    Fault,
    Refusal,
    Stage,
)
from services.simulator.sandbox.documents import Document, client_secret, new_id, shown
from services.simulator.sandbox.execution import Execution, card_of
from services.simulator.sandbox.forms import Params
from services.simulator.sandbox.payment_methods import usable_method
from services.simulator.sandbox.refusals import bad_parameter, missing_parameter, wrong_state

_CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE: Final = (*_CONFIRMABLE, "requires_capture")
_CANCELLATION_REASONS: Final = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_CURRENCY_LETTERS: Final = 3
_AMOUNT_MIN: Final = 50
_AMOUNT_MAX: Final = 99_999_999
"""Eight digits, in any currency: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts."""
_IGNORED: Final = (
    *("automatic_payment_methods", "payment_method_options", "return_url", "use_stripe_sdk"),
    *("setup_future_usage", "statement_descriptor", "statement_descriptor_suffix"),
    *("confirmation_method", "mandate_data", "transfer_group", "receipt_email"),
)


def create_payment_intent(turn: Execution, _: str) -> Document:
    """Make a payment intent, and confirm it when asked."""
    params = turn.params
    confirms = params.boolean("confirm") or False
    absence = _read_absence(params, confirms=confirms)
    intent = _read_intent(turn)
    method_id = params.text("payment_method")
    params.ignore(*_IGNORED)
    params.finish()
    if method_id is None:
        if confirms:
            raise missing_parameter("payment_method")
        turn.emit("payment_intent.created", intent)
        return turn.save(intent)
    method = usable_method(turn, method_id, customer=intent["customer"])
    intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if not confirms:
        turn.emit("payment_intent.created", intent)
        return turn.save(intent)
    _meet_fault(turn, intent, card_of(method))
    turn.emit("payment_intent.created", intent)
    return _authorize(turn, intent, method, absence=absence)


def retrieve_payment_intent(turn: Execution, intent_id: str) -> Document:
    """Return a payment intent."""
    secret = turn.params.text("client_secret")
    turn.params.finish()
    intent = turn.find(intent_id, "payment_intent")
    if (turn.call.publishable or secret is not None) and secret != intent["client_secret"]:
        raise bad_parameter("client_secret", "The client_secret does not belong to this object.")
    return intent


def confirm_payment_intent(turn: Execution, intent_id: str) -> Document:
    """Ask the bank of the payment method's card."""
    params = turn.params
    absence = _read_absence(params, confirms=True)
    method_id = params.text("payment_method")
    params.ignore("client_secret", *_IGNORED)
    params.finish()
    intent = turn.find(intent_id, "payment_intent")
    method_id = method_id or intent["payment_method"]
    if intent["status"] not in _CONFIRMABLE or method_id is None:
        raise _wrong_state(intent, "confirmed", _CONFIRMABLE)
    method = usable_method(turn, method_id, customer=intent["customer"])
    _meet_fault(turn, intent, card_of(method))
    return _authorize(turn, intent, method, absence=absence)


def capture_payment_intent(turn: Execution, intent_id: str) -> Document:
    """Take the authorized amount, or less of it and give the rest free."""
    asked = turn.params.integer("amount_to_capture", at_least=1)
    metadata = turn.params.metadata()
    turn.params.ignore("statement_descriptor", "statement_descriptor_suffix")
    turn.params.finish()
    intent = turn.find(intent_id, "payment_intent")
    if intent["status"] == "succeeded":
        message = "This PaymentIntent could not be captured because it has already been captured."
        raise wrong_state(message, payment_intent=shown(intent))
    if intent["status"] != "requires_capture":
        raise _wrong_state(intent, "captured", ("requires_capture",))
    amount = intent["amount_capturable"] if asked is None else asked
    if amount > intent["amount_capturable"]:
        raise wrong_state(
            "The amount to capture is greater than the amount that can be captured.",
            code="amount_too_large",
            param="amount_to_capture",
            payment_intent=shown(intent),
        )
    card = card_of(intent)
    turn.meet_fault(Stage.CAPTURE, card=card, subject=intent_id)
    if turn.fault is Fault.EXPIRED:
        return _expire(turn, intent, card)
    intent = {**intent, "metadata": intent["metadata"] | metadata}
    return _capture(turn, intent, card, amount)


def cancel_payment_intent(turn: Execution, intent_id: str) -> Document:
    """Give a payment up, and free what the bank has reserved."""
    reason = turn.params.choice("cancellation_reason", _CANCELLATION_REASONS)
    turn.params.finish()
    intent = turn.find(intent_id, "payment_intent")
    if intent["status"] not in _CANCELABLE:
        raise _wrong_state(intent, "canceled", _CANCELABLE)
    if "_card" in intent:
        turn.meet_fault(Stage.CANCEL, card=card_of(intent), subject=intent_id)
    return _cancel(turn, intent, reason or "requested_by_customer")


def read_types(params: Params) -> list[str]:
    """Return which kinds of payment method are allowed: here that is cards."""
    for name in ("allowed_payment_method_types", "payment_method_types"):
        for kind in params.texts(name):
            if kind != "card":
                raise bad_parameter(name, "Only cards are taken here.")
    return ["card"]


def card_error(refusal: Refusal, *, method: Document) -> Document:
    """Return the ``error`` of a bank's refusal."""
    return {
        "type": "card_error",
        "code": refusal.code,
        "decline_code": refusal.decline_code,
        "message": refusal.message,
        "payment_method": shown(method),
    }


def _read_intent(turn: Execution) -> Document:
    params = turn.params
    amount = params.integer("amount", at_least=1)
    if amount is None:
        raise missing_parameter("amount")
    currency = params.required("currency").lower()
    if len(currency) != _CURRENCY_LETTERS or not (currency.isascii() and currency.isalpha()):
        raise bad_parameter("currency", "Invalid currency.")
    _check_amount(amount, currency=currency)
    customer = params.text("customer")
    if customer is not None:
        turn.find(customer, "customer", param="customer")
    capture = params.choice("capture_method", ["automatic", "automatic_async", "manual"])
    intent_id = new_id("pi")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": capture or "automatic",
        "client_secret": client_secret(intent_id),
        "confirmation_method": "automatic",
        "created": turn.now,
        "currency": currency,
        "customer": customer,
        "description": params.text("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": params.metadata(),
        "next_action": None,
        "payment_method": None,
        "payment_method_types": read_types(params),
        "status": "requires_payment_method",
    }


def _check_amount(amount: int, *, currency: str) -> None:
    """Refuse what no card can pay; the least amount of euros and dollars stands for all currencies."""
    if amount < _AMOUNT_MIN:
        message = f"Amount must be at least 0.50 {currency}."
        raise bad_parameter("amount", message, "amount_too_small")
    if amount > _AMOUNT_MAX:
        message = f"Amount must be no more than 999,999.99 {currency}."
        raise bad_parameter("amount", message, "amount_too_large")


def _read_absence(params: Params, *, confirms: bool) -> bool:
    """Return whether a card that asks for authentication is declined rather than waited for."""
    off_session = params.text("off_session")
    strict = params.boolean("error_on_requires_action")
    for name, value in (("off_session", off_session), ("error_on_requires_action", strict)):
        if value is not None and not confirms:
            raise bad_parameter(name, f"{name} can only be set when the payment is confirmed.")
    return bool(strict) or off_session not in (None, "false")


def _meet_fault(turn: Execution, intent: Document, card: Card) -> None:
    # A retry must be recognized even when nothing came of the first try: by what the caller calls the payment.
    named = sorted(intent["metadata"].items())
    subject = repr(named) if named else turn.call.key or intent["id"]
    turn.meet_fault(Stage.AUTHORIZE, card=card, subject=subject)


def _authorize(turn: Execution, intent: Document, method: Document, *, absence: bool) -> Document:
    card = card_of(method)
    intent = {
        **intent,
        "payment_method": method["id"],
        "_card": card.name,
        "last_payment_error": None,
    }
    if card.asks_authentication and not absence:
        waiting = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        asked = turn.save({**intent, "status": "requires_action", "next_action": waiting})
        turn.emit("payment_intent.requires_action", asked, card.notices)
        return asked
    refusal = AUTHENTICATION_REQUIRED if card.asks_authentication else card.decline
    charge = _new_charge(turn, intent, paid=refusal is None)
    intent |= {"latest_charge": charge["id"], "next_action": None}
    if refusal is not None:
        turn.save({**charge, "failure_code": refusal.code, "failure_message": refusal.message})
        return _decline(turn, intent, refusal, method)
    turn.save(charge)
    amount = intent["amount"]
    if intent["capture_method"] != "manual":
        return _capture(turn, {**intent, "amount_capturable": amount}, card, amount)
    reserved = turn.save({**intent, "status": "requires_capture", "amount_capturable": amount})
    turn.emit("payment_intent.amount_capturable_updated", reserved, card.notices)
    return reserved


def _decline(turn: Execution, intent: Document, refusal: Refusal, method: Document) -> Document:
    error = {**card_error(refusal, method=method), "charge": intent["latest_charge"]}
    failed = turn.save(
        {
            **intent,
            "status": "requires_payment_method",
            "payment_method": None,
            "last_payment_error": error,
        }
    )
    turn.emit("payment_intent.payment_failed", failed, card_of(failed).notices)
    turn.status = 402
    return {"error": {**error, "payment_intent": failed}}


def _capture(turn: Execution, intent: Document, card: Card, amount: int) -> Document:
    charge = turn.find(intent["latest_charge"], "charge")
    turn.save({**charge, "captured": True, "amount_captured": amount})
    taken = turn.save(
        {**intent, "status": "succeeded", "amount_capturable": 0, "amount_received": amount}
    )
    turn.emit("payment_intent.succeeded", taken, card.notices)
    return taken


def _cancel(turn: Execution, intent: Document, reason: str) -> Document:
    canceled = turn.save(
        {
            **intent,
            "status": "canceled",
            "amount_capturable": 0,
            "canceled_at": turn.now,
            "cancellation_reason": reason,
            "next_action": None,
        }
    )
    notices = card_of(canceled).notices if "_card" in canceled else None
    turn.emit("payment_intent.canceled", canceled, *([] if notices is None else [notices]))
    return canceled


def _expire(turn: Execution, intent: Document, card: Card) -> Document:
    canceled = _cancel(turn, intent, "automatic")
    turn.status = 400
    error = wrong_state(
        "This PaymentIntent could not be captured because its authorization has expired.",
        payment_intent=canceled,
    )
    assert card.faults, "only a faulty card expires early"
    return {"error": error.error}


def _new_charge(turn: Execution, intent: Document, *, paid: bool) -> Document:
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "captured": False,
        "created": turn.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "refunded": False,
        "status": "succeeded" if paid else "failed",
    }


def _wrong_state(intent: Document, done: str, allowed: tuple[str, ...]) -> Exception:
    message = (
        f"This PaymentIntent could not be {done} because it has a status of {intent['status']}. Only a PaymentIntent "
        f"with one of the following statuses may be {done}: {', '.join(allowed)}."
    )
    return wrong_state(message, payment_intent=shown(intent))
