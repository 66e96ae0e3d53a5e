"""localstripe as the process that it is, behind a door of ours that renames one parameter.

It is another author's idea of Stripe, under the GPL: it runs unmodified as a program of its
own, and nothing of it is imported. It keeps its state in the temporary directory under a
fixed name and listens on every address, by IPv6 only, so that it gets a directory of its own,
a free port of 127.0.0.1 (``on_ipv4.py``), and orders to begin from nothing.
"""

import asyncio
import os
import sys
from asyncio import create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from deploy.local.ports import any_free_port
from tests.integration.wallet.sandbox import listening

KEY = "sk_test_localstripe"
_ON_IPV4 = Path(__file__).with_name("on_ipv4.py")
OUR_PARAMETER, ITS_PARAMETER = "allowed_payment_method_types", "payment_method_types"
"""The API renamed it after the version that localstripe speaks, which refuses what it does not know."""


@dataclass(frozen=True, slots=True)
class Localstripe:
    """A running localstripe."""

    url: str
    """The door, for the adapter."""
    own_url: str

    async def post(self, path: str, **form: str) -> dict[str, object]:
        """Do there what a phone or an operator would."""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session,
            session.post(f"{self.own_url}{path}", data=form) as response,
        ):
            answer: dict[str, object] = await response.json() if response.content_length else {}
            return answer


@asynccontextmanager
async def run_localstripe(folder: Path) -> AsyncIterator[Localstripe]:
    """Run localstripe and the door before it for the body."""
    port = any_free_port()
    arguments = ("--from-scratch", "--port", str(port))
    process = await create_subprocess_exec(
        sys.executable,
        # -P: beside the launcher is this file, which has the same name.
        *("-P", str(_ON_IPV4), "localstripe", *arguments),
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await listening(f"127.0.0.1:{port}")
        own_url = f"http://127.0.0.1:{port}"
        async with _door(own_url) as url:
            yield Localstripe(url, own_url)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _door(own_url: str) -> AsyncIterator[str]:
    async with aiohttp.ClientSession() as session:

        async def pass_on(request: web.Request) -> web.Response:
            body = (await request.text()).replace(OUR_PARAMETER, ITS_PARAMETER)
            kept = ("Authorization", "Content-Type", "Idempotency-Key", "Stripe-Version")
            headers = {name: request.headers[name] for name in kept if name in request.headers}
            url = f"{own_url}{request.raw_path}"
            async with session.request(
                request.method, url, data=body or None, headers=headers
            ) as answer:
                return web.Response(
                    body=await answer.read(),
                    status=answer.status,
                    content_type=answer.content_type,
                )

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
