"""One request while it is executed: what it reads, writes, announces, and the fault that it meets."""

from dataclasses import dataclass
from typing import Final

from services.simulator.sandbox.cards import Card, Fault, Notices, Stage, card_of_token
from services.simulator.sandbox.documents import Document, kind_of, new_id, shown
from services.simulator.sandbox.forms import Params, Tree
from services.simulator.sandbox.refusals import no_such
from services.simulator.sandbox.store import Store

API_VERSION: Final = "2026-10-28.endive"
"""The version of Stripe's API that the documents have the shape of."""

LATE_NOTICE_SECONDS: Final = 5.0
"""How late a late webhook comes."""

_INSTEAD: Final = frozenset(
    {
        *(Fault.HANG_BEFORE_COMMIT, Fault.DROP_BEFORE_COMMIT, Fault.ERROR_500_BEFORE_COMMIT),
        *(Fault.TOO_MANY_REQUESTS, Fault.LATE, Fault.SLOW),
    }
)
"""Faults that strike before anything is done."""
_QUIET: Final = frozenset({"payment_intent.created", "customer.created", "setup_intent.created"})
"""Events that are only listed: nobody waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the API."""

    method: str
    path: str
    params: Tree
    request_id: str
    key: str | None = None
    """Its idempotency key."""
    publishable: bool = False
    """Whether it comes with the key of a phone, which only finishes what it has the client secret of."""
    waited: bool = False
    """Whether it has been held back by its card already."""


class Interrupted(Exception):
    """A fault that strikes before anything is done; whatever was written is to be undone."""

    def __init__(self, fault: Fault, *, stage: Stage, subject: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.stage = stage
        self.subject = subject


class Execution:
    """One request on the state, at one moment."""

    def __init__(self, store: Store, call: Call, *, now: float, announces: bool) -> None:
        """Take the time in seconds since the epoch, and whether webhooks are delivered at all."""
        self.store = store
        self.call = call
        self.params = Params(call.params)
        self.now = int(now)
        self.status = 200
        self.fault: Fault | None = None
        """A fault that strikes once everything is done."""
        self.announced = False
        """Whether a webhook waits to be delivered."""
        self._announces = announces
        self._due = now

    def find(self, object_id: str, kind: str, *, param: str = "") -> Document:
        """Return an object of the path, or of a parameter; raises ApiRefusal when there is none."""
        found = self.store.get(object_id) if kind_of(object_id) == kind else None
        if found is None:
            raise no_such(kind, object_id, param=param or "id", status=400 if param else 404)
        return found

    def save(self, document: Document) -> Document:
        """Write an object and return it."""
        self.store.put(document)
        return document

    def emit(self, event_type: str, document: Document, notices: Notices = Notices.PROMPT) -> None:
        """Record what has happened to an object, and plan its webhook."""
        seq = self.store.add_event(
            {
                "id": new_id("evt"),
                "object": "event",
                "api_version": API_VERSION,
                "created": self.now,
                "data": {"object": shown(document)},
                "livemode": False,
                "pending_webhooks": 1 if self._announces else 0,
                "request": {"id": self.call.request_id, "idempotency_key": self.call.key},
                "type": event_type,
            }
        )
        if not self._announces or event_type in _QUIET or notices is Notices.MISSING:
            return
        self.announced = True
        late = notices is Notices.LATE or (
            notices is Notices.REORDERED
            and event_type == "payment_intent.amount_capturable_updated"
        )
        due = self._due + (LATE_NOTICE_SECONDS if late else 0)
        if notices is Notices.BADLY_SIGNED:
            self.store.add_delivery(seq, due=due, badly_signed=True)
        if notices is Notices.TWICE:
            self.store.add_delivery(seq, due=due)
        self.store.add_delivery(seq, due=due)

    def meet_fault(self, stage: Stage, *, card: Card, subject: str) -> None:
        """Let the card's fault at this stage strike, unless it has struck this subject before.

        A fault of before the work raises Interrupted; one of after it is kept for the answer.
        """
        fault = card.faults.get(stage)
        if fault is None or self.call.waited or self.store.has_struck(stage, subject):
            return
        if fault in _INSTEAD:
            raise Interrupted(fault, stage=stage, subject=subject)
        self.store.mark_struck(stage, subject)
        self.fault = fault


def card_of(document: Document) -> Card:
    """Return the test card behind a payment method or a payment."""
    card = card_of_token(str(document["_card"]))
    assert card is not None, "only test cards get in"
    return card
