"""The API: which request is which operation, who may call it, and what an idempotency key remembers."""

import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from services.common.kernel.pan import looks_like_pan
from services.simulator.sandbox import (
    lists,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
)
from services.simulator.sandbox.cards import Fault
from services.simulator.sandbox.documents import Document, shown
from services.simulator.sandbox.execution import Call, Execution, Interrupted
from services.simulator.sandbox.forms import Tree, content_hash
from services.simulator.sandbox.refusals import (
    ApiRefusal,
    bad_parameter,
    key_in_use,
    key_reused,
    not_authenticated,
    server_error,
    too_many_requests,
)
from services.simulator.sandbox.store import SavedAnswer, Store

KEY_CHARACTERS_MAX: Final = 255
_KEY_SECONDS: Final = 2 * 24 * 3600
"""How long an answer is kept; the real provider promises a day."""

Operation: TypeAlias = Callable[[Execution, str], Document]

_OPERATIONS: Final[Mapping[str, Operation]] = {
    "POST /v1/customers": payment_methods.create_customer,
    "GET /v1/customers/{id}": payment_methods.retrieve_customer,
    "GET /v1/customers/{id}/payment_methods": lists.list_customer_payment_methods,
    "POST /v1/payment_methods": payment_methods.create_payment_method,
    "GET /v1/payment_methods": lists.list_payment_methods,
    "GET /v1/payment_methods/{id}": payment_methods.retrieve_payment_method,
    "POST /v1/payment_methods/{id}/attach": payment_methods.attach_payment_method,
    "POST /v1/payment_methods/{id}/detach": payment_methods.detach_payment_method,
    "POST /v1/setup_intents": setup_intents.create_setup_intent,
    "GET /v1/setup_intents": lists.list_setup_intents,
    "GET /v1/setup_intents/{id}": setup_intents.retrieve_setup_intent,
    "POST /v1/setup_intents/{id}/confirm": setup_intents.confirm_setup_intent,
    "POST /v1/setup_intents/{id}/cancel": setup_intents.cancel_setup_intent,
    "POST /v1/payment_intents": payment_intents.create_payment_intent,
    "GET /v1/payment_intents": lists.list_payment_intents,
    "GET /v1/payment_intents/{id}": payment_intents.retrieve_payment_intent,
    "POST /v1/payment_intents/{id}/confirm": payment_intents.confirm_payment_intent,
    "POST /v1/payment_intents/{id}/capture": payment_intents.capture_payment_intent,
    "POST /v1/payment_intents/{id}/cancel": payment_intents.cancel_payment_intent,
    "POST /v1/refunds": refunds.create_refund,
    "GET /v1/refunds": lists.list_refunds,
    "GET /v1/refunds/{id}": refunds.retrieve_refund,
    "GET /v1/events": lists.list_events,
    "GET /v1/events/{id}": lists.retrieve_event,
}
_OF_A_PHONE: Final = frozenset(
    {
        "GET /v1/setup_intents/{id}",
        "POST /v1/setup_intents/{id}/confirm",
        "GET /v1/payment_intents/{id}",
    }
)
"""What the publishable key may call."""
_OBJECT: Final = re.compile(r"^(/v1/[a-z_]+)/([^/]+)(/[a-z_]+)?$")

