"""The provider's HTTP server: connections, keys, and answers that come late, broken or never."""

import asyncio
import base64
import binascii
import json
import time
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web

from services.simulator.sandbox.cards import CARDS, Fault
from services.simulator.sandbox.committer import Committer
from services.simulator.sandbox.documents import new_id
from services.simulator.sandbox.execution import API_VERSION, Call
from services.simulator.sandbox.forms import parse_form
from services.simulator.sandbox.provider import Answer, Keys, Provider
from services.simulator.sandbox.refusals import ApiRefusal
from services.simulator.sandbox.store import Store
from services.simulator.sandbox.webhooks import Webhooks

_BODY_BYTES_MAX: Final = 64 * 1024
_HANG_SECONDS_MAX: Final = 600.0
_TIMES_MAX: Final = 20_000
"""So many times of requests are kept for whoever asks; the next ones are not."""
_DROPPED: Final = frozenset({Fault.DROP_AFTER_COMMIT, Fault.DROP_BEFORE_COMMIT})
_HUNG: Final = frozenset({Fault.HANG, Fault.HANG_BEFORE_COMMIT, Fault.LATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long the slow cards take."""

    slow_seconds: float = 4.0
    """Longer than a till waits, shorter than a client's time-out."""
    late_seconds: float = 12.0
    """Longer than a client's time-out."""

    def of(self, fault: Fault) -> float:
        """Return how long a request with this fault is held back."""
        return self.slow_seconds if fault is Fault.SLOW else self.late_seconds


class _Times(NamedTuple):
    """When a key was first seen (``time.perf_counter``), and how long its requests took in all."""

    began: float
    seconds: float


class Server:
    """Translates HTTP into calls, and answers as the fault of the card says."""

    def __init__(
        self,
        committer: Committer,
        provider: Provider,
        *,
        keys: Keys,
        webhooks: Webhooks | None,
        delays: Delays,
        may_reset: bool,
    ) -> None:
        self._committer = committer
        self._provider = provider
        self._keys = keys
        self._webhooks = webhooks
        self._delays = delays
        self._may_reset = may_reset
        self._held_back: set[asyncio.Task[Answer]] = set()
        self._times: dict[str, _Times] = {}

    def app(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(client_max_size=_BODY_BYTES_MAX)
        app.router.add_get("/_sandbox/totals", self._totals)
        app.router.add_get("/_sandbox/cards", self._cards)
        app.router.add_get("/_sandbox/times", self._read_times)
        app.router.add_post("/_sandbox/deliver/{event}", self._deliver_again)
        app.router.add_post("/_sandbox/reset", self._reset)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        began = time.perf_counter()
        key = request.headers.get("Idempotency-Key")
        try:
            return await self._answer(request)
        finally:
            if key is not None and len(self._times) < _TIMES_MAX:
                times = self._times.setdefault(key, _Times(began, 0.0))
                self._times[key] = _Times(times.began, times.seconds + time.perf_counter() - began)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        request_id = new_id("req")
        try:
            call = await self._read(request, request_id)
        except ApiRefusal as refusal:
            return _refused(refusal, request_id=request_id)
        answer = await self._execute(call)
        if answer.fault in (Fault.SLOW, Fault.LATE):
            fault = answer.fault
            held_back = asyncio.create_task(self._execute_later(call, self._delays.of(fault)))
            self._held_back.add(held_back)
            held_back.add_done_callback(self._held_back.discard)
            if fault is Fault.SLOW:
                # Whether or not anybody still waits for it.
                answer = await asyncio.shield(held_back)
        if answer.fault in _HUNG:
            await asyncio.sleep(_HANG_SECONDS_MAX)
            return _dropped(request)
        if answer.fault in _DROPPED:
            return _dropped(request)
        return _render(answer, call)

    async def _read(self, request: web.Request, request_id: str) -> Call:
        publishable = self._keys.is_publishable(_offered_key(request))
        body = request.query_string
        if request.method == "POST":
            body = (await request.read()).decode(errors="replace")
        return Call(
            method=request.method,
            path=request.path,
            params=parse_form(parse_qsl(body, keep_blank_values=True)),
            request_id=request_id,
            key=request.headers.get("Idempotency-Key") or None,
            publishable=publishable,
        )

    async def _execute(self, call: Call) -> Answer:
        now = time.time()
        answer = await self._committer.run(
            lambda store: self._provider.answer(store, call, now=now)
        )
        if answer.announced and self._webhooks is not None:
            self._webhooks.wake()
        return answer

    async def _execute_later(self, call: Call, seconds: float) -> Answer:
        await asyncio.sleep(seconds)
        return await self._execute(replace(call, waited=True))

    async def _totals(self, request: web.Request) -> web.Response:
        self._check_secret_key(request)
        return web.json_response(await self._committer.run(Store.totals))

    async def _read_times(self, request: web.Request) -> web.Response:
        """Give when each idempotency key was first seen and how long its answers took, once."""
        self._check_secret_key(request)
        times, self._times = self._times, {}
        return web.json_response({key: each._asdict() for key, each in times.items()})

    async def _cards(self, request: web.Request) -> web.Response:
        self._check_secret_key(request)
        return web.json_response(
            {
                card.name: {
                    "declines": card.decline is not None,
                    "faults": {str(stage): str(fault) for stage, fault in card.faults.items()},
                    "webhooks": str(card.notices),
                }
                for card in CARDS
            }
        )

    async def _deliver_again(self, request: web.Request) -> web.Response:
        self._check_secret_key(request)
        event_id, badly_signed = request.match_info["event"], "badly_signed" in request.query
        if self._webhooks is None:
            raise web.HTTPConflict(text="No webhook URL is set.")

        def plan(store: Store) -> bool:
            found = store.event(event_id)
            if found is not None:
                store.add_delivery(found[0], due=time.time(), badly_signed=badly_signed)
            return found is not None

        if not await self._committer.run(plan):
            raise web.HTTPNotFound(text="No such event.")
        self._webhooks.wake()
        return web.json_response({"planned": True})

    async def _reset(self, request: web.Request) -> web.Response:
        self._check_secret_key(request)
        if not self._may_reset:
            raise web.HTTPForbidden(text="This sandbox was started without --allow-reset.")
        await self._committer.run(Store.reset)
        return web.json_response({"reset": True})

    def _check_secret_key(self, request: web.Request) -> None:
        try:
            publishable = self._keys.is_publishable(_offered_key(request))
        except ApiRefusal as refusal:
            raise web.HTTPUnauthorized(text=str(refusal)) from refusal
        if publishable:
            raise web.HTTPForbidden(text="The secret key is needed.")


def _offered_key(request: web.Request) -> str:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _render(answer: Answer, call: Call) -> web.Response:
    headers = {"Request-Id": call.request_id, "Stripe-Version": API_VERSION}
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
    if answer.original_request is not None:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": answer.original_request}
    return web.Response(
        status=answer.status, body=answer.body, content_type="application/json", headers=headers
    )


def _refused(refusal: ApiRefusal, *, request_id: str) -> web.Response:
    return web.Response(
        status=refusal.status,
        text=json.dumps({"error": refusal.error}),
        content_type="application/json",
        headers={"Request-Id": request_id},
    )


def _dropped(request: web.Request) -> web.Response:
    """Close the connection in the middle of an exchange."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
