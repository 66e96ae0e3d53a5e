"""The one line that is logged for each call."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import DevKeys
from services.common.runtime.grpc_client import open_channel
from services.common.runtime.grpc_server import GrpcServer
from tests.integration.common.talk import (
    PAN,
    PARENT,
    Say,
    Talk,
    method,
    refusal,
    token,
)


class TestCanonicalLine:
    async def test_says_who_called_what_and_how_it_ended(
        self, till: grpc.aio.Channel, logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """One line for each call."""
        await method(till)(Say(request_id="r1"), metadata=(("traceparent", PARENT),))

        (line,) = logged()
        assert line.pop("duration_ms") >= 0
        assert line.pop("time")
        assert line == {
            "level": "info",
            "service": "talk",
            "event": "grpc.call_finished",
            "grpc_method": "/cagnotte_test.TalkService/Unary",
            "grpc_code": "OK",
            "trace_id": PARENT[3:35],
            "request_id": "r1",
            "caller_kind": "till",
            "caller": "0330/1",
        }

    async def test_never_has_a_token_or_a_card_number(
        self,
        server: GrpcServer,
        keys: DevKeys,
        till: grpc.aio.Channel,
        logged: Callable[[], list[dict[str, Any]]],
    ) -> None:
        """Whatever fails, and wherever the caller put them."""
        operator = token(keys, CallerKind.OPERATOR, "jane.doe@example.org")
        await refusal(method(till)(Say(text=PAN, request_id=PAN)))
        async with open_channel(server.address, token=operator) as channel:
            await refusal(method(channel)(Say()))
            await refusal(method(channel)(Say(), metadata=(("authorization", "Bearer secret"),)))

        text = json.dumps(logged())
        assert len(logged()) == 3
        assert "1111" not in text
        assert operator not in text
        assert "secret" not in text
        assert "jane.doe" not in text

    async def test_a_caller_who_leaves_is_logged_too(
        self,
        talk: Talk,
        server: GrpcServer,
        till: grpc.aio.Channel,
        logged: Callable[[], list[dict[str, Any]]],
    ) -> None:
        """As cancelled, which is nobody's fault."""
        begun = asyncio.Event()

        async def hang(request: Any, context: Any) -> Any:
            assert context is not None
            begun.set()
            await asyncio.Event().wait()
            return request

        talk.unary = hang
        call = method(till)(Say())
        running = asyncio.ensure_future(call)
        await begun.wait()

        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await server.stop(grace_seconds=60)  # Once every call has ended.

        assert logged()[0]["grpc_code"] == "CANCELLED"
