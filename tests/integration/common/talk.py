"""A service that does what a test tells it, with an RPC of each shape, and how to call it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor

from cagnotte.common.v1 import access_pb2, money_pb2
from services.common.kernel.errors import FailedPrecondition
from services.common.runtime.config import CallerKind, GrpcSettings, IdentitySettings
from services.common.runtime.dev_keys import DevKeys
from services.common.runtime.grpc_server import GrpcServer, Registration, build_server
from services.common.runtime.identity import Identity

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
