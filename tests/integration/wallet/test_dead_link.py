"""A mobile link that dies without a word: both ends of a stream notice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from cagnotte.wallet.v1 import checkout_service_pb2, checkout_service_pb2_grpc
from services.common.runtime.config import CallerKind, GrpcSettings, IdentitySettings
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.grpc_client import open_channel
from services.common.runtime.grpc_server import Registration, build_server
from services.common.runtime.identity import Identity
from services.wallet.api.checkout_servicer import CheckoutServicer
from tests.integration.wallet.world import Wallet

KEEPALIVE_SECONDS = 2.0
"""Long enough that a living link answers in time also on a busy machine."""
NOTICED_SECONDS_MAX = 60.0
PATIENT_SECONDS = 3_600.0


@dataclass(slots=True)
class Link:
    """Everything between a phone and the wallet; it can die silently."""

    target: str
    address: str = ""
    alive: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, both ways."""
        host, _, port = self.target.rpartition(":")
        back, forth = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(self._copy(reader, forth), self._copy(back, writer))
        finally:
            forth.transport.abort()
            writer.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self.alive.wait()
            sink.write(data)


@asynccontextmanager
async def linked(target: str) -> AsyncIterator[Link]:
    """Lay a link to an address."""
    link = Link(target)
    link.alive.set()
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(link.carry(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    link.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield link
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


@asynccontextmanager
async def serving(wallet: Wallet, keys: DevKeys, *, keepalive_seconds: float) -> AsyncIterator[str]:
    """Serve the wallet's checkouts."""
    settings = GrpcSettings(
        keepalive_seconds=keepalive_seconds, keepalive_timeout_seconds=KEEPALIVE_SECONDS
    )
    servicer = CheckoutServicer(
        wallet.checkouts, wallet.paying, wallet.engine.reader, wallet.engine.hub
    )
    registration = Registration(
        checkout_service_pb2.DESCRIPTOR.services_by_name["CheckoutService"],
        checkout_service_pb2_grpc.add_CheckoutServiceServicer_to_server,
        servicer,
    )
    identity = Identity(IdentitySettings(jwks_file=keys.jwks_file))
    server = build_server(settings, services=[registration], identity=identity)
    await server.start()
    yield server.address
    await server.stop(grace_seconds=0)


@pytest.mark.parametrize(
    ("server_seconds", "client_seconds"),
    [(KEEPALIVE_SECONDS, PATIENT_SECONDS), (PATIENT_SECONDS, KEEPALIVE_SECONDS)],
    ids=["the server", "the client"],
)
async def test_notices_a_dead_link(
    wallet: Wallet, tmp_path: Path, server_seconds: float, client_seconds: float
) -> None:
    """Nobody says goodbye: whoever asks for signs of life ends the stream and forgets the other."""
    keys = open_dev_keys(tmp_path)
    token = keys.mint(CallerKind.TILL, "330/07", now=datetime.now(UTC), lifetime=timedelta(hours=1))
    checkout_id = await wallet.open_checkout()
    request = checkout_service_pb2.WatchCheckoutRequest(checkout_id=str(checkout_id))
    async with (
        serving(wallet, keys, keepalive_seconds=server_seconds) as address,
        linked(address) as link,
        open_channel(link.address, token=token, keepalive_seconds=client_seconds) as channel,
    ):
        stub = checkout_service_pb2_grpc.CheckoutServiceStub(channel)
        stream = aiter(stub.WatchCheckout(request, timeout=PATIENT_SECONDS))
        await anext(stream)
        assert wallet.engine.hub.watched == 1

        link.alive.clear()

        async with asyncio.timeout(NOTICED_SECONDS_MAX):
            if client_seconds == KEEPALIVE_SECONDS:
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    await anext(stream)
                assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            else:
                while wallet.engine.hub.watched:  # noqa: ASYNC110 -- the server's own timers end it
                    await asyncio.sleep(0.05)
