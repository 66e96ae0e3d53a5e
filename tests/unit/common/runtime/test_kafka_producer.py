"""Ending a Kafka client, whatever state its broker is in."""

import asyncio

import pytest

from services.common.runtime.kafka_producer import stop_client


class Connections:
    """The inner client, which holds the connections."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        """Close them."""
        self.closed = True


class Client:
    """A client whose stopping ends in some way."""

    def __init__(self, failure: BaseException | None = None, *, hangs: bool = False) -> None:
        self._client = Connections()
        self._failure = failure
        self._hangs = hangs
        self.stopping = asyncio.Event()

    async def stop(self) -> None:
        """Fail, hang, or end as it should."""
        self.stopping.set()
        if self._hangs:
            await asyncio.Event().wait()
        if self._failure is not None:
            raise self._failure


class TestStopClient:
    @pytest.mark.parametrize(
        "failure", [asyncio.CancelledError(), ConnectionResetError(), TimeoutError()]
    )
    async def test_survives_a_client_that_fails(self, failure: BaseException) -> None:
        """A client's own cancelled task or lost broker is not the caller's end, and no connection stays."""
        client = Client(failure)

        await stop_client(client)

        assert client._client.closed

    async def test_passes_a_cancellation_of_its_caller_on(self) -> None:
        """Whoever is cancelled while a client stops ends as asked."""
        client = Client(hangs=True)
        stopping = asyncio.create_task(stop_client(client))
        await client.stopping.wait()

        stopping.cancel()

        with pytest.raises(asyncio.CancelledError):
            await stopping
