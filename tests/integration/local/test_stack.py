"""The embedded stack's PostgreSQL, broker and provider, from first start to restart after a kill."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka.topics import read_topics
from deploy.local.broker import EMBEDDED_PARTITIONS_MAX
from deploy.local.errors import StackError
from deploy.local.info import database_url, stack_info
from deploy.local.paths import StackPaths, stack_paths
from deploy.local.secrets import owner_role, read_passwords, runtime_role
from deploy.local.service_token import service_token_file
from deploy.local.stack import run_stack
from deploy.local.state import StackState
from deploy.local.status import PartStatus, look_at_parts

Session: TypeAlias = "asyncpg.Connection[Any]"
ANSWER_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that answers."""

    paths: StackPaths
    state: StackState
    said: list[str]


RunStack: TypeAlias = Callable[[], AbstractAsyncContextManager[Running]]


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """Return the paths of a stack that was never started."""
    return stack_paths(tmp_path / "stack")


@pytest.fixture
def running_stack(paths: StackPaths) -> RunStack:
    """Run the stack of the folder for a while; more than once, if a test wants."""

    @asynccontextmanager
    async def running() -> AsyncIterator[Running]:
        ready: asyncio.Future[StackState] = asyncio.get_running_loop().create_future()
        said: list[str] = []
        work: asyncio.Future[bool] = asyncio.ensure_future(
            run_stack(paths, clock=None, report=said.append, on_ready=ready.set_result, services=())
        )
        try:
            both: list[asyncio.Future[Any]] = [work, ready]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
            yield Running(paths, ready.result(), said)
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    return running


@asynccontextmanager
async def connected(stack: Running, *, service: str, role: str) -> AsyncIterator[Session]:
    """Connect to a service's database as a role."""
    passwords = read_passwords(stack.paths)
    conn = await asyncpg.connect(database_url(stack.state, passwords, service=service, role=role))
    try:
        yield conn
    finally:
        await conn.close()


async def wait_for_part(paths: StackPaths, name: str, *, other_than: int | None) -> PartStatus:
    """Wait until a part is healthy under another process."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while True:
            for part in await look_at_parts(paths):
                if part.name == name and part.healthy and part.pid != other_than:
                    return part
            await asyncio.sleep(0.05)


class TestStart:
    async def test_keeps_the_data_over_a_restart(self, running_stack: RunStack) -> None:
        """What was committed before the stop is there after the next start."""
        async with (
            running_stack() as stack,
            connected(stack, service="ledger", role=owner_role("ledger")) as conn,
        ):
            await conn.execute("CREATE TABLE kept (value int)")
            await conn.execute("INSERT INTO kept VALUES (42)")

        async with (
            running_stack() as stack,
            connected(stack, service="ledger", role=owner_role("ledger")) as conn,
        ):
            assert await conn.fetchval("SELECT value FROM kept") == 42

    async def test_of_a_second_one_on_the_folder_is_refused(self, running_stack: RunStack) -> None:
        """Two stacks never share data."""
        async with running_stack():
            with pytest.raises(StackError, match="already runs"):
                async with running_stack():
                    pass

    async def test_makes_the_topics(self, running_stack: RunStack) -> None:
        """Every topic of topics.yaml is on the broker, with no more partitions than are good for it."""
        async with running_stack() as stack:
            admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{stack.state.ports['kafka']}")
            await admin.start()
            described = await admin.describe_topics([topic.name for topic in read_topics()])
            await admin.close()

        partitions = {entry["topic"]: len(entry["partitions"]) for entry in described}
        assert partitions == {
            topic.name: min(topic.partitions, EMBEDDED_PARTITIONS_MAX) for topic in read_topics()
        }

    async def test_keeps_the_clock_of_the_data(self, running_stack: RunStack) -> None:
        """Without a wish the clock is the machine's, and the same after a restart."""
        async with running_stack() as stack:
            assert stack.state.clock == "system"


