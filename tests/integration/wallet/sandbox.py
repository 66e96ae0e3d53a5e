"""The sandbox provider as the process that it is, for tests of whatever calls it."""

import asyncio
import os
import sys
from asyncio import create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from deploy.local.ports import any_free_port

KEY = "sk_test_sandbox_of_tests"
WEBHOOK_SECRET = "whsec_of_tests"
SLOW_SECONDS = 2.0
LATE_SECONDS = 3.0
_START_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox."""

    url: str

    async def get(self, path: str) -> dict[str, object]:
        """Ask it something as an operator would, past the wallet."""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
            session.get(f"{self.url}{path}") as response,
        ):
            answer: dict[str, object] = await response.json()
            return answer

    async def post(self, path: str, **form: str) -> dict[str, object]:
        """Do something there as the phone, or the provider's own people, would."""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
            session.post(f"{self.url}{path}", data=form) as response,
        ):
            answer: dict[str, object] = await response.json()
            return answer


@asynccontextmanager
async def run_sandbox(folder: Path, *, webhook_url: str = "") -> AsyncIterator[Sandbox]:
    """Run a sandbox with quick "slow" and "late" cards for the body."""
    address = f"127.0.0.1:{any_free_port()}"
    arguments = ("--listen", address, "--dir", str(folder), "--slow-seconds", str(SLOW_SECONDS))
    process = await create_subprocess_exec(
        sys.executable,
        "-m",
        "services.simulator.sandbox",
        *arguments,
        *("--late-seconds", str(LATE_SECONDS)),
        env=os.environ
        | {
            "SANDBOX_KEY": KEY,
            "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SANDBOX_WEBHOOK_URL": webhook_url,
        },
    )
    try:
        await listening(address)
        yield Sandbox(f"http://{address}")
    finally:
        process.terminate()
        await process.wait()


async def listening(address: str) -> None:
    """Wait until somebody listens there."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(_START_SECONDS_MAX):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
