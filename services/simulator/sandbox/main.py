"""The process: settings from the environment, state from a folder, an HTTP server until it is told to stop."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from services.common.runtime.config import LogSettings
from services.common.runtime.logging import configure_logging
from services.simulator.sandbox.committer import Committer
from services.simulator.sandbox.provider import Keys, Provider
from services.simulator.sandbox.server import Delays, Server
from services.simulator.sandbox.webhooks import Webhooks

DATABASE_FILE: Final = "sandbox.sqlite"

_SWITCH_SECONDS: Final = 0.0005
_HOUSEKEEPING_SECONDS: Final = 3600.0

_log: Final = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """What a sandbox is started with."""

    host: str
    port: int
    """0 takes any free one."""
    folder: Path
    keys: Keys
    webhook_url: str = ""
    """Where events are told; nowhere when it is empty."""
    webhook_secret: str = field(default="", repr=False)
    delays: Delays = field(default_factory=Delays)
    may_reset: bool = False


async def serve(settings: SandboxSettings) -> None:
    """Serve until SIGINT or SIGTERM; raises OSError or sqlite3.Error when it cannot start."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    configure_logging(LogSettings(), service="provider")
    # Two threads take turns on short pieces of work: neither waits long for the other.
    sys.setswitchinterval(_SWITCH_SECONDS)
    async with running_sandbox(settings) as url:
        _log.info("sandbox.started", address=url, pid=os.getpid())
        await stopped.wait()
    _log.info("sandbox.stopped")


@asynccontextmanager
async def running_sandbox(settings: SandboxSettings) -> AsyncIterator[str]:
    """Run a sandbox for the body and give its URL; raises OSError or sqlite3.Error when it cannot start."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        committer = await stack.enter_async_context(Committer(settings.folder / DATABASE_FILE))
        provider = Provider(announces=bool(settings.webhook_url))
        webhooks = None
        if settings.webhook_url:
            webhooks = Webhooks(committer, url=settings.webhook_url, secret=settings.webhook_secret)
            await stack.enter_async_context(_running(webhooks.run()))
        await stack.enter_async_context(_running(_keep_house(committer, provider)))
        server = Server(
            committer,
            provider,
            keys=settings.keys,
            webhooks=webhooks,
            delays=settings.delays,
            may_reset=settings.may_reset,
        )
        # A client that goes away ends its handler; what the handler has begun is finished by the committer.
        runner = web.AppRunner(
            server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://{settings.host}:{port}"


async def _keep_house(committer: Committer, provider: Provider) -> None:
    while True:
        await committer.run(lambda store: provider.forget_old_keys(store, now=time.time()))
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)


@asynccontextmanager
async def _running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run something in the background of the body."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
