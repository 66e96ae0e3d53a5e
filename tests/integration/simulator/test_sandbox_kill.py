"""The sandbox provider as a process that is killed, and what it leaves on the disk."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import stripe

from tests.integration.simulator.sandbox_client import (
    KEYS,
    authorize,
    client_of,
    until,
)


class TestKill:
    async def test_loses_nothing_that_was_answered(self, tmp_path: Path) -> None:
        """Killed in the middle of many payments: every answer is still true, and every key remembers."""
        answered: dict[str, str] = {}
        async with sandbox_process(tmp_path) as (process, url), client_of(url) as client:

            async def shop(name: str) -> None:
                for number in range(1_000):
                    key = f"{name}/{number}"
                    answered[key] = (await authorize(client, "pm_card_visa", key=key)).id

            shoppers = [asyncio.create_task(shop(str(number))) for number in range(8)]
            await until(lambda: len(answered) >= 200)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            ended = await asyncio.gather(*shoppers, return_exceptions=True)

        assert all(isinstance(outcome, stripe.APIConnectionError) for outcome in ended)
        async with sandbox_process(tmp_path) as (_, url), client_of(url) as client:
            again = {key: (await authorize(client, "pm_card_visa", key=key)).id for key in answered}
            assert again == answered

    async def test_leaves_no_card_number_or_key_on_the_disk(self, tmp_path: Path) -> None:
        """Files and log hold tokens only."""
        async with sandbox_process(tmp_path) as (_, url), client_of(url) as client:
            method = await client.v1.payment_methods.create_async(
                {
                    "type": "card",
                    "card": {
                        "number": "4000000000009995",
                        "exp_month": 12,
                        "exp_year": 2030,
                        "cvc": "987",
                    },
                }
            )
            with pytest.raises(stripe.CardError):
                await authorize(client, method.id, key="k")

        contents = read_files(tmp_path)
        assert len(contents) >= 2
        for content in contents:
            assert b"400000000000" not in content
            assert KEYS.secret.encode() not in content


def read_files(folder: Path) -> list[bytes]:
    """Return what every file of the folder holds."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@asynccontextmanager
async def sandbox_process(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run the sandbox as the process that it is; its log is in the folder."""
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.simulator.sandbox"),
            *("--listen=127.0.0.1:0", f"--dir={folder / 'state'}"),
            env=os.environ | {"SANDBOX_KEY": KEYS.secret},
            stderr=log,
        )
    try:
        yield process, await _address(folder / "log", process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _address(log: Path, pid: int) -> str:
    """Wait for the line in which a new process says where it listens."""
    await until(lambda: bool(_addresses(log, pid)))
    return _addresses(log, pid)[0]


def _addresses(log: Path, pid: int) -> list[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["address"] for line in lines if line.get("pid") == pid]
