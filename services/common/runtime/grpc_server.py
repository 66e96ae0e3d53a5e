"""Builds a service's gRPC server: TLS, the call chain, health and reflection.

server = build_server(
    settings.grpc,
    services=[Registration(DESCRIPTOR, add_LedgerServiceServicer_to_server, servicer)],
    identity=Identity(settings.identity),
)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common.runtime.config import GrpcSettings, TlsSettings
from services.common.runtime.grpc_calls import plan_method
from services.common.runtime.identity import Identity
from services.common.runtime.interceptors import CallChain
from services.common.runtime.telemetry import Tracing

_MILLISECONDS: Final = 1_000
_PING_INTERVAL_MS_MIN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Registration:
    """One gRPC service of ours: its descriptor, its generated adder, its servicer."""

    descriptor: ServiceDescriptor
    add: Callable[[Any, Any], None]
    servicer: object


class GrpcServer:
    """A server that is built, and then started and stopped by ``lifecycle.serve``."""

    def __init__(
        self,
        server: grpc.aio.Server,
        *,
        healthcheck: health.aio.HealthServicer,
        names: Sequence[str],
        address: str,
    ) -> None:
        """Take a bound server; ``build_server`` makes it."""
        self._server = server
        self._healthcheck = healthcheck
        self._names = names
        self.address = address
        """``host:port``, with the port that was really bound."""

    async def start(self) -> None:
        """Take calls and report SERVING."""
        for name in self._names:
            await self._healthcheck.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()

    async def drain(self) -> None:
        """Report NOT_SERVING for good, and still take calls, so that balancers can turn away."""
        await self._healthcheck.enter_graceful_shutdown()

    async def stop(self, *, grace_seconds: float) -> None:
        """Refuse new calls and give the running ones this long to end."""
        await self.drain()
        await self._server.stop(grace_seconds)


def build_server(
    settings: GrpcSettings,
    *,
    services: Sequence[Registration],
    identity: Identity,
    tracing: Tracing | None = None,
) -> GrpcServer:
    """Build the server and bind its address, without taking calls yet.

    Raises:
        AccessUndeclared: an RPC does not say who may call it.
        RuntimeError: the address cannot be bound.
    """
    plans = {
        plan.name: plan
        for service in services
        for plan in (plan_method(method, settings) for method in service.descriptor.methods)
    }
    chain = CallChain(plans, identity=identity, settings=settings, tracing=tracing or Tracing())
    server = grpc.aio.server(
        interceptors=[chain], options=_options(settings, watched=_is_watched(services))
    )
    for service in services:
        service.add(service.servicer, server)
    names = ["", *(service.descriptor.full_name for service in services)]
    healthcheck = health.aio.HealthServicer()  # Open to all: balancers have no credentials.
    health_pb2_grpc.add_HealthServicer_to_server(healthcheck, server)
    if settings.reflection:
        visible = [*names[1:], health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(visible, server)
    address = _bind(server, settings)
    return GrpcServer(server, healthcheck=healthcheck, names=names, address=address)


def _bind(server: grpc.aio.Server, settings: GrpcSettings) -> str:
    tls = settings.tls
    if tls is None:
        port = server.add_insecure_port(settings.listen)
    else:
        authorities = tls.client_ca_file.read_bytes() if tls.client_ca_file is not None else None
        port = server.add_secure_port(settings.listen, _credentials(tls, authorities=authorities))
        if tls.token_listen:
            server.add_secure_port(tls.token_listen, _credentials(tls, authorities=None))
    host, _, _ = settings.listen.rpartition(":")
    return f"{host}:{port}"


def _credentials(tls: TlsSettings, *, authorities: bytes | None) -> grpc.ServerCredentials:
    """Demand a certificate that these authorities have signed, or ask for none.

    gRPC for Python knows nothing between the two, hence the second address for tokens.
    """
    pair = (tls.key_file.read_bytes(), tls.certificate_file.read_bytes())
    return grpc.ssl_server_credentials(
        [pair], root_certificates=authorities, require_client_auth=authorities is not None
    )


def _is_watched(services: Sequence[Registration]) -> bool:
    """Tell whether callers listen to streams, which last and would take the places of calls on their connection."""
    return any(
        method.server_streaming for service in services for method in service.descriptor.methods
    )


def _options(settings: GrpcSettings, *, watched: bool) -> list[tuple[str, int]]:
    streams = settings.concurrent_streams_max if watched else 0
    keepalive_timeout_ms = round(settings.keepalive_timeout_seconds * _MILLISECONDS)
    return [
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.max_send_message_length", settings.message_bytes_max),
        # A phone's link dies silently; the stream that it watched ends all the same.
        ("grpc.keepalive_time_ms", round(settings.keepalive_seconds * _MILLISECONDS)),
        ("grpc.keepalive_timeout_ms", keepalive_timeout_ms),
        # Of the two timers of a keepalive ping it is this one that ends the connection (60 s).
        ("grpc.http2.ping_timeout_ms", keepalive_timeout_ms),
        # Nothing is sent on a stream that waits, so pings must not need data between them.
        ("grpc.http2.max_pings_without_data", 0),
        # Clients keep idle connections alive through proxies; faster pings are abuse.
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_MS_MIN),
        ("grpc.keepalive_permit_without_calls", 1),
        # A client that sends more over one connection keeps the rest, at no cost for the server.
        ("grpc.max_concurrent_streams", settings.connection_calls_max + streams),
        # Counted as HTTP/2 counts: gRPC would also count calls that ended and are not cleared away yet, and reset new
        # ones that the client had every right to begin (UNAVAILABLE).
        ("grpc.http.overload_protection", 0),
        # Calls that wait for the event loop to take them up, a queue for each method. gRPC drops what comes beyond
        # without a word of when to come again (CANCELLED), which costs nothing: the bound of last resort.
        ("grpc.server.max_pending_requests", settings.pending_calls_max),
        ("grpc.server.max_pending_requests_hard_limit", 2 * settings.pending_calls_max),
        # Two processes on one address would share its calls at random, unseen.
        ("grpc.so_reuseport", 0),
    ]
