"""Refunds: captured money goes back, never more than was taken."""

from typing import Final

from services.simulator.sandbox.cards import Stage
from services.simulator.sandbox.documents import Document, new_id
from services.simulator.sandbox.execution import Execution, card_of
from services.simulator.sandbox.refusals import missing_parameter, wrong_state

_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")


def create_refund(turn: Execution, _: str) -> Document:
    """Give money of a payment back: all that is left of it, or an amount."""
    params = turn.params
    intent_id, charge_id = params.text("payment_intent"), params.text("charge")
    asked = params.integer("amount", at_least=1)
    reason, metadata = params.choice("reason", _REASONS), params.metadata()
    params.finish()
    if charge_id is not None:
        intent_id = turn.find(charge_id, "charge", param="charge")["payment_intent"]
    if intent_id is None:
        raise missing_parameter("payment_intent")
    intent = turn.find(intent_id, "payment_intent", param="payment_intent")
    if intent["status"] != "succeeded":
        message = "This PaymentIntent does not have a successful charge to refund."
        raise wrong_state(message)
    charge = turn.find(intent["latest_charge"], "charge")
    amount = _amount(charge, asked)
    card = card_of(intent)
    turn.meet_fault(Stage.REFUND, card=card, subject=intent_id)
    refunded = charge["amount_refunded"] + amount
    in_full = refunded == charge["amount_captured"]
    turn.save({**charge, "amount_refunded": refunded, "refunded": in_full})
    refund = {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": turn.now,
        "currency": intent["currency"],
        "metadata": metadata,
        "payment_intent": intent_id,
        "reason": reason,
        "status": "succeeded",
    }
    turn.emit("refund.created", refund, card.notices)
    return turn.save(refund)


def retrieve_refund(turn: Execution, refund_id: str) -> Document:
    """Return a refund."""
    turn.params.finish()
    return turn.find(refund_id, "refund")


def _amount(charge: Document, asked: int | None) -> int:
    left: int = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise wrong_state(message, code="charge_already_refunded")
    amount = left if asked is None else asked
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})."
        raise wrong_state(message, code="amount_too_large", param="amount")
    return amount
