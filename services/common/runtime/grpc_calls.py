"""One call from its admission to its canonical log line.

The order is: identity, access, deadline, the proto's rules, the card number guard, the
handler; then the refusal or the failure as a status, the log line, metrics, and the trace.
What a method needs of it is worked out once, when the server is built (``MethodPlan``).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode
from prometheus_client import Histogram

from services.common.kernel.errors import DomainError, Unavailable
from services.common.runtime.access import AccessRule, access_rule
from services.common.runtime.admission import Room
from services.common.runtime.config import CallerKind, GrpcSettings
from services.common.runtime.database import is_infrastructure_failure
from services.common.runtime.deadlines import set_deadline
from services.common.runtime.grpc_errors import (
    DeadlineTooShort,
    InternalError,
    RanOutOfTime,
    Unimplemented,
    code_of,
    to_status,
)
from services.common.runtime.identity import (
    Caller,
    Identity,
    NotAuthenticated,
    caller_of_certificate,
    missing_credentials,
    set_current_caller,
)
from services.common.runtime.logging import ID_FIELDS
from services.common.runtime.telemetry import (
    TRACEPARENT,
    Tracing,
    continue_trace,
    current_traceparent,
    trace_id_of,
)
from services.common.runtime.validation import (
    RequestUnreadable,
    TextGuard,
    Undecodable,
    check_request,
)

CALL_SECONDS: Final = Histogram(
    "cagnotte_grpc_call_seconds",
    "Time of a call from its admission to its answer.",
    ["method", "code"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)

_METADATA_KEYS: Final = frozenset({"authorization", TRACEPARENT})
_BEARER: Final = "bearer "
_MILLISECONDS: Final = 1000
_EVENT: Final = "grpc.call_finished"
_OK: Final = grpc.StatusCode.OK.name
_CANCELLED: Final = grpc.StatusCode.CANCELLED.name
_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
# People's subjects may be e-mail addresses at their issuer; these are ids.
_LOGGED_SUBJECTS: Final = frozenset({CallerKind.TILL, CallerKind.SERVICE, CallerKind.SHOPPER})

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class DatabaseUnavailable(Unavailable):
    """The database did not answer; whether the command was recorded, a retry by id tells."""

    reason = "DATABASE_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """What the chain does for one method, worked out when the server is built."""

    name: str
    access: AccessRule
    guard: TextGuard
    id_fields: tuple[str, ...]
    streams: bool
    deadline_seconds_max: float


def plan_method(method: MethodDescriptor, settings: GrpcSettings) -> MethodPlan:
    """Work out the plan of a method from its descriptor.

    Raises:
        AccessUndeclared: the method does not say who may call it.
    """
    streams = method.client_streaming or method.server_streaming
    fields = method.input_type.fields_by_name
    return MethodPlan(
        name=f"/{method.containing_service.full_name}/{method.name}",
        access=access_rule(method),
        guard=TextGuard(method.input_type),
        id_fields=tuple(name for name in ID_FIELDS if name in fields),
        streams=streams,
        deadline_seconds_max=(
            settings.stream_seconds_max if streams else settings.deadline_seconds_max
        ),
    )


@dataclass(slots=True)
class CallParts:
    """What every call of a server needs."""

    identity: Identity
    settings: GrpcSettings
    tracing: Tracing
    calls: Room
    """Unary calls under way."""
    streams: Room
    """Streams, which mostly wait: they must not take the places of calls that work."""

    def room_for(self, plan: MethodPlan) -> Room:
        """Give the room where a method's calls have their places."""
        return self.streams if plan.streams else self.calls


