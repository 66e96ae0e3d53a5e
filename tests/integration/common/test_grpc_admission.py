"""The door: how many calls may be inside, and what the others hear."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from services.bench.calls import CallRefused, Send
from services.bench.flood import retry_delay_ms
from services.bench.wire import open_wire
from services.common.runtime.dev_keys import DevKeys
from services.common.runtime.grpc_client import open_channel
from services.common.runtime.grpc_server import GrpcServer
from tests.integration.common.talk import SERVICE, Say, Talk, build, method, refusal, token
from tests.integration.overload import assert_told_to_wait

PLACES = 2
CROWD = 40


class Waiting:
    """A handler whose calls wait until the test lets them go."""

    def __init__(self) -> None:
        """Let nobody go yet."""
        self.release = asyncio.Event()
        self._entered = asyncio.Semaphore(0)

    async def __call__(self, request: Any, context: Any) -> Any:
        """Wait."""
        assert context is not None
        self._entered.release()
        await self.release.wait()
        return request

    async def until_entered(self, count: int) -> None:
        """Wait until so many calls are inside."""
        for _ in range(count):
            await self._entered.acquire()


@pytest.fixture
async def narrow(talk: Talk, keys: DevKeys) -> AsyncIterator[GrpcServer]:
    """Give a server with few places."""
    server = build(talk, keys, concurrent_calls_max=PLACES, concurrent_streams_max=PLACES)
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


@asynccontextmanager
async def full(talk: Talk, till: grpc.aio.Channel) -> AsyncIterator[None]:
    """Have every place taken for the body."""
    waiting = Waiting()
    talk.unary = waiting
    calls = [asyncio.ensure_future(method(till)(Say())) for _ in range(PLACES)]
    await waiting.until_entered(PLACES)
    yield
    waiting.release.set()
    await asyncio.gather(*calls)


class TestDoor:
    async def test_more_calls_than_may_run_are_pushed_back(
        self, talk: Talk, narrow: GrpcServer, keys: DevKeys
    ) -> None:
        """The bound holds, says when to come again, and is given back when calls end."""
        async with open_channel(narrow.address, token=token(keys), attempts_max=1) as till:
            async with full(talk, till):
                errors = [await refusal(method(till)(Say())) for _ in range(3)]
            await method(till)(Say())

        assert_told_to_wait(errors)

    async def test_whoever_finds_no_place_is_neither_read_nor_verified(
        self, talk: Talk, narrow: GrpcServer, keys: DevKeys
    ) -> None:
        """A refusal costs next to nothing: not even a stranger's nonsense is looked at."""
        async with (
            open_channel(narrow.address, token=token(keys), attempts_max=1) as till,
            open_channel(narrow.address, token="nobody", attempts_max=1) as stranger,
            full(talk, till),
        ):
            unary: Any = stranger.unary_unary(f"/{SERVICE.full_name}/Unary")
            error = await refusal(unary(b"\xff"))

        assert_told_to_wait([error])

    async def test_refusals_have_no_line_of_their_own_in_the_log(
        self,
        talk: Talk,
        narrow: GrpcServer,
        keys: DevKeys,
        logged: Callable[[], list[dict[str, Any]]],
    ) -> None:
        """A flood does not fill the disk; those who were served are all there."""
        async with (
            open_channel(narrow.address, token=token(keys), attempts_max=1) as till,
            full(talk, till),
        ):
            for _ in range(3):
                await refusal(method(till)(Say()))

        assert [line["grpc_code"] for line in logged()] == ["OK"] * PLACES

    async def test_streams_and_calls_do_not_take_each_others_places(
        self, narrow: GrpcServer, keys: DevKeys
    ) -> None:
        """However many watch, there is room to work; one watcher too many is refused."""
        async with open_channel(narrow.address, token=token(keys), attempts_max=1) as till:
            streams = [method(till, "Chat")() for _ in range(PLACES)]
            for stream in streams:
                await stream.write(Say(text="here"))
                await stream.read()
            answer = await method(till)(Say(text="work"))
            error = await refusal(_read(method(till, "Chat")()))
            for stream in streams:
                await stream.done_writing()

        assert answer.text == "work"
        assert_told_to_wait([error])


class TestFlood:
    async def test_over_one_connection_waits_in_its_own_client(
        self, talk: Talk, keys: DevKeys
    ) -> None:
        """What a connection has no stream for is not sent, so none of it is dropped or refused."""
        waiting = Waiting()
        talk.unary = waiting
        server = build(
            talk,
            keys,
            concurrent_calls_max=PLACES,
            waiting_calls_max=0,
            connection_calls_max=PLACES - 1,
            concurrent_streams_max=1,
        )
        async with running(server), flood(server, keys, connections=1) as send:
            calls = [asyncio.ensure_future(send(b"")) for _ in range(CROWD)]
            await waiting.until_entered(PLACES)
            assert not any(call.done() for call in calls)
            waiting.release.set()
            answers = await asyncio.gather(*calls)

        assert answers == [b""] * CROWD

    async def test_over_many_connections_is_served_or_told_when_to_come_again(
        self, talk: Talk, keys: DevKeys
    ) -> None:
        """Nobody is dropped: as many wait as may, and each of the others hears RESOURCE_EXHAUSTED and a pause."""
        waiting = Waiting()
        talk.unary = waiting
        server = build(talk, keys, concurrent_calls_max=PLACES, waiting_calls_max=PLACES)
        async with running(server), flood(server, keys, connections=CROWD) as send:
            calls = [asyncio.ensure_future(send(b"")) for _ in range(CROWD)]
            while sum(call.done() for call in calls) < CROWD - 2 * PLACES:
                await asyncio.wait(
                    [call for call in calls if not call.done()], return_when=asyncio.FIRST_COMPLETED
                )
            waiting.release.set()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert await send(b"") == b""

        refusals = [answer for answer in answers if isinstance(answer, BaseException)]
        assert answers.count(b"") >= PLACES
        assert len(refusals) >= CROWD - 2 * PLACES
        for refused in refusals:
            assert isinstance(refused, CallRefused)
            assert refused.error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert retry_delay_ms(refused.error) > 0


@asynccontextmanager
async def running(server: GrpcServer) -> AsyncIterator[GrpcServer]:
    """Serve for the body."""
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


@asynccontextmanager
async def flood(server: GrpcServer, keys: DevKeys, *, connections: int) -> AsyncIterator[Send]:
    """Give the unary method over so many connections."""
    path = f"/{SERVICE.full_name}/Unary"
    async with open_wire(server.address, token(keys), path, bytes, connections=connections) as send:
        yield send


async def _read(stream: Any) -> Any:
    return await stream.read()
