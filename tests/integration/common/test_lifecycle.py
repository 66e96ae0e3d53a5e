"""How a process ends: calls first, then loops, and with the right exit code."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.runtime.clock import ServiceClock
from services.common.runtime.clock_service import clock_registration
from services.common.runtime.config import GrpcSettings, IdentitySettings
from services.common.runtime.dev_keys import open_dev_keys
from services.common.runtime.grpc_server import GrpcServer, build_server
from services.common.runtime.identity import Identity
from services.common.runtime.lifecycle import Loop, run, serve

SETTINGS = GrpcSettings(grace_seconds=60.0)
HURRIED = GrpcSettings(grace_seconds=0.1)


@pytest.fixture
async def server(tmp_path: Path) -> GrpcServer:
    """Give a server that is not started yet."""
    keys = open_dev_keys(tmp_path / "keys")
    return build_server(
        SETTINGS,
        services=[clock_registration(ServiceClock())],
        identity=Identity(IdentitySettings(jwks_file=keys.jwks_file)),
    )


async def for_ever() -> None:
    """Run until cancelled."""
    await asyncio.Event().wait()


async def until_serving(server: GrpcServer) -> None:
    """Wait until the server answers that it is healthy."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def terminate() -> None:
    """Send this process what an orchestrator sends."""
    os.kill(os.getpid(), signal.SIGTERM)


class TestServe:
    async def test_ends_well_when_asked(self, server: GrpcServer) -> None:
        """SIGTERM is an orderly end: exit code 0."""
        serving = asyncio.create_task(serve(server, loops=[Loop("a", for_ever)], settings=SETTINGS))
        await until_serving(server)

        terminate()

        assert await asyncio.wait_for(serving, 60) == 0

    async def test_a_dead_loop_ends_the_process(self, server: GrpcServer) -> None:
        """Half a service is worse than none: exit code 1, and the orchestrator starts anew."""

        async def die() -> None:
            raise ConnectionError("the relay is gone")

        loops = [Loop("well", for_ever), Loop("ill", die)]

        assert await asyncio.wait_for(serve(server, loops=loops, settings=SETTINGS), 60) == 1

    async def test_a_loop_that_returns_has_died_too(self, server: GrpcServer) -> None:
        """Loops are for ever."""

        async def leave() -> None:
            await asyncio.sleep(0)

        loops = [Loop("leaves", leave)]

        assert await asyncio.wait_for(serve(server, loops=loops, settings=SETTINGS), 60) == 1

    async def test_loops_end_in_their_order_after_they_have_finished(
        self, server: GrpcServer
    ) -> None:
        """A loop that can be stopped finishes what it holds; the others are cancelled."""
        ended: list[str] = []
        stop = asyncio.Event()

        async def consume() -> None:
            try:
                await for_ever()
            finally:
                ended.append("consumer cancelled")

        async def commit() -> None:
            await stop.wait()
            await asyncio.sleep(0.05)
            ended.append("commits drained")

        loops = [Loop("consumer", consume), Loop("commits", commit, stop.set)]
        serving = asyncio.create_task(serve(server, loops=loops, settings=SETTINGS))
        await until_serving(server)
        terminate()
        await asyncio.wait_for(serving, 60)

        assert ended == ["consumer cancelled", "commits drained"]

    async def test_a_loop_that_does_not_stop_is_cut_off(self, server: GrpcServer) -> None:
        """The grace is an end, not a hope."""

        async def never() -> None:
            await asyncio.Event().wait()

        loops = [Loop("stubborn", for_ever, stop=never)]
        serving = asyncio.create_task(serve(server, loops=loops, settings=HURRIED))
        await until_serving(server)
        terminate()

        assert await asyncio.wait_for(serving, 60) == 0


class TestRun:
    @pytest.mark.parametrize("code", [0, 1])
    def test_the_process_ends_with_the_code(self, code: int) -> None:
        """What ``serve`` says is what the orchestrator hears."""

        async def main() -> int:
            await asyncio.sleep(0)
            return code

        assert exit_code(lambda: run(main())) == code

    def test_a_start_that_fails_ends_with_1(self) -> None:
        """A database that is not there is a failed start."""

        async def main() -> int:
            raise ConnectionRefusedError

        assert exit_code(lambda: run(main())) == 1


def exit_code(main: Callable[[], Any]) -> int | str | None:
    """Run something that exits, and give its code."""
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code
