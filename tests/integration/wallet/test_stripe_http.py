"""How requests travel to the provider: what surely was not sent is told from what may have been."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from deploy.local.ports import any_free_port
from services.wallet.clients.stripe_http import NoAnswer, NotConnected, Transport, open_session

PATIENT_SECONDS = 60.0
HASTY_SECONDS = 1.0
HEADERS = {"Authorization": "Bearer sk_test_1"}
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(handle: Handle) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def _transport(
    *, timeout_seconds: float = PATIENT_SECONDS, connections_max: int = 2
) -> AsyncIterator[Transport]:
    async with open_session(connections_max=connections_max) as session:
        yield Transport(session, timeout_seconds=timeout_seconds, connections_max=connections_max)


def _answering(*chunks: bytes) -> Handle:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for chunk in chunks:
            writer.write(chunk)
        await writer.drain()

    return handle


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


class TestTransport:
    async def test_reads_an_answer_whole(self) -> None:
        """Status, headers and body come back as they were sent."""
        async with _server(_answering(EMPTY)) as url, _transport() as transport:
            body, status, _ = await transport.request_async("get", url, HEADERS)

        assert (body, status) == (b"{}", 200)

    @pytest.mark.parametrize("host", ["127.0.0.1", "provider.invalid"])
    async def test_without_a_connection_nothing_was_sent(self, host: str) -> None:
        """Nobody listens there, or nobody knows the name."""
        async with _transport() as transport:
            with pytest.raises(NotConnected):
                await transport.request_async(
                    "post", f"http://{host}:{any_free_port()}", HEADERS, "a=1"
                )

    @pytest.mark.parametrize(
        "chunks",
        [
            [],
            [b"HTTP/1.1 200 OK\r\n"],
            [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"],
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
            [b"SSH-2.0-OpenSSH\r\n"],
            [b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", b"x" * 9_999_999],
        ],
        ids=["closed", "half a head", "half a body", "bad chunk", "another protocol", "flood"],
    )
    async def test_what_gets_no_whole_answer_may_have_been_sent(self, chunks: list[bytes]) -> None:
        """Whatever breaks after the connection stood, the request may have arrived."""
        async with _server(_answering(*chunks)) as url, _transport() as transport:
            with pytest.raises(NoAnswer) as caught:
                await transport.request_async("post", url, HEADERS, "a=1")

        assert not isinstance(caught.value, NotConnected)

    async def test_an_answer_that_does_not_come_in_time_is_no_answer(self) -> None:
        """The deadline ends a request that stays silent, and its connection with it."""
        async with _server(_silent) as url, _transport(timeout_seconds=HASTY_SECONDS) as transport:
            with pytest.raises(NoAnswer, match="timeout") as caught:
                await transport.request_async("post", url, HEADERS, "a=1")

        assert not isinstance(caught.value, NotConnected)

    async def test_our_key_is_not_carried_elsewhere(self) -> None:
        """A redirection is an answer like any other."""
        asked: list[bytes] = []

        async def elsewhere(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))

        async with _server(elsewhere) as other:
            moved = f"HTTP/1.1 307 Moved\r\nLocation: {other}/\r\nContent-Length: 0\r\n\r\n"
            async with _server(_answering(moved.encode())) as url, _transport() as transport:
                _, status, _ = await transport.request_async("post", url, HEADERS, "a=1")

        assert (status, asked) == (307, [])

    async def test_a_turn_is_given_back_however_a_request_ends(self) -> None:
        """After an answer, a failure and a cancellation there are as many turns as before."""
        async with (
            _server(_silent) as silent,
            _server(_answering()) as closing,
            _server(_answering(EMPTY)) as answering,
            _transport(connections_max=1) as transport,
        ):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(HASTY_SECONDS):
                    await transport.request_async("post", silent, HEADERS, "a=1")
            with pytest.raises(NoAnswer):
                await transport.request_async("post", closing, HEADERS, "a=1")
            _, status, _ = await transport.request_async("get", answering, HEADERS)

        assert status == 200
