"""How long a call may take, and what it may hand on, over a real connection."""

import asyncio
from typing import Any

import grpc

from services.common.runtime.deadlines import seconds_left
from services.common.runtime.dev_keys import DevKeys
from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.telemetry import current_traceparent
from tests.integration.common.talk import (
    PARENT,
    Say,
    Talk,
    build,
    method,
    refusal,
    token,
)


class TestDeadlines:
    async def test_too_little_time_is_refused_before_any_work(
        self, talk: Talk, keys: DevKeys
    ) -> None:
        """The handler does not even begin."""
        begun = asyncio.Event()

        async def begin(request: Any, context: Any) -> Any:
            assert context is not None
            begun.set()
            return request

        talk.unary = begin
        server = build(talk, keys, deadline_seconds_min=600.0)
        await server.start()
        async with open_channel(server.address, token=token(keys)) as channel:
            error = await refusal(method(channel)(Say(), timeout=60.0))
        await server.stop(grace_seconds=0)

        assert parse_error(error).reason == "DEADLINE_TOO_SHORT"
        assert not begun.is_set()

    async def test_work_has_a_little_less_than_the_callers_time(
        self, talk: Talk, keys: DevKeys
    ) -> None:
        """So that the caller hears from us what happened, not from its own timer."""
        left: list[float | None] = []

        async def tell_time_left(request: Any, context: Any) -> Any:
            assert context is not None
            left.append(seconds_left())
            return request

        talk.unary = tell_time_left
        server = build(talk, keys, deadline_seconds_max=600.0, deadline_shave_seconds=20.0)
        await server.start()
        async with open_channel(server.address, token=token(keys)) as channel:
            await method(channel)(Say(), timeout=60.0)
        await server.stop(grace_seconds=0)

        [seconds] = left
        assert seconds is not None
        assert 0 < seconds < 40.1  # gRPC rounds timeouts up.

    async def test_work_that_takes_too_long_ends_with_a_reason(
        self, talk: Talk, keys: DevKeys
    ) -> None:
        """The caller, which would have waited, hears why it has no answer."""

        async def hang(request: Any, context: Any) -> Any:
            assert context is not None
            await asyncio.Event().wait()
            return request

        talk.unary = hang
        server = build(talk, keys, deadline_seconds_max=0.2)
        await server.start()
        async with open_channel(server.address, token=token(keys)) as channel:
            error = await refusal(method(channel)(Say(), timeout=60.0))
        await server.stop(grace_seconds=0)

        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert parse_error(error).reason == "DEADLINE_PASSED"

    async def test_a_call_without_a_deadline_gets_one(self, talk: Talk, keys: DevKeys) -> None:
        """Nothing runs for ever because nobody said how long."""

        async def tell_time_left(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            left = seconds_left()
            assert left is not None
            return Say(text="limited" if 30 < left <= 70 else "not")

        talk.unary = tell_time_left
        server = build(talk, keys, deadline_seconds_max=70.0)
        await server.start()
        metadata = (("authorization", f"Bearer {token(keys)}"),)
        async with grpc.aio.insecure_channel(server.address) as channel:
            answer = await method(channel)(Say(), metadata=metadata)
            asked_for_more = await method(channel)(Say(), metadata=metadata, timeout=600)
        await server.stop(grace_seconds=0)

        assert (answer.text, asked_for_more.text) == ("limited", "limited")

    async def test_a_calls_own_calls_get_no_more_than_it_has(
        self, talk: Talk, till: grpc.aio.Channel
    ) -> None:
        """A chain of services shares the first caller's deadline and trace."""
        inner: list[float] = []

        async def call_again(request: Any, context: Any) -> Any:
            inner.append(context.time_remaining())
            if request.text:
                await method(till)(Say())
            return Say(text=current_traceparent())

        talk.unary = call_again

        answer = await method(till)(
            Say(text="again"), timeout=20.0, metadata=(("traceparent", PARENT),)
        )

        assert all(0 < left < 20.1 for left in inner)  # gRPC rounds timeouts up.
        assert answer.text == PARENT
