"""What every call meets between the socket and its handler, over a real connection."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import structlog
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from cagnotte.common.v1 import access_pb2, money_pb2
from services.common.kernel.errors import FailedPrecondition
from services.common.runtime.config import CallerKind, GrpcSettings, IdentitySettings, LogSettings
from services.common.runtime.deadlines import seconds_left
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.grpc_server import GrpcServer, Registration, build_server
from services.common.runtime.identity import Identity, current_caller
from services.common.runtime.logging import configure_logging
from services.common.runtime.telemetry import current_traceparent

PARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PAN: Final = "4111 1111 1111 1111"
SHAPES: Final = {"Unary": (0, 0), "Collect": (1, 0), "Spread": (0, 1), "Chat": (1, 1)}
Behavior = Callable[[Any, Any], Awaitable[Any]]


def make_service() -> ServiceDescriptor:
    """Make a service with an RPC of each shape, open to tills; its message has one text."""
    file = descriptor_pb2.FileDescriptorProto(
        name="cagnotte_test/talk.proto", package="cagnotte_test", syntax="proto3"
    )
    file.dependency.append(money_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="Say")
    field = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="text", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    message.field.add(
        name="request_id", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL
    )
    message.field.add(
        name="price",
        number=3,
        type=field.TYPE_MESSAGE,
        type_name=".cagnotte.common.v1.Money",
        label=field.LABEL_OPTIONAL,
    )
    service = file.service.add(name="TalkService")
    for name, (reads, writes) in SHAPES.items():
        method = service.method.add(name=name, client_streaming=reads, server_streaming=writes)
        method.input_type = method.output_type = ".cagnotte_test.Say"
        rule = method.options.Extensions[access_pb2.access]
        rule.callers.append(access_pb2.CALLER_KIND_TILL)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("cagnotte_test.TalkService")


SERVICE: Final = make_service()
Say: Final[Any] = message_factory.GetMessageClass(SERVICE.methods_by_name["Unary"].input_type)
FORMS: Final = {
    "Unary": grpc.unary_unary_rpc_method_handler,
    "Collect": grpc.stream_unary_rpc_method_handler,
    "Spread": grpc.unary_stream_rpc_method_handler,
    "Chat": grpc.stream_stream_rpc_method_handler,
}


class Talk:
    """A servicer that does what a test tells it."""

    def __init__(self) -> None:
        """Answer what was asked, until told otherwise."""
        self.unary: Behavior = self.echo

    async def echo(self, request: Any, context: Any) -> Any:
        """Answer what was asked."""
        assert context is not None
        return request

    async def answer(self, request: Any, context: Any) -> Any:
        """Do what the test says."""
        return await self.unary(request, context)

    async def collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        """Join the texts."""
        assert context is not None
        return Say(text=" ".join([request.text async for request in requests]))

    async def spread(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Answer each word, as a generator."""
        assert context is not None
        for word in request.text.split():
            if word == "refuse":
                raise NotToday("Not today.")
            yield Say(text=word)

    async def chat(self, requests: AsyncIterator[Any], context: Any) -> None:
        """Answer each message, by writing to the context."""
        async for request in requests:
            await context.write(request)


class NotToday(FailedPrecondition):
    """A refusal."""

    reason = "NOT_TODAY"


def add_talk(servicer: Talk, server: grpc.aio.Server) -> None:
    """Register the servicer, as generated code would."""
    behaviors: dict[str, Any] = {
        "Unary": servicer.answer,
        "Collect": servicer.collect,
        "Spread": servicer.spread,
        "Chat": servicer.chat,
    }
    handlers = {
        name: form(
            behaviors[name],
            request_deserializer=Say.FromString,
            response_serializer=Say.SerializeToString,
        )
        for name, form in FORMS.items()
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),)
    )


@pytest.fixture
def talk() -> Talk:
    """Give the servicer."""
    return Talk()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> DevKeys:
    """Give development keys."""
    return open_dev_keys(tmp_path_factory.mktemp("keys"))


def token(keys: DevKeys, kind: CallerKind = CallerKind.TILL, subject: str = "0330/1") -> str:
    """Sign a token for an hour."""
    return keys.mint(kind, subject, now=datetime.now(UTC), lifetime=timedelta(hours=1))


