"""More calls than a service has room for, at a moment that the test chooses and no machine is too fast for.

A batch begins by locking its shard's head. While the test holds that lock, nothing can be committed: one batch is under
way, the queue fills to its last place, and every further call must be refused.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.common.runtime.grpc_client import parse_error
from services.common.testing.postgres import TestDatabase

BATCH_MAX = 10
QUEUE_MAX = 20
ROOM = BATCH_MAX + QUEUE_MAX
"""One batch that is under way, and a full queue: no more calls can be in a service."""

CROWD = 10 * ROOM
_HANG_SECONDS = 60
"""A test that waits longer for an answer has found a hang."""

Request = TypeVar("Request")
Call = Callable[[Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Heard(Generic[Request]):
    """What callers heard who all called at the same moment."""

    accepted: list[Request]
    answers: list[Any]
    """Those of the accepted, in their order."""
    refused: list[Request]
    errors: list[grpc.aio.AioRpcError]
    """Why, in their order."""


def set_narrow_queue(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """Have the service of this prefix start with room for few commands, and patience for a head that is locked."""
    settings = {
        "BATCH_MAX": BATCH_MAX,
        "QUEUE_MAX": QUEUE_MAX,
        "POSTGRES__LOCK_TIMEOUT_SECONDS": _HANG_SECONDS,
        "POSTGRES__STATEMENT_TIMEOUT_SECONDS": _HANG_SECONDS,
        "LOG__LEVEL": "error",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"{prefix}_{name}", str(value))


@asynccontextmanager
async def stalled(database: TestDatabase) -> AsyncIterator[None]:
    """Let no batch of the database's service be committed until the body ends."""
    async with database.open_as_owner() as conn, conn.transaction():
        await conn.execute("SELECT FROM shard_head FOR UPDATE")
        yield


async def overflow(
    database: TestDatabase, call: Call[Request], requests: Sequence[Request]
) -> Heard[Request]:
    """Send all at the same moment into a stalled service; let go when as many are refused as must be.

    That this comes to an end shows that a refusal waits for nothing: no other call is answered before.
    """
    assert len(requests) > ROOM, "fewer would all find a place"
    async with asyncio.timeout(_HANG_SECONDS):
        async with stalled(database):
            calls = [asyncio.ensure_future(call(request)) for request in requests]
            waiting: set[asyncio.Future[Any]] = set(calls)
            while len(waiting) > ROOM:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return _sort(requests, await asyncio.gather(*calls, return_exceptions=True))


async def send_until_accepted(call: Call[Request], heard: Heard[Request]) -> None:
    """Have those who were refused wait as they were told and call again, all together, until nobody is refused."""
    async with asyncio.timeout(_HANG_SECONDS):
        while heard.refused:
            await asyncio.sleep(max(map(retry_delay_ms, heard.errors)) / 1000)
            answers = await asyncio.gather(*map(call, heard.refused), return_exceptions=True)
            heard = _sort(heard.refused, answers)


def retry_delay_ms(error: grpc.aio.AioRpcError) -> float:
    """Give how long the service asks its caller to wait; 0 when it does not say."""
    info = error_details_pb2.RetryInfo()
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # its asynchronous form fits
    assert status is not None, error
    found = any(detail.Unpack(info) for detail in status.details)
    return info.retry_delay.ToMilliseconds() if found else 0


def assert_told_to_wait(errors: Sequence[grpc.aio.AioRpcError]) -> None:
    """Check that each refusal says that there is no room, and when to try again."""
    for error in errors:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
        assert parse_error(error).reason == "QUEUE_FULL"
        assert retry_delay_ms(error) > 0


def _sort(requests: Sequence[Request], answers: Sequence[Any]) -> Heard[Request]:
    heard: Heard[Request] = Heard([], [], [], [])
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, grpc.aio.AioRpcError):
            heard.refused.append(request)
            heard.errors.append(answer)
        else:
            assert not isinstance(answer, BaseException), answer
            heard.accepted.append(request)
            heard.answers.append(answer)
    return heard
