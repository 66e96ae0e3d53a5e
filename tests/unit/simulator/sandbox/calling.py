"""The provider's behavior without a connection: requests in, answers out, on a state in memory."""

import json
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from services.simulator.sandbox.cards import Fault
from services.simulator.sandbox.execution import Call
from services.simulator.sandbox.forms import parse_form
from services.simulator.sandbox.provider import Answer, Provider
from services.simulator.sandbox.store import Store

NOW = 1_700_000_000.0
AUTHORIZE = (
    "amount=1000&currency=eur&capture_method=manual&confirm=true&error_on_requires_action=true"
)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, read."""

    status: int
    body: dict[str, Any]
    fault: Fault | None
    replayed: bool

    def __getitem__(self, name: str) -> Any:
        """Return a field of the object."""
        return self.body[name]

    @property
    def error(self) -> dict[str, Any]:
        """Return the error."""
        error: dict[str, Any] = self.body["error"]
        return error


@dataclass(slots=True)
class Caller:
    """Somebody with the secret key."""

    announces: bool = False
    now: float = NOW
    store: Store = field(default_factory=lambda: Store(":memory:"))
    provider: Provider = field(init=False)
    calls: int = 0

    def __post_init__(self) -> None:
        self.provider = Provider(announces=self.announces)

    def post(self, path: str, form: str = "", *, key: str | None = None) -> Told:
        """Send a POST with a form."""
        return self._send("POST", path, form, key)

    def get(self, path: str, query: str = "") -> Told:
        """Send a GET with a query."""
        return self._send("GET", path, query, None)

    def pay(self, card: str, *, key: str | None = None, more: str = "") -> Told:
        """Ask for the authorization of 10.00 EUR of a card's."""
        return self.post("/v1/payment_intents", f"{AUTHORIZE}&payment_method={card}{more}", key=key)

    def later(self, path: str, form: str, *, key: str | None) -> Told:
        """Send what was held back by its card once more, as its time has come."""
        return self._answer(replace(self._call("POST", path, form, key), waited=True))

    def as_phone(self, method: str, path: str, form: str) -> Told:
        """Send with the publishable key."""
        return self._answer(replace(self._call(method, path, form, None), publishable=True))

    def _send(self, method: str, path: str, form: str, key: str | None) -> Told:
        return self._answer(self._call(method, path, form, key))

    def _call(self, method: str, path: str, form: str, key: str | None) -> Call:
        self.calls += 1
        return Call(
            method=method,
            path=f"/v1{path}" if not path.startswith("/v1") else path,
            params=parse_form(parse_qsl(form, keep_blank_values=True)),
            request_id=f"req_{self.calls}",
            key=key,
        )

    def _answer(self, call: Call) -> Told:
        self.store.run("BEGIN")
        answer: Answer = self.provider.answer(self.store, call, now=self.now)
        self.store.run("COMMIT")
        body = json.loads(answer.body) if answer.body else {}
        return Told(answer.status, body, answer.fault, answer.original_request is not None)
