"""What a call must show and hold before its handler sees it, over a real connection."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest

from cagnotte.common.v1 import money_pb2
from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import DevKeys
from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.grpc_server import GrpcServer
from services.common.runtime.identity import current_caller
from tests.integration.common.talk import (
    PAN,
    SERVICE,
    SHAPES,
    Say,
    Talk,
    method,
    refusal,
    token,
)


class TestIdentity:
    async def test_a_till_gets_in_and_is_known_inside(
        self, talk: Talk, till: grpc.aio.Channel
    ) -> None:
        """The handler knows who calls."""

        async def name_caller(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            caller = current_caller()
            return Say(text=f"{caller.kind}:{caller.subject}")

        talk.unary = name_caller

        assert (await method(till)(Say())).text == "till:0330/1"

    @pytest.mark.parametrize(
        ("metadata", "cause"),
        [
            ((), "credentials_missing"),
            ((("authorization", "Basic dGlsbDp0aWxs"),), "not_bearer"),
            ((("authorization", "Bearer x.y.z"),), "token_invalid"),
        ],
    )
    async def test_who_proves_nothing_stays_out(
        self, server: GrpcServer, metadata: Sequence[tuple[str, str]], cause: str
    ) -> None:
        """No credentials, other ones, or broken ones."""
        async with open_channel(server.address) as nobody:
            error = await refusal(method(nobody)(Say(), metadata=metadata))

        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert parse_error(error).metadata == {"cause": cause}

    async def test_another_kind_of_caller_stays_out(
        self, server: GrpcServer, keys: DevKeys
    ) -> None:
        """What is not allowed is denied."""
        finance = token(keys, CallerKind.FINANCE, "somebody")
        async with open_channel(server.address, token=finance) as channel:
            error = await refusal(method(channel)(Say()))

        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        assert parse_error(error).reason == "CALLER_NOT_ALLOWED"
        assert parse_error(error).metadata["caller_kind"] == "FINANCE"

    async def test_concurrent_callers_are_not_confused(
        self, talk: Talk, server: GrpcServer, keys: DevKeys
    ) -> None:
        """Each call has its own caller, though all share one thread."""

        async def slow_name(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            await asyncio.sleep(0.01)
            return Say(text=current_caller().subject)

        talk.unary = slow_name
        async with open_channel(server.address) as channel:
            calls = [
                method(channel)(
                    Say(), metadata=(("authorization", f"Bearer {token(keys, subject=str(n))}"),)
                )
                for n in range(20)
            ]
            answers = [answer.text for answer in await asyncio.gather(*calls)]

        assert answers == [str(n) for n in range(20)]


class TestRequests:
    async def test_a_broken_rule_is_named(self, till: grpc.aio.Channel) -> None:
        """Rules of the proto are checked before the handler, also in nested messages."""
        error = await refusal(method(till)(Say(price=money_pb2.Money(currency_code="euro"))))

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert [path for path, _ in parse_error(error).violations] == ["price.currency_code"]

    async def test_a_card_number_is_refused(self, till: grpc.aio.Channel) -> None:
        """And never repeated in the answer."""
        error = await refusal(method(till)(Say(text=f"my card is {PAN}")))

        assert parse_error(error) == (
            "PAN_REFUSED",
            {"field": "text"},
            [("text", "looks like a payment card number")],
        )

    @pytest.mark.parametrize("name", ["Collect", "Chat"])
    async def test_each_message_of_a_stream_is_checked(
        self, till: grpc.aio.Channel, name: str
    ) -> None:
        """The first good message opens no door for the next."""
        call = method(till, name)(iter([Say(text="fine"), Say(text=PAN)]))

        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call if name == "Collect" else [answer async for answer in call]

        assert parse_error(error.value).reason == "PAN_REFUSED"

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("content", [b"\xff\xff", b"\x0a\x02\xc3\x28"], ids=["wire", "utf8"])
    async def test_bytes_that_are_no_message_are_refused(
        self,
        till: grpc.aio.Channel,
        logged: Callable[[], list[dict[str, Any]]],
        shape: str,
        content: bytes,
    ) -> None:
        """The caller learns a reason and nothing of our code; the line is written as for any call."""
        answers = raw_call(till, shape, content)

        error = await refusal(answers)

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert parse_error(error) == ("REQUEST_UNREADABLE", {}, [])
        assert error.details() == "The request is no message of this method."
        [line] = logged()
        assert (line["grpc_code"], line["reason"]) == ("INVALID_ARGUMENT", "REQUEST_UNREADABLE")

    async def test_bytes_of_a_stranger_are_refused_for_the_stranger(
        self, server: GrpcServer
    ) -> None:
        """Who calls is found out first."""
        async with grpc.aio.insecure_channel(server.address) as channel:
            error = await refusal(raw_call(channel, "Unary", b"\xff"))

        assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def raw_call(channel: grpc.aio.Channel, shape: str, content: bytes) -> None:
    """Send bytes as the one request, and wait for the end."""
    reads, writes = SHAPES[shape]
    kinds = {
        (0, 0): channel.unary_unary,
        (1, 0): channel.stream_unary,
        (0, 1): channel.unary_stream,
        (1, 1): channel.stream_stream,
    }
    call: Any = kinds[reads, writes](f"/{SERVICE.full_name}/{shape}")
    answer = call(iter([content]) if reads else content)
    if writes:
        async for _ in answer:
            pass
    else:
        await answer
