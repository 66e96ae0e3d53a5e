"""The sandbox provider as a part of the stack: a payment provider on this machine, behind the same API as Stripe's."""

import os
import sys
from typing import Final

from deploy.local.health import is_listening
from deploy.local.paths import StackPaths
from deploy.local.ports import LOOPBACK
from deploy.local.secrets import ProviderSecrets
from deploy.local.state import StackState
from deploy.local.supervisor import PartSpec

_READY_SECONDS_MAX: Final = 30.0
_STOP_SECONDS_MAX: Final = 10.0


def provider_spec(paths: StackPaths, state: StackState, secrets: ProviderSecrets) -> PartSpec:
    """Return how to run the provider; it tells the wallet what happens by webhooks, whenever the wallet is there."""
    address = provider_address(state)

    async def is_ready() -> bool:
        return await is_listening(address)

    return PartSpec(
        name="provider",
        argv=(
            *(sys.executable, "-m", "services.simulator.sandbox"),
            *(f"--listen={address}", f"--dir={paths.provider}"),
        ),
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONUNBUFFERED": "1",
            "SANDBOX_KEY": secrets.key,
            "SANDBOX_PUBLISHABLE_KEY": secrets.publishable_key,
            "SANDBOX_WEBHOOK_URL": f"http://{webhook_address(state)}/provider/webhooks",
            "SANDBOX_WEBHOOK_SECRET": secrets.webhook_secret,
        },
        folder=paths.root,
        log=paths.logs / "provider.log",
        address=address,
        is_ready=is_ready,
        ready_seconds_max=_READY_SECONDS_MAX,
        stop_seconds_max=_STOP_SECONDS_MAX,
    )


def provider_address(state: StackState) -> str:
    """Return ``host:port`` of the provider's API."""
    return f"{LOOPBACK}:{state.ports['provider']}"


def provider_url(state: StackState) -> str:
    """Return the address of the provider's API as its clients take it."""
    return f"http://{provider_address(state)}"


def webhook_address(state: StackState) -> str:
    """Return ``host:port`` where the wallet listens for webhooks."""
    return f"{LOOPBACK}:{state.ports['wallet_webhooks']}"
