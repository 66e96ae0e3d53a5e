"""Lists, newest first, and events."""

from typing import Final

from services.simulator.sandbox.documents import Document, kind_of
from services.simulator.sandbox.execution import Execution
from services.simulator.sandbox.forms import Params
from services.simulator.sandbox.refusals import bad_parameter, no_such
from services.simulator.sandbox.store import Page

_LIMIT: Final = 10
_LIMIT_MAX: Final = 100


def list_payment_intents(turn: Execution, _: str) -> Document:
    """List payment intents, of one customer's or of all."""
    customer = turn.params.text("customer")
    page = _read_page(turn)
    found, more = turn.store.list_objects("payment_intent", page, customer=customer)
    return _list("/v1/payment_intents", found, more=more)


def list_refunds(turn: Execution, _: str) -> Document:
    """List refunds, of one payment intent's or of all."""
    intent_id, charge_id = turn.params.text("payment_intent"), turn.params.text("charge")
    page = _read_page(turn)
    if charge_id is not None:
        intent_id = turn.find(charge_id, "charge", param="charge")["payment_intent"]
    if intent_id is not None:
        turn.find(intent_id, "payment_intent", param="payment_intent")
    found, more = turn.store.list_objects("refund", page, payment_intent=intent_id)
    return _list("/v1/refunds", found, more=more)


def list_setup_intents(turn: Execution, _: str) -> Document:
    """List setup intents, of one customer's or of all."""
    customer = turn.params.text("customer")
    page = _read_page(turn)
    found, more = turn.store.list_objects("setup_intent", page, customer=customer)
    return _list("/v1/setup_intents", found, more=more)


def list_payment_methods(turn: Execution, _: str) -> Document:
    """List the payment methods of a customer."""
    return _list_methods(turn, turn.params.required("customer"), "/v1/payment_methods")


def list_customer_payment_methods(turn: Execution, customer_id: str) -> Document:
    """List the payment methods of the customer in the path."""
    return _list_methods(turn, customer_id, f"/v1/customers/{customer_id}/payment_methods")


def list_events(turn: Execution, _: str) -> Document:
    """List what has happened."""
    single, several = turn.params.text("type"), turn.params.texts("types")
    page = _read_page(turn)
    types = several if single is None else (single,)
    found, more = turn.store.list_events(types, page)
    return _list("/v1/events", found, more=more)


def retrieve_event(turn: Execution, event_id: str) -> Document:
    """Return an event."""
    turn.params.finish()
    found = turn.store.event(event_id)
    if found is None:
        raise no_such("event", event_id, param="id", status=404)
    return found[1]


def expand(turn: Execution, document: Document, paths: tuple[str, ...]) -> Document:
    """Replace ids by what they name: ``latest_charge``, or ``data.latest_charge`` in a list."""
    for path in paths:
        document = _expand(turn, document, path)
    return document


def _expand(turn: Execution, document: Document, path: str) -> Document:
    name, _, inner = path.partition(".")
    value = document.get(name)
    if isinstance(value, list):
        return {**document, name: [_expand(turn, item, inner) for item in value]}
    if isinstance(value, str) and kind_of(value) is not None:
        value = turn.store.get(value)
    if inner and isinstance(value, dict):
        value = _expand(turn, value, inner)
    if value is None and name in document:
        return document
    if not isinstance(value, dict):
        message = f"This property cannot be expanded ({name})."
        raise bad_parameter("expand", message)
    return {**document, name: value}


def _list_methods(turn: Execution, customer_id: str, url: str) -> Document:
    turn.params.choice("type", ["card"])
    page = _read_page(turn)
    turn.find(customer_id, "customer", param="customer")
    found, more = turn.store.list_objects("payment_method", page, customer=customer_id)
    return _list(url, found, more=more)


def _read_page(turn: Execution) -> Page:
    params = turn.params
    limit = params.integer("limit", at_least=1)
    if limit is not None and limit > _LIMIT_MAX:
        raise bad_parameter("limit", f"This value must be less than or equal to {_LIMIT_MAX}.")
    page = Page(
        limit=limit or _LIMIT,
        starting_after=_position(turn, params, "starting_after"),
        ending_before=_position(turn, params, "ending_before"),
        created=params.span("created"),
    )
    params.finish()
    return page


def _position(turn: Execution, params: Params, name: str) -> int | None:
    object_id = params.text(name)
    if object_id is None:
        return None
    position = turn.store.position(object_id)
    if position is None:
        raise no_such(kind_of(object_id) or "object", object_id, param=name, status=400)
    return position


def _list(url: str, found: list[Document], *, more: bool) -> Document:
    return {"object": "list", "data": found, "has_more": more, "url": url}