class Call:
    """One call on its way through the chain; its end is what is logged and counted."""

    __slots__ = (
        "_begin",
        "_caller",
        "_context",
        "_ids",
        "_metadata",
        "_parts",
        "_plan",
        "_span",
        "_spans",
        "_timeout",
    )

    def __init__(self, plan: MethodPlan, parts: CallParts, context: Context) -> None:
        self._begin = perf_counter()
        self._plan = plan
        self._parts = parts
        self._context = context
        self._caller: Caller | None = None
        self._ids: dict[str, str] = {}
        self._timeout: asyncio.Timeout | None = None
        self._spans: ExitStack | None = None
        self._span: Span = INVALID_SPAN
        self._metadata = _metadata_of(context)

    async def __aenter__(self) -> Self:
        """Begin the trace; everything that may refuse comes after it, in ``admit``."""
        parent = self._metadata.get(TRACEPARENT)
        if self._parts.tracing.records:
            self._spans = ExitStack()
            self._span = self._spans.enter_context(
                self._parts.tracing.span(self._plan.name, kind=SpanKind.SERVER, parent=parent)
            )
        else:
            continue_trace(parent)  # The task, and so its context, ends with the call.
        return self

    async def admit(self) -> None:
        """Find out who calls, whether they may, and how long it may take."""
        caller = self._caller = await self._authenticate()
        self._plan.access.admit(caller)
        set_current_caller(caller)
        seconds = self._seconds_allowed()
        set_deadline(seconds_left=seconds)
        self._timeout = asyncio.timeout(seconds)
        await self._timeout.__aenter__()

    def check(self, request: Message | Undecodable) -> None:
        """Check whose data is asked for, and what the request holds."""
        assert self._caller is not None, "a request is checked after its caller"
        if isinstance(request, Undecodable):
            raise RequestUnreadable("The request is no message of this method.")
        self._plan.access.admit_request(self._caller, request)
        check_request(request, self._plan.guard)
        for name in self._plan.id_fields:  # Only now are they known to be no more than ids.
            value = getattr(request, name)
            if value:
                self._ids[name] = str(value)

    async def check_each(self, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        """Check every message of a stream when it arrives."""
        async for request in requests:
            self.check(request)
            yield request

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Log and count the end, and answer a refusal or a failure with its status."""
        if self._timeout is not None:
            try:
                await self._timeout.__aexit__(kind, error, traceback)
            except TimeoutError:
                error = RanOutOfTime("The deadline passed during the work.")
        refusal = _refusal_of(error)
        self._finish(error, refusal)
        if self._spans is not None:
            self._spans.close()
        if refusal is not None:
            await self._context.abort_with_status(to_status(refusal))

    async def _authenticate(self) -> Caller:
        authorization = self._metadata.get("authorization")
        if authorization is not None:
            if authorization[: len(_BEARER)].lower() != _BEARER:
                raise NotAuthenticated("The caller could not be verified.", cause="not_bearer")
            token = authorization[len(_BEARER) :]
            identity = self._parts.identity
            return identity.remembered(token) or await identity.verify(token)
        if self._parts.settings.tls is not None:
            caller = caller_of_certificate(self._context.auth_context())
            if caller is not None:
                return caller
        raise missing_credentials()

    def _seconds_allowed(self) -> float:
        """Give the caller's time, less the shave, and never more than the method's most."""
        settings = self._parts.settings
        most = self._plan.deadline_seconds_max
        left: float | None = self._context.time_remaining()
        if left is None:
            return most
        if left < settings.deadline_seconds_min:
            raise DeadlineTooShort(
                "Too little time is left to begin.",
                left_ms=max(0, round(left * _MILLISECONDS)),
                needed_ms=round(settings.deadline_seconds_min * _MILLISECONDS),
            )
        return min(most, max(left / 2, left - settings.deadline_shave_seconds))

    def _finish(self, error: BaseException | None, refusal: DomainError | None) -> None:
        seconds = perf_counter() - self._begin
        code = _code_name(error, refusal, self._context)
        call_timer(self._plan.name, code).observe(seconds)
        if self._parts.tracing.records:
            self._span.set_attribute("rpc.grpc.status_code", code)
            if refusal is not None and _is_fault(refusal):
                self._span.set_status(StatusCode.ERROR, refusal.reason)
        line: dict[str, Any] = {
            "grpc_method": self._plan.name,
            "grpc_code": code,
            "duration_ms": round(seconds * _MILLISECONDS, 3),
            "trace_id": trace_id_of(current_traceparent()),
            **self._ids,
        }
        if self._caller is not None:
            line["caller_kind"] = self._caller.kind.value
            if self._caller.kind in _LOGGED_SUBJECTS:
                line["caller"] = self._caller.subject
        if refusal is None:
            log.info(_EVENT, **line)
            return
        _log_refusal(line, refusal, error)


@cache
def call_timer(method: str, code: str) -> Histogram:
    """Look a metric's child up once; both labels have few values."""
    return CALL_SECONDS.labels(method, code)


def _log_refusal(line: dict[str, Any], refusal: DomainError, error: BaseException | None) -> None:
    line["reason"] = refusal.reason
    if isinstance(refusal, InternalError):
        log.error(_EVENT, **line, exc_info=error)
    elif _is_fault(refusal):
        cause = error if error is not refusal else refusal.__cause__
        log.warning(_EVENT, **line, error=str(cause or refusal))
    else:
        log.info(_EVENT, **line, error=str(refusal))


def _is_fault(refusal: DomainError) -> bool:
    """Tell what should not happen often from what callers do wrong."""
    return code_of(refusal) in _FAULTS


def _refusal_of(error: BaseException | None) -> DomainError | None:
    """Give what the caller is told of an exception; None where the answer is given already."""
    match error:
        case None | grpc.aio.AbortError():
            return None
        case DomainError():
            return error
        case NotImplementedError():
            return Unimplemented("The service does not do this yet.")
        case _ if not isinstance(error, Exception):
            return None  # The caller went away, or the process ends.
        case _ if is_infrastructure_failure(error):
            return DatabaseUnavailable("The database did not answer; try again with the same id.")
        case _:
            trace_id = trace_id_of(current_traceparent())
            return InternalError("A fault of ours; its trace id finds it.", trace_id=trace_id)


def _code_name(error: BaseException | None, refusal: DomainError | None, context: Context) -> str:
    if refusal is not None:
        return code_of(refusal).name
    match error:
        case None:
            return _OK
        case grpc.aio.AbortError():
            return _status_name(context.code())
        case _:
            return _CANCELLED


def _status_name(code: Any) -> str:
    """Name a code that a handler set itself; gRPC gives it as a number."""
    return next((item.name for item in grpc.StatusCode if code in {item, item.value[0]}), str(code))


def _metadata_of(context: Context) -> dict[str, str]:
    """Pick what the chain reads; a repeated key counts once, binary ones never."""
    return {
        key: value
        for key, value in context.invocation_metadata() or ()
        if key in _METADATA_KEYS and isinstance(value, str)
    }
