"""What a client's channel adds to a call, and what it does when a service is away."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cagnotte.common.v1 import clock_service_pb2 as pb
from cagnotte.common.v1 import clock_service_pb2_grpc
from deploy.local.ports import any_free_port
from services.common.kernel.errors import Unavailable
from services.common.runtime.clock import ServiceClock
from services.common.runtime.clock_service import ClockServicer
from services.common.runtime.config import (
    CallerKind,
    GrpcSettings,
    IdentitySettings,
    TelemetrySettings,
)
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.grpc_server import GrpcServer, Registration, build_server
from services.common.runtime.identity import Identity, current_caller
from services.common.runtime.telemetry import Tracing, current_traceparent, open_tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GET = pb.GetTimeRequest()


class Away(Unavailable):
    """The service is away for a moment."""

    reason = "BATCH_FAILED"


class Flaky(ClockServicer):
    """Fails a number of times before it answers."""

    def __init__(self) -> None:
        """Begin without failures."""
        super().__init__(ServiceClock())
        self.failures = 0
        self.calls: list[str] = []
        self.traceparents: list[str] = []

    async def GetTime(  # noqa: N802 -- the RPC's name
        self, request: pb.GetTimeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetTimeResponse:
        """Fail, or tell the time."""
        self.calls.append(current_caller().subject)
        self.traceparents.append(current_traceparent())
        if self.failures >= len(self.calls):
            raise Away("Away.")
        return await super().GetTime(request, context)


@pytest.fixture
def flaky() -> Flaky:
    """Give the servicer."""
    return Flaky()


@pytest.fixture
def keys(tmp_path: Path) -> DevKeys:
    """Give development keys."""
    return open_dev_keys(tmp_path / "keys")


def build(flaky: Flaky, keys: DevKeys, tracing: Tracing | None = None) -> GrpcServer:
    """Build a server for the servicer."""
    registration = Registration(
        pb.DESCRIPTOR.services_by_name["ClockService"],
        clock_service_pb2_grpc.add_ClockServiceServicer_to_server,
        flaky,
    )
    return build_server(
        GrpcSettings(),
        services=[registration],
        identity=Identity(IdentitySettings(jwks_file=keys.jwks_file)),
        tracing=tracing,
    )


@pytest.fixture
async def server(flaky: Flaky, keys: DevKeys) -> AsyncIterator[GrpcServer]:
    """Give a running server."""
    server = build(flaky, keys)
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


def token(keys: DevKeys, subject: str) -> str:
    """Sign a service's token."""
    return keys.mint(
        CallerKind.SERVICE, subject, now=datetime.now(UTC), lifetime=timedelta(hours=1)
    )


class TestRetries:
    async def test_a_service_that_comes_back_is_not_noticed(
        self, flaky: Flaky, server: GrpcServer, keys: DevKeys
    ) -> None:
        """UNAVAILABLE is tried again: every call of ours bears a repetition."""
        flaky.failures = 2
        async with open_channel(server.address, token=token(keys, "wallet")) as channel:
            answer = await clock_service_pb2_grpc.ClockServiceStub(channel).GetTime(GET)

        assert answer.HasField("business_time")
        assert len(flaky.calls) == 3

    async def test_ends_after_the_last_attempt(
        self, flaky: Flaky, server: GrpcServer, keys: DevKeys
    ) -> None:
        """And then says why, as the service said it."""
        flaky.failures = 9
        async with open_channel(
            server.address, token=token(keys, "wallet"), attempts_max=2
        ) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await clock_service_pb2_grpc.ClockServiceStub(channel).GetTime(GET)

        assert len(flaky.calls) == 2
        assert parse_error(error.value).reason == "BATCH_FAILED"

    async def test_nobody_there_is_a_reason_too(self) -> None:
        """A refused connection reads like any other refusal."""
        async with open_channel(f"127.0.0.1:{any_free_port()}", attempts_max=1) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await clock_service_pb2_grpc.ClockServiceStub(channel).GetTime(GET, timeout=60)

        assert parse_error(error.value).reason == "UNAVAILABLE"


class TestIdentity:
    async def test_a_calls_own_token_wins(
        self, flaky: Flaky, server: GrpcServer, keys: DevKeys
    ) -> None:
        """One channel can serve several identities."""
        own = (("authorization", f"Bearer {token(keys, 'points')}"),)
        async with open_channel(server.address, token=token(keys, "wallet")) as channel:
            stub = clock_service_pb2_grpc.ClockServiceStub(channel)
            await stub.GetTime(GET)
            await stub.GetTime(GET, metadata=own)

        assert flaky.calls == ["wallet", "points"]


class TestTraces:
    async def test_a_span_is_the_callers_child_and_the_handlers_parent(
        self, flaky: Flaky, keys: DevKeys
    ) -> None:
        """A trace crosses the connection, and goes on into what the handler writes."""
        spans = InMemorySpanExporter()
        settings = TelemetrySettings(sample_ratio=1.0)
        with open_tracing(settings, service="clock", exporter=spans) as tracing:
            server = build(flaky, keys, tracing)
            await server.start()
            async with open_channel(server.address, token=token(keys, "wallet")) as channel:
                stub = clock_service_pb2_grpc.ClockServiceStub(channel)
                await stub.GetTime(GET, metadata=(("traceparent", PARENT),))
            await server.stop(grace_seconds=1)

        (span,) = spans.get_finished_spans()
        assert span.name == "/cagnotte.common.v1.ClockService/GetTime"
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == PARENT.split("-")[2]
        context = span.get_span_context()
        assert context is not None
        assert flaky.traceparents[0].split("-")[2] == f"{context.span_id:016x}"
        assert dict(span.attributes or {}) == {"rpc.grpc.status_code": "OK"}

    async def test_a_fault_marks_its_span(self, flaky: Flaky, keys: DevKeys) -> None:
        """Whoever looks at traces finds the failures."""
        flaky.failures = 1
        spans = InMemorySpanExporter()
        settings = TelemetrySettings(sample_ratio=1.0)
        with open_tracing(settings, service="clock", exporter=spans) as tracing:
            server = build(flaky, keys, tracing)
            await server.start()
            async with open_channel(
                server.address, token=token(keys, "wallet"), attempts_max=1
            ) as channel:
                with pytest.raises(grpc.aio.AioRpcError):
                    await clock_service_pb2_grpc.ClockServiceStub(channel).GetTime(GET)
            await server.stop(grace_seconds=1)

        (span,) = spans.get_finished_spans()
        assert not span.status.is_ok
        assert span.status.description == "BATCH_FAILED"
