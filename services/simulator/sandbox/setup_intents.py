"""Setup intents: a card is kept for later."""

from typing import Final

from services.simulator.sandbox.documents import Document, client_secret, new_id
from services.simulator.sandbox.execution import Execution, card_of
from services.simulator.sandbox.payment_intents import card_error, read_types
from services.simulator.sandbox.payment_methods import attach, new_method, usable_method
from services.simulator.sandbox.refusals import bad_parameter, wrong_state

_CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation")
_STATE_CODE: Final = "setup_intent_unexpected_state"
_IGNORED: Final = (
    "automatic_payment_methods",
    "payment_method_options",
    "return_url",
    "mandate_data",
    "use_stripe_sdk",
)


def create_setup_intent(turn: Execution, _: str) -> Document:
    """Make a setup intent, and confirm it when asked."""
    params = turn.params
    customer = params.text("customer")
    if customer is not None:
        turn.find(customer, "customer", param="customer")
    method_id, confirms = params.text("payment_method"), params.boolean("confirm")
    params.ignore(*_IGNORED)
    intent_id = new_id("seti")
    intent = {
        "id": intent_id,
        "object": "setup_intent",
        "cancellation_reason": None,
        "client_secret": client_secret(intent_id),
        "created": turn.now,
        "customer": customer,
        "description": params.text("description"),
        "last_setup_error": None,
        "livemode": False,
        "metadata": params.metadata(),
        "next_action": None,
        "payment_method": None,
        "payment_method_types": read_types(params),
        "status": "requires_payment_method",
        "usage": params.choice("usage", ["off_session", "on_session"]) or "off_session",
    }
    params.finish()
    turn.emit("setup_intent.created", intent)
    if method_id is None:
        return turn.save(intent)
    method = usable_method(turn, method_id, customer=customer)
    intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return _confirm(turn, intent, method) if confirms else turn.save(intent)


def retrieve_setup_intent(turn: Execution, intent_id: str) -> Document:
    """Return a setup intent."""
    return _find(turn, intent_id, finish=True)


def confirm_setup_intent(turn: Execution, intent_id: str) -> Document:
    """Keep a card: of a payment method, a token, or the number that the shopper has typed."""
    params = turn.params
    intent = _find(turn, intent_id, finish=False)
    method_id, data = params.text("payment_method"), params.inner("payment_method_data")
    params.ignore(*_IGNORED)
    params.finish()
    if intent["status"] not in _CONFIRMABLE:
        raise wrong_state(
            f"This SetupIntent has a status of {intent['status']} and cannot be confirmed.",
            code=_STATE_CODE,
            setup_intent=intent,
        )
    if data is not None:
        data.choice("type", ["card"])
        data.ignore("billing_details", "allow_redisplay", "guid", "muid", "sid")
        card = data.inner("card")
        data.finish()
        if card is None:
            raise bad_parameter("payment_method_data[card]", "A card is needed.")
        method = turn.save(new_method(turn, card, metadata={}))
    else:
        method_id = method_id or intent["payment_method"]
        if method_id is None:
            raise bad_parameter("payment_method", "A payment method is needed to confirm.")
        method = usable_method(turn, method_id, customer=intent["customer"])
    return _confirm(turn, intent, method)


def cancel_setup_intent(turn: Execution, intent_id: str) -> Document:
    """Give up a setup intent."""
    reason = turn.params.choice(
        "cancellation_reason", ["abandoned", "duplicate", "requested_by_customer"]
    )
    intent = _find(turn, intent_id, finish=True)
    if intent["status"] not in _CONFIRMABLE:
        raise wrong_state(
            f"This SetupIntent has a status of {intent['status']} and cannot be canceled.",
            code=_STATE_CODE,
            setup_intent=intent,
        )
    canceled = turn.save({**intent, "status": "canceled", "cancellation_reason": reason})
    turn.emit("setup_intent.canceled", canceled)
    return canceled


def _find(turn: Execution, intent_id: str, *, finish: bool) -> Document:
    secret = turn.params.text("client_secret")
    if finish:
        turn.params.finish()
    intent = turn.find(intent_id, "setup_intent")
    if (turn.call.publishable or secret is not None) and secret != intent["client_secret"]:
        raise bad_parameter("client_secret", "The client_secret does not belong to this object.")
    return intent


def _confirm(turn: Execution, intent: Document, method: Document) -> Document:
    card = card_of(method)
    if card.enrolment_decline is not None:
        error = card_error(card.enrolment_decline, method=method)
        failed = turn.save(
            {
                **intent,
                "status": "requires_payment_method",
                "payment_method": None,
                "last_setup_error": error,
            }
        )
        turn.emit("setup_intent.setup_failed", failed)
        turn.status = 402
        return {"error": {**error, "setup_intent": failed}}
    if intent["customer"] is not None and method["customer"] is None:
        method = attach(turn, method, intent["customer"])
    done = turn.save({**intent, "status": "succeeded", "payment_method": method["id"]})
    turn.emit("setup_intent.succeeded", done)
    return done
