"""The token by which the wallet calls points and ledger, renewed while the stack runs."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from deploy.local.errors import StackError
from deploy.local.paths import StackPaths, write_private
from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import open_dev_keys

_LIFETIME: Final = timedelta(days=2)
_RENEWAL_SECONDS: Final = 3600.0
"""Many times in a token's life: one that cannot be written (a full disk) is left to the next time."""


def service_token_file(paths: StackPaths) -> Path:
    """Return where the wallet's token is; only its owner can read it."""
    return paths.keys / "wallet.token"


def write_service_token(paths: StackPaths) -> None:
    """Mint the wallet's token; whoever reads the file gets the old one or the new one, whole."""
    token = open_dev_keys(paths.keys).mint(
        CallerKind.SERVICE, "wallet", now=datetime.now(UTC), lifetime=_LIFETIME
    )
    write_private(service_token_file(paths), token)


async def renew_service_token(paths: StackPaths, report: Callable[[str], None]) -> None:
    """Keep the token fresh until cancelled."""
    while True:
        await asyncio.sleep(_RENEWAL_SECONDS)
        try:
            write_service_token(paths)
        except StackError as error:
            report(f"The wallet's token was not renewed. {error}")