class TestDurability:
    async def test_is_never_traded_for_speed(self, running_stack: RunStack) -> None:
        """What PostgreSQL acknowledged is on the disk."""
        async with (
            running_stack() as stack,
            connected(stack, service="points", role=runtime_role("points")) as conn,
        ):
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert await conn.fetchval("SELECT current_setting($1)", setting) == "on"

    async def test_survives_a_kill_of_every_part(self, running_stack: RunStack) -> None:
        """Killed parts come back by themselves with what was committed and with their topics."""
        async with running_stack() as stack:
            before = {part.name: part.pid for part in await look_at_parts(stack.paths)}
            async with connected(stack, service="ledger", role=owner_role("ledger")) as conn:
                await conn.execute("CREATE TABLE kept (value int)")
            for pid in before.values():
                assert pid is not None
                os.kill(pid, signal.SIGKILL)

            for name, pid in before.items():
                await wait_for_part(stack.paths, name, other_than=pid)

            async with connected(stack, service="ledger", role=owner_role("ledger")) as conn:
                assert await conn.fetchval("SELECT count(*) FROM kept") == 0
            # The supervisor looks in its own time, maybe after the test has.
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                while not any("answers again" in line for line in stack.said):  # noqa: ASYNC110 -- another task says it
                    await asyncio.sleep(0.05)


class TestProvider:
    async def test_keeps_what_it_answered_over_a_kill(self, running_stack: RunStack) -> None:
        """A killed provider comes back with every customer and under the same key."""
        async with running_stack() as stack, aiohttp.ClientSession() as session:
            info = stack_info(stack.paths)
            headers = {"Authorization": f"Bearer {info.sandbox_key}"}
            async with session.post(f"{info.sandbox_url}/v1/customers", headers=headers) as made:
                customer = (await made.json())["id"]
            provider = await wait_for_part(stack.paths, "provider", other_than=None)
            assert provider.pid is not None
            os.kill(provider.pid, signal.SIGKILL)

            await wait_for_part(stack.paths, "provider", other_than=provider.pid)

            url = f"{info.sandbox_url}/v1/customers/{customer}"
            async with session.get(url, headers=headers) as found:
                assert (await found.json())["id"] == customer


class TestServiceToken:
    async def test_is_its_owners_alone(self, running_stack: RunStack) -> None:
        """The wallet's token lies in a file that nobody else can read."""
        async with running_stack() as stack:
            assert service_token_file(stack.paths).stat().st_mode & 0o777 == 0o600


class TestRoles:
    async def test_reach_the_database_of_their_own_service_only(
        self, running_stack: RunStack
    ) -> None:
        """A stolen password of one service opens no other service's data."""
        async with running_stack() as stack:
            for role in (owner_role("points"), runtime_role("points")):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with connected(stack, service="ledger", role=role):
                        pass

    async def test_of_running_services_own_and_make_nothing(self, running_stack: RunStack) -> None:
        """The runtime role has what migrations grant it: at first nothing."""
        async with (
            running_stack() as stack,
            connected(stack, service="ledger", role=runtime_role("ledger")) as conn,
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute("CREATE TABLE public.mine (value int)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute("CREATE TEMPORARY TABLE mine (value int)")

    async def test_need_their_password(self, running_stack: RunStack) -> None:
        """Loopback is no proof of identity: other users share it."""
        async with running_stack() as stack:
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(
                    host="127.0.0.1",
                    port=stack.state.ports["postgres"],
                    user=owner_role("ledger"),
                    password="guess",
                    database="ledger",
                )


class TestStatus:
    async def test_tells_living_parts_from_stopped_ones(
        self, running_stack: RunStack, paths: StackPaths
    ) -> None:
        """Each part is listed with its process while it runs, and without afterwards."""
        async with running_stack():
            running = await look_at_parts(paths)
        stopped = await look_at_parts(paths)

        assert [part.name for part in running] == ["postgres", "kafka", "provider"]
        assert all(part.healthy and part.pid for part in running)
        assert [(part.pid, part.healthy) for part in stopped] == [(None, False)] * 3