_encode: Final = json.JSONEncoder(ensure_ascii=False, indent=None, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Keys:
    """Who may call: the merchant by the secret key, its phones by the publishable one."""

    secret: str = field(repr=False)
    publishable: str = field(repr=False)

    def is_publishable(self, offered: str) -> bool:
        """Tell whether the key is a phone's; raises ApiRefusal when it is nobody's."""
        if not offered:
            raise not_authenticated("You did not provide an API key.")
        if hmac.compare_digest(offered.encode(), self.secret.encode()):
            return False
        if self.publishable and hmac.compare_digest(offered.encode(), self.publishable.encode()):
            return True
        raise not_authenticated("Invalid API Key provided.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request comes to."""

    status: int
    body: bytes
    fault: Fault | None = None
    """What happens to the answer on its way."""
    original_request: str | None = None
    """The request that this is the answer of, when it is a repetition."""
    announced: bool = False
    """Whether webhooks wait to be delivered."""


@dataclass(slots=True)
class Provider:
    """The provider's behavior on its state; not the connections, and no waiting."""

    announces: bool
    """Whether webhooks are delivered anywhere."""
    _running: set[str] = field(default_factory=set)
    """Keys whose request is held back by its card."""

    def answer(self, store: Store, call: Call, *, now: float) -> Answer:
        """Execute a request and return its answer; the caller's transaction makes it durable."""
        store.run("SAVEPOINT request")
        try:
            answer = self._answer(store, call, now=now)
        except ApiRefusal as refusal:
            store.run("ROLLBACK TO request")
            answer = _refused(refusal)
            if refusal.kept:
                self._keep(store, call, answer, now=now)
        except Interrupted as interrupted:
            store.run("ROLLBACK TO request")
            answer = self._interrupt(store, call, interrupted, now=now)
        except Exception:
            store.run("ROLLBACK TO request")
            raise
        finally:
            store.run("RELEASE request")
        return answer

    def _answer(self, store: Store, call: Call, *, now: float) -> Answer:
        template, object_id = _match(call)
        _refuse_card_numbers(call.params)
        before = self._before(store, call)
        if before is not None:
            return before
        turn = Execution(store, call, now=now, announces=self.announces)
        expansions = turn.params.texts("expand")
        document = _OPERATIONS[template](turn, object_id)
        shown_document = _shown(
            lists.expand(turn, document, expansions) if expansions else document
        )
        answer = Answer(
            status=turn.status,
            body=_encode(shown_document).encode(),
            fault=turn.fault,
            announced=turn.announced,
        )
        if turn.fault is Fault.ERROR_500_AFTER_COMMIT:
            error = _refused(server_error())
            answer = Answer(status=error.status, body=error.body, announced=turn.announced)
        self._keep(store, call, answer, now=now)
        return answer

    def _before(self, store: Store, call: Call) -> Answer | None:
        """Return what the key remembers; raises ApiRefusal when it may not be used again."""
        if call.key is None or call.method != "POST":
            return None
        if len(call.key) > KEY_CHARACTERS_MAX:
            raise bad_parameter("idempotency_key", "The idempotency key is too long.")
        if call.waited:
            self._running.discard(call.key)
        elif call.key in self._running:
            raise key_in_use(call.key)
        saved = store.saved_answer(call.key)
        if saved is None:
            return None
        if saved.endpoint != call.path:
            raise key_reused(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{call.path}' vs '{saved.endpoint}')."
            )
        if saved.content != content_hash(call.method, call.path, call.params):
            raise key_reused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{call.key}' if you meant to execute a different request."
            )
        return Answer(status=saved.status, body=saved.body, original_request=saved.request_id)

    def _interrupt(
        self, store: Store, call: Call, interrupted: Interrupted, *, now: float
    ) -> Answer:
        """Let a fault strike that comes before the work."""
        store.mark_struck(interrupted.stage, interrupted.subject)
        match interrupted.fault:
            case Fault.ERROR_500_BEFORE_COMMIT:
                answer = _refused(server_error())
                self._keep(store, call, answer, now=now)
                return answer
            case Fault.TOO_MANY_REQUESTS:
                return _refused(too_many_requests())
            case Fault.SLOW | Fault.LATE as fault:
                if call.key is not None:
                    self._running.add(call.key)
                return Answer(status=0, body=b"", fault=fault)
            case fault:
                return Answer(status=0, body=b"", fault=fault)

    def _keep(self, store: Store, call: Call, answer: Answer, *, now: float) -> None:
        if call.key is None or call.method != "POST":
            return
        saved = SavedAnswer(
            endpoint=call.path,
            content=content_hash(call.method, call.path, call.params),
            status=answer.status,
            body=answer.body,
            request_id=call.request_id,
        )
        store.save_answer(call.key, saved, now=int(now))

    def forget_old_keys(self, store: Store, *, now: float) -> None:
        """Forget what keys remember once nobody may count on it."""
        store.forget_answers(before=int(now) - _KEY_SECONDS)


def _match(call: Call) -> tuple[str, str]:
    """Return which operation a request is, and the id in its path."""
    template, object_id = f"{call.method} {call.path}", ""
    if template not in _OPERATIONS and (found := _OBJECT.match(call.path)) is not None:
        object_id = found[2]
        template = f"{call.method} {found[1]}/{{id}}{found[3] or ''}"
    if template not in _OPERATIONS:
        message = f"Unrecognized request URL ({call.method}: {call.path})."
        raise ApiRefusal(404, type="invalid_request_error", message=message)
    if call.publishable and template not in _OF_A_PHONE:
        message = "This API call cannot be made with a publishable API key."
        raise ApiRefusal(
            403, type="invalid_request_error", code="secret_key_required", message=message
        )
    return template, object_id


def _refuse_card_numbers(params: Tree, *, within_card: bool = False) -> None:
    """Refuse what looks like a card number anywhere but where one belongs: all else is stored."""
    for name, value in params.items():
        if isinstance(value, dict):
            _refuse_card_numbers(value, within_card=name == "card")
        elif not (within_card and name == "number") and looks_like_pan(value):
            message = "This looks like a card number, which belongs into card[number] only."
            raise bad_parameter(name, message)


def _refused(refusal: ApiRefusal) -> Answer:
    return Answer(status=refusal.status, body=_encode({"error": shown(refusal.error)}).encode())


def _shown(document: Document) -> Document:
    data: Any = document.get("data")
    if isinstance(data, list):
        return {**document, "data": [shown(item) for item in data]}
    return shown(document)
