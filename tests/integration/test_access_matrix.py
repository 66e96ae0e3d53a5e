"""Every RPC of every service against every kind of caller: default deny, proven at the door.

Behind the door stands a servicer that only says that it was reached, so this test needs no
database and covers an RPC on the day on which its proto is written.
"""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

import cagnotte
from cagnotte.common.v1 import access_pb2
from services.common.runtime.access import OWNER_FIELD, access_rule
from services.common.runtime.config import CallerKind, GrpcSettings, IdentitySettings
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.grpc_server import GrpcServer, Registration, build_server
from services.common.runtime.identity import Identity

CUSTOMER: Final = "0190a5d0-0000-7000-8000-00000000000a"
SOMEBODY_ELSE: Final = "0190a5d0-0000-7000-8000-00000000000b"
# What belongs to nobody: the time, and the rules by which everybody earns.
PUBLIC: Final = frozenset(
    {
        "/cagnotte.common.v1.ClockService/GetTime",
        "/cagnotte.points.v1.PointsService/GetProgramme",
    }
)
CLOSED: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})


def all_services() -> Iterator[ServiceDescriptor]:
    """Find the services of every proto that is generated."""
    for module in pkgutil.walk_packages(list(cagnotte.__path__), prefix="cagnotte."):
        if module.name.endswith("_pb2"):
            yield from importlib.import_module(module.name).DESCRIPTOR.services_by_name.values()


SERVICES: Final = list(all_services())
METHODS: Final = [method for service in SERVICES for method in service.methods]
OWN_DATA_METHODS: Final = [
    method
    for method in METHODS
    if access_rule(method).own_data_only and OWNER_FIELD in method.input_type.fields_by_name
]


def path_of(method: MethodDescriptor) -> str:
    """Give the method's full name, as gRPC calls it."""
    return f"/{method.containing_service.full_name}/{method.name}"


class Reached:
    """Says for every RPC that the call got through, with a status that the door never gives."""

    def __init__(self, service: ServiceDescriptor) -> None:
        """Take the service whose RPCs it stands in for."""
        self._service = service

    async def answer(self, request: Any, context: Any) -> None:
        """Say so."""
        assert request is not None
        await context.abort(grpc.StatusCode.DATA_LOSS, "reached")

    def register(self, server: grpc.aio.Server) -> None:
        """Register for each RPC, by its shape."""
        handlers = {method.name: self._handler(method) for method in self._service.methods}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(self._service.full_name, handlers),)
        )

    def _handler(self, method: MethodDescriptor) -> Any:
        form = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[bool(method.client_streaming), bool(method.server_streaming)]
        request = message_factory.GetMessageClass(method.input_type)
        behavior: Any = self.answer
        return form(
            behavior,
            request_deserializer=request.FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> DevKeys:
    """Give development keys."""
    return open_dev_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
async def server(keys: DevKeys) -> AsyncIterator[GrpcServer]:
    """Give a server of all services."""
    server = build_server(
        GrpcSettings(),
        services=[
            Registration(service, Reached.register, Reached(service)) for service in SERVICES
        ],
        identity=Identity(IdentitySettings(jwks_file=keys.jwks_file)),
    )
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


async def call(
    server: GrpcServer, method: MethodDescriptor, *, token: str | None, **fields: str
) -> grpc.aio.AioRpcError:
    """Call an RPC with these fields; the stand-in behind the door fails too, with DATA_LOSS."""
    message = message_factory.GetMessageClass(method.input_type)(**fields)
    async with open_channel(server.address, token=token, attempts_max=1) as channel:
        shapes = {
            (False, False): channel.unary_unary,
            (True, False): channel.stream_unary,
            (False, True): channel.unary_stream,
            (True, True): channel.stream_stream,
        }
        stub: Any = shapes[bool(method.client_streaming), bool(method.server_streaming)]
        start = stub(path_of(method), request_serializer=lambda item: item.SerializeToString())
        running = start(iter([message]) if method.client_streaming else message)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await (running.read() if method.server_streaming else running)
    return error.value


def token_of(keys: DevKeys, kind: CallerKind) -> str:
    """Sign a token for a caller of a kind."""
    return keys.mint(kind, CUSTOMER, now=datetime.now(UTC), lifetime=timedelta(hours=1))


class TestMatrix:
    def test_covers_every_service(self) -> None:
        """The walk finds the services; an empty matrix would prove nothing."""
        names = {service.full_name for service in SERVICES}

        assert {
            "cagnotte.common.v1.ClockService",
            "cagnotte.ledger.v1.LedgerService",
            "cagnotte.points.v1.PointsService",
        } <= names

    @pytest.mark.parametrize("method", METHODS, ids=path_of)
    def test_every_rpc_declares_who_may_call(self, method: MethodDescriptor) -> None:
        """An RPC that is silent keeps its server from being built."""
        option = method.GetOptions().Extensions[access_pb2.access]

        assert option.callers
        assert access_pb2.CALLER_KIND_UNSPECIFIED not in option.callers

    @pytest.mark.parametrize("kind", list(CallerKind))
    @pytest.mark.parametrize("method", METHODS, ids=path_of)
    async def test_lets_in_whom_it_declares_and_nobody_else(
        self, server: GrpcServer, keys: DevKeys, method: MethodDescriptor, kind: CallerKind
    ) -> None:
        """Allowed kinds get as far as the rules of the request; all others are denied."""
        number = access_pb2.CallerKind.Value(f"CALLER_KIND_{kind.name}")
        allowed = number in method.GetOptions().Extensions[access_pb2.access].callers

        error = await call(server, method, token=token_of(keys, kind))

        if allowed:
            assert error.code() not in CLOSED
        else:
            assert error.code() is grpc.StatusCode.PERMISSION_DENIED
            assert parse_error(error).reason == "CALLER_NOT_ALLOWED"

    @pytest.mark.parametrize("method", METHODS, ids=path_of)
    async def test_lets_nobody_in_without_credentials(
        self, server: GrpcServer, method: MethodDescriptor
    ) -> None:
        """There is no public RPC."""
        error = await call(server, method, token=None)

        assert error.code() is grpc.StatusCode.UNAUTHENTICATED


class TestShoppers:
    @pytest.mark.parametrize("method", METHODS, ids=path_of)
    def test_are_limited_to_their_own_data(self, method: MethodDescriptor) -> None:
        """Whatever lets shoppers in says so; only what belongs to nobody is open."""
        rule = access_rule(method)

        if CallerKind.SHOPPER in rule.callers:
            assert rule.own_data_only or rule.method in PUBLIC

    @pytest.mark.parametrize("method", OWN_DATA_METHODS, ids=path_of)
    async def test_may_not_name_another_customer(
        self, server: GrpcServer, keys: DevKeys, method: MethodDescriptor
    ) -> None:
        """The door compares the customer that is named with the caller."""
        token = token_of(keys, CallerKind.SHOPPER)

        others = await call(server, method, token=token, customer_id=SOMEBODY_ELSE)
        own = await call(server, method, token=token, customer_id=CUSTOMER)

        assert others.code() is grpc.StatusCode.PERMISSION_DENIED
        assert own.code() not in CLOSED

    @pytest.mark.parametrize("method", OWN_DATA_METHODS, ids=path_of)
    async def test_others_may_name_any_customer(
        self, server: GrpcServer, keys: DevKeys, method: MethodDescriptor
    ) -> None:
        """A till or a service serves everybody."""
        for kind in access_rule(method).callers - {CallerKind.SHOPPER}:
            error = await call(
                server, method, token=token_of(keys, kind), customer_id=SOMEBODY_ELSE
            )

            assert error.code() not in CLOSED