def build(talk: Talk, keys: DevKeys, **settings: Any) -> GrpcServer:
    """Build a server for the servicer."""
    return build_server(
        GrpcSettings(**settings),
        services=[Registration(SERVICE, add_talk, talk)],
        identity=Identity(IdentitySettings(jwks_file=Path(keys.jwks_file))),
    )


@pytest.fixture
async def server(talk: Talk, keys: DevKeys) -> AsyncIterator[GrpcServer]:
    """Give a running server."""
    server = build(talk, keys)
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


@pytest.fixture
async def till(server: GrpcServer, keys: DevKeys) -> AsyncIterator[grpc.aio.Channel]:
    """Give a till's channel."""
    async with open_channel(server.address, token=token(keys), attempts_max=1) as channel:
        yield channel


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Give the canonical lines that were written."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers = []
    configure_logging(LogSettings(), service="talk", stream=stream)

    def lines() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == "grpc.call_finished"]

    yield lines
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def method(channel: grpc.aio.Channel, name: str = "Unary") -> Any:
    """Give a callable for an RPC."""
    reads, writes = SHAPES[name]
    form = {
        (0, 0): channel.unary_unary,
        (1, 0): channel.stream_unary,
        (0, 1): channel.unary_stream,
        (1, 1): channel.stream_stream,
    }[reads, writes]
    path = f"/{SERVICE.full_name}/{name}"
    return form(
        path, request_serializer=Say.SerializeToString, response_deserializer=Say.FromString
    )


async def refusal(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """Make a call that must fail, and give its error."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value


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
        server = build(talk, keys, deadline_seconds_min=5.0)
        await server.start()
        async with open_channel(server.address, token=token(keys)) as channel:
            error = await refusal(method(channel)(Say(), timeout=2.0))
        await server.stop(grace_seconds=0)

        assert parse_error(error).reason == "DEADLINE_TOO_SHORT"
        assert not begun.is_set()

    async def test_work_ends_a_little_before_the_callers_time(
        self, talk: Talk, till: grpc.aio.Channel
    ) -> None:
        """So that the caller hears from us what happened, not from its own timer."""

        async def hang(request: Any, context: Any) -> Any:
            assert context is not None
            await asyncio.Event().wait()
            return request

        talk.unary = hang

        error = await refusal(method(till)(Say(), timeout=0.3))

        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert parse_error(error).reason == "DEADLINE_PASSED"

    async def test_a_call_without_a_deadline_gets_one(self, talk: Talk, keys: DevKeys) -> None:
        """Nothing runs for ever because nobody said how long."""

        async def tell_time_left(request: Any, context: Any) -> Any:
            assert request is not None
            assert context is not None
            left = seconds_left()
            assert left is not None
            return Say(text="limited" if 5 < left <= 7 else "not")

        talk.unary = tell_time_left
        server = build(talk, keys, deadline_seconds_max=7.0)
        await server.start()
        metadata = (("authorization", f"Bearer {token(keys)}"),)
        async with grpc.aio.insecure_channel(server.address) as channel:
            answer = await method(channel)(Say(), metadata=metadata)
            asked_for_more = await method(channel)(Say(), metadata=metadata, timeout=60)
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
            Say(text="again"), timeout=1.0, metadata=(("traceparent", PARENT),)
        )

        assert all(0 < left < 1.1 for left in inner)  # gRPC rounds timeouts up.
        assert answer.text == PARENT


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

    async def test_more_calls_than_may_run_are_pushed_back(self, talk: Talk, keys: DevKeys) -> None:
        """The bound holds, and is given back when calls end."""
        release = asyncio.Event()

        async def wait(request: Any, context: Any) -> Any:
            assert context is not None
            await release.wait()
            return request

        talk.unary = wait
        server = build(talk, keys, concurrent_calls_max=2)
        await server.start()
        async with open_channel(server.address, token=token(keys), attempts_max=1) as channel:
            calls = [asyncio.ensure_future(method(channel)(Say())) for _ in range(2)]
            await asyncio.sleep(0.1)
            error = await refusal(method(channel)(Say()))
            release.set()
            await asyncio.gather(*calls)
            await method(channel)(Say())
        await server.stop(grace_seconds=0)

        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert parse_error(error).reason == "QUEUE_FULL"


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
        await server.stop(grace_seconds=5)  # Once every call has ended.

        assert logged()[0]["grpc_code"] == "CANCELLED"


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
