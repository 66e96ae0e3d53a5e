"""Channels to other services: who we are, for how long, and what a refusal says.

Every call carries our identity and trace, has a deadline taken from the running call's,
and is tried again after UNAVAILABLE with back-off: all our calls are reads, or have an id
that makes a repetition safe.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import grpc

from services.common.runtime.deadlines import outgoing_timeout
from services.common.runtime.grpc_errors import RemoteRefusal, parse_error
from services.common.runtime.telemetry import TRACEPARENT, current_traceparent

__all__ = ["ClientTls", "RemoteRefusal", "open_channel", "parse_error"]

MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
_KEEPALIVE_TIMEOUT_MS: Final = 10_000
_MILLISECONDS: Final = 1_000
_RECONNECT_MS_MAX: Final = 2_000

Pairs = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """Whom the client trusts, and its own certificate where it has one."""

    ca_file: Path
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    """The name in the server's certificate, where it is not that of the address."""


def open_channel(
    address: str,
    *,
    token: str | None = None,
    tls: ClientTls | None = None,
    timeout_seconds_max: float = 30.0,
    attempts_max: int = 4,
    keepalive_seconds: float = 20.0,
) -> grpc.aio.Channel:
    """Open a channel, to be closed or used as an asynchronous context manager.

    ``token`` is sent as the caller's identity with each call that brings none of its own.
    ``timeout_seconds_max`` is the deadline of a call that names none; inside a running RPC
    it shrinks to what that has left. ``attempts_max`` 1 turns retries off.
    ``keepalive_seconds`` is the silence after which a server with calls under way is asked
    whether it is still there; a server may take it ill when that is less than 10.
    """
    options = _options(attempts_max=attempts_max, keepalive_seconds=keepalive_seconds, tls=tls)
    if tls is None:
        channel = grpc.aio.insecure_channel(address, options=options)
    else:
        channel = grpc.aio.secure_channel(address, _credentials(tls), options=options)
    metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
    return _CallerChannel(channel, metadata=metadata, timeout_seconds_max=timeout_seconds_max)


class _CallerChannel(grpc.aio.Channel):
    """Adds identity, trace and deadline to every call.

    A wrapper, not an interceptor: those cost a task for every call.
    """

    def __init__(
        self, channel: grpc.aio.Channel, *, metadata: Pairs, timeout_seconds_max: float
    ) -> None:
        self._channel = channel
        self._metadata = metadata
        self._timeout_seconds_max = timeout_seconds_max

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._callable(self._channel.unary_unary(*args, **kwargs))

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._callable(self._channel.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._callable(self._channel.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._callable(self._channel.stream_stream(*args, **kwargs))

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._channel.close(None)

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 -- gRPC's signature
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._channel.channel_ready()

    def _callable(self, call: Any) -> Any:
        def start(
            request: Any = None,
            *,
            timeout: float | None = None,
            metadata: Pairs | None = None,
            **kwargs: Any,
        ) -> Any:
            most = self._timeout_seconds_max if timeout is None else timeout
            return call(
                request,
                timeout=outgoing_timeout(most),
                metadata=self._metadata_with(metadata),
                **kwargs,
            )

        return start

    def _metadata_with(self, own: Pairs | None) -> Pairs:
        keys = {key for key, _ in own} if own else set[str]()
        added = [pair for pair in self._metadata if pair[0] not in keys]
        traceparent = current_traceparent()
        if traceparent and TRACEPARENT not in keys:
            added.append((TRACEPARENT, traceparent))
        return (*(own or ()), *added)


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=tls.ca_file.read_bytes(),
        private_key=tls.key_file.read_bytes() if tls.key_file is not None else None,
        certificate_chain=(
            tls.certificate_file.read_bytes() if tls.certificate_file is not None else None
        ),
    )


def _options(
    *, attempts_max: int, keepalive_seconds: float, tls: ClientTls | None
) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.keepalive_time_ms", round(keepalive_seconds * _MILLISECONDS)),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        # Of the two timers of a keepalive ping it is this one that ends the connection (60 s).
        ("grpc.http2.ping_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        # A stream that waits sends no data, and is still to be missed when the link dies.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS_MAX),
    ]
    if attempts_max > 1:
        options.append(("grpc.service_config", _retries(attempts_max)))
    if tls is not None and tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options


def _retries(attempts_max: int) -> str:
    """Render gRPC's own retries (with its jitter and limits) as a service configuration."""
    policy = {
        "maxAttempts": attempts_max,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
