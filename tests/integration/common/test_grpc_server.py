"""What every call meets between the socket and its handler, over a real connection."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.grpc_server import GrpcServer
from tests.integration.common.talk import PARENT, SHAPES, NotToday, Say, Talk, method, refusal


class TestShapes:
    async def test_streams_pass_in_both_directions(self, till: grpc.aio.Channel) -> None:
        """All four shapes of RPC go through the same chain."""
        words = [Say(text="one"), Say(text="two")]

        collected = await method(till, "Collect")(iter(words))
        spread = [answer.text async for answer in method(till, "Spread")(Say(text="one two"))]
        chat = [answer.text async for answer in method(till, "Chat")(iter(words))]

        assert collected.text == "one two"
        assert spread == chat == ["one", "two"]

    async def test_a_stream_can_end_in_a_refusal(self, till: grpc.aio.Channel) -> None:
        """What was answered before stays answered."""
        call = method(till, "Spread")(Say(text="one refuse two"))

        first = await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call.read()

        assert first.text == "one"
        assert parse_error(error.value).reason == "NOT_TODAY"

    @pytest.mark.parametrize("name", list(SHAPES))
    async def test_every_shape_asks_who_calls(self, server: GrpcServer, name: str) -> None:
        """No shape of RPC passes by the door."""
        reads, writes = SHAPES[name]
        async with open_channel(server.address) as nobody:
            call = method(nobody, name)(iter([Say()]) if reads else Say())
            with pytest.raises(grpc.aio.AioRpcError) as error:
                [answer async for answer in call] if writes else await call

        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


class TestFailures:
    async def test_a_refusal_tells_its_reason(self, talk: Talk, till: grpc.aio.Channel) -> None:
        """A domain error becomes a status with the reason and the metadata."""

        async def refuse(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            raise NotToday("Not today.", day="Sunday")

        talk.unary = refuse

        error = await refusal(method(till)(Say()))

        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert parse_error(error) == ("NOT_TODAY", {"day": "Sunday"}, [])

    async def test_a_fault_of_ours_tells_nothing_but_its_trace(
        self, talk: Talk, till: grpc.aio.Channel, logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Details stay in the log, where the trace id finds them."""

        async def crash(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            raise KeyError("a secret of ours")

        talk.unary = crash

        error = await refusal(method(till)(Say(), metadata=(("traceparent", PARENT),)))

        assert error.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in f"{error.details()} {error.trailing_metadata()}"
        assert parse_error(error).metadata == {"trace_id": PARENT[3:35]}
        (line,) = logged()
        assert line["level"] == "error"
        assert line["exception"][0]["exc_type"] == "KeyError"

    async def test_a_silent_database_may_be_tried_again(
        self, talk: Talk, till: grpc.aio.Channel
    ) -> None:
        """A failure of the world is UNAVAILABLE, with its reason."""

        async def lose_connection(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            raise ConnectionResetError("by peer")

        talk.unary = lose_connection

        error = await refusal(method(till)(Say()))

        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert parse_error(error).reason == "DATABASE_UNAVAILABLE"

    async def test_an_rpc_that_is_not_written_yet_says_so(
        self, talk: Talk, till: grpc.aio.Channel
    ) -> None:
        """That is no fault to be alarmed of."""

        async def later(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            raise NotImplementedError

        talk.unary = later

        assert (await refusal(method(till)(Say()))).code() is grpc.StatusCode.UNIMPLEMENTED


class TestHealthAndReflection:
    async def test_health_needs_no_credentials(self, server: GrpcServer) -> None:
        """Balancers ask for the server as a whole, and for each service."""
        async with grpc.aio.insecure_channel(server.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            for name in ("", "cagnotte_test.TalkService"):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

            await server.drain()
            answer = await health.Check(health_pb2.HealthCheckRequest())

        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING

    async def test_reflection_lists_the_services(self, server: GrpcServer) -> None:
        """Tools like grpcurl need no proto files."""
        async with grpc.aio.insecure_channel(server.address) as channel:
            connection: Any = channel  # Its types know the other kind of channel alone.
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(connection)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]

        listed = {service.name for service in answers[0].list_services_response.service}
        assert "cagnotte_test.TalkService" in listed
