"""Calls at the lowest cost for the caller: bytes that were written before, one channel, no retries."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from services.bench.errors import BenchError
from services.common.runtime.grpc_client import MESSAGE_BYTES_MAX

_DEADLINE_SECONDS: Final = 60.0

Send = Callable[[bytes], Awaitable[Any]]
"""Sends a request that is written already and gives the parsed response."""


class CallRefused(BenchError):
    """A call that failed; most benchmarks end there, and one that floods a service counts them."""

    def __init__(self, path: str, error: grpc.aio.AioRpcError) -> None:
        """Take what gRPC says."""
        super().__init__(f"{path} was refused: {error.code().name} {error.details()}")
        self.error = error


class Caller:
    """A channel and who calls."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        """Take an open channel."""
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),)

    def by(self, token: str) -> "Caller":
        """Give another caller on the same channel."""
        return Caller(self._channel, token)

    def method(self, path: str, parse: Callable[[bytes], Any]) -> Send:
        """Give a method by its path (``/cagnotte.ledger.v1.LedgerService/PostTransaction``)."""
        call: Any = self._channel.unary_unary(path, response_deserializer=parse)

        async def send(request: bytes) -> Any:
            try:
                return await call(request, metadata=self._metadata, timeout=_DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                raise CallRefused(path, error) from error

        return send


@asynccontextmanager
async def open_caller(address: str, token: str) -> AsyncIterator[Caller]:
    """Connect, and close at the end."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        await channel.channel_ready()
        yield Caller(channel, token)
