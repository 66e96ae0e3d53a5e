"""The interceptor that puts the one chain of ``grpc_calls`` around every method of ours."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import grpc
from google.protobuf.message import Message

from services.common.runtime.admission import Room, refusing_handler
from services.common.runtime.config import GrpcSettings
from services.common.runtime.grpc_calls import Call, CallParts, Context, MethodPlan, call_timer
from services.common.runtime.identity import Identity
from services.common.runtime.telemetry import Tracing
from services.common.runtime.validation import tolerant

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"

_REFUSED: Final = grpc.StatusCode.RESOURCE_EXHAUSTED.name


class _Way(NamedTuple):
    """Where the calls of a method go: to their handler while there is room."""

    room: Room
    handler: Handler
    refusal: Handler


class CallChain(grpc.aio.ServerInterceptor):
    """Wraps the handler of every planned method; health and reflection stay as they are."""

    def __init__(
        self,
        plans: Mapping[str, MethodPlan],
        *,
        identity: Identity,
        settings: GrpcSettings,
        tracing: Tracing,
    ) -> None:
        """Take the plans by full method name (``/package.Service/Method``)."""
        self._plans = plans
        self._parts = CallParts(
            identity,
            settings,
            tracing,
            calls=Room(
                settings.concurrent_calls_max,
                waiting_max=settings.waiting_calls_max,
                refusals_per_second=settings.refusals_per_second,
            ),
            streams=Room(settings.concurrent_streams_max),
        )
        self._ways: dict[str, _Way] = {}

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Give the wrapped handler to whoever finds a place, a refusal to the others."""
        way = self._ways.get(handler_call_details.method)
        if way is None:
            found = await self._find_way(continuation, handler_call_details)
            if not isinstance(found, _Way):
                return found
            way = found
        admitted = way.room.enter() or await way.room.wait()
        return way.handler if admitted else way.refusal

    async def _find_way(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Way | Handler | None":
        """Wrap a handler at the first call of its method; those that are none of ours stay as they are."""
        handler = await continuation(handler_call_details)
        plan = self._plans.get(handler_call_details.method)
        if plan is None or handler is None:
            return handler
        wrapped = _wrap(handler, plan, self._parts)
        room = self._parts.room_for(plan)
        refusal = refusing_handler(room, partial(call_timer, plan.name, _REFUSED))
        way = self._ways[plan.name] = _Way(room, wrapped, refusal)
        return way


def _wrap(handler: Handler, plan: MethodPlan, parts: CallParts) -> Handler:
    """Put the chain around a handler of any of the four shapes."""
    decode = handler.request_deserializer
    assert decode is not None, "a handler of ours decodes its requests"
    codec = (tolerant(decode), handler.response_serializer)
    if handler.unary_unary is not None:
        behavior = _unary(handler.unary_unary, plan, parts)
        return grpc.unary_unary_rpc_method_handler(behavior, *codec)
    if handler.stream_unary is not None:
        behavior = _stream_in(handler.stream_unary, plan, parts)
        return grpc.stream_unary_rpc_method_handler(behavior, *codec)
    if handler.unary_stream is not None:
        stream = _stream_out(handler.unary_stream, plan, parts, reads_stream=False)
        return grpc.unary_stream_rpc_method_handler(stream, *codec)
    stream = _stream_out(handler.stream_stream, plan, parts, reads_stream=True)
    return grpc.stream_stream_rpc_method_handler(stream, *codec)


def _unary(behavior: Any, plan: MethodPlan, parts: CallParts) -> Any:
    async def answer(request: Message, context: Context) -> Any:
        async with Call(plan, parts, context) as call:
            await call.admit()
            call.check(request)
            return await behavior(request, context)

    return answer


def _stream_in(behavior: Any, plan: MethodPlan, parts: CallParts) -> Any:
    async def answer(requests: AsyncIterator[Message], context: Context) -> Any:
        async with Call(plan, parts, context) as call:
            await call.admit()
            return await behavior(call.check_each(requests), context)

    return answer


def _stream_out(behavior: Any, plan: MethodPlan, parts: CallParts, *, reads_stream: bool) -> Any:
    """Wrap a handler that yields its answers, or one that writes them to the context."""
    yields = inspect.isasyncgenfunction(behavior)

    async def answer(incoming: Any, context: Context) -> None:
        async with Call(plan, parts, context) as call:
            await call.admit()
            if reads_stream:
                incoming = call.check_each(incoming)
            else:
                call.check(incoming)
            if not yields:
                await behavior(incoming, context)
                return
            async with aclosing(behavior(incoming, context)) as messages:
                async for message in messages:
                    await context.write(message)

    return answer
