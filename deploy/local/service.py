"""The services as parts of the stack: the same commands and settings as anywhere else."""

import asyncio
import os
import sys
from typing import Final

from deploy.kafka.topics import read_topics
from deploy.local.broker import partitions_max
from deploy.local.errors import StackError
from deploy.local.health import is_serving
from deploy.local.identity import identity_settings
from deploy.local.info import database_url, service_address
from deploy.local.paths import StackPaths
from deploy.local.ports import LOOPBACK
from deploy.local.provider import provider_url, webhook_address
from deploy.local.secrets import Passwords, owner_role, read_provider_secrets, runtime_role
from deploy.local.service_token import service_token_file
from deploy.local.state import APACHE, StackState
from deploy.local.supervisor import PartSpec

_READY_SECONDS_MAX: Final = 60.0
_MIGRATE_SECONDS_MAX: Final = 300.0
_ERROR_CHARACTERS_MAX: Final = 2_000


def service_spec(
    paths: StackPaths, state: StackState, passwords: Passwords, *, service: str
) -> PartSpec:
    """Return how to run a service of the stack."""
    address = service_address(state, service)

    async def is_ready() -> bool:
        return await is_serving(address)

    return PartSpec(
        name=service,
        argv=(sys.executable, "-m", f"services.{service}", "serve"),
        env=_settings(paths, state, passwords, service=service, role=runtime_role(service)),
        folder=paths.root,
        log=paths.logs / f"{service}.log",
        address=address,
        is_ready=is_ready,
        ready_seconds_max=_READY_SECONDS_MAX,
    )


async def migrate(
    paths: StackPaths, state: StackState, passwords: Passwords, *, service: str
) -> None:
    """Bring a service's database to the schema of its code, as the database's owner; raises StackError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}", "migrate"),
        env=_settings(paths, state, passwords, service=service, role=owner_role(service)),
        cwd=paths.root,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_MIGRATE_SECONDS_MAX):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        said = output.decode(errors="replace").strip()[-_ERROR_CHARACTERS_MAX:]
        message = (
            f"The {service} database could not be migrated, and its data is as it was. If a newer version of cagnotte "
            f"made it, start that version. The migration said:\n{said}"
        )
        raise StackError(message)


def _settings(
    paths: StackPaths, state: StackState, passwords: Passwords, *, service: str, role: str
) -> dict[str, str]:
    prefix = service.upper()
    settings = {
        "POSTGRES__DSN": database_url(state, passwords, service=service, role=role),
        "RUNTIME_ROLE": runtime_role(service),
        "KAFKA__BOOTSTRAP": f"{LOOPBACK}:{state.ports['kafka']}",
        # The embedded broker has no idempotent producer; a repeated fact is recognized by its id.
        "KAFKA__IDEMPOTENT": str(state.broker == APACHE),
        "KAFKA__PARTITIONS": str(_partitions(state)),
        "GRPC__LISTEN": service_address(state, service),
        "METRICS__LISTEN": f"{LOOPBACK}:{state.ports[f'{service}_metrics']}",
        "DEVELOPMENT": "true",
        "CLOCK": state.clock,
        **identity_settings(paths),
    }
    if service == "wallet":
        settings |= _wallet_settings(paths, state)
    return _inherited() | {f"{prefix}_{name}": value for name, value in settings.items()}


def _partitions(state: StackState) -> int:
    """Return how many a relay gives its topic when it finds it missing: those that the stack would have given it."""
    most = max(topic.partitions for topic in read_topics())
    return min(most, partitions_max(state) or most)


def _wallet_settings(paths: StackPaths, state: StackState) -> dict[str, str]:
    secrets = read_provider_secrets(paths)
    return {
        "POINTS__ADDRESS": service_address(state, "points"),
        "LEDGER__ADDRESS": service_address(state, "ledger"),
        "SERVICE_TOKEN_FILE": str(service_token_file(paths)),
        "PROVIDER__URL": provider_url(state),
        "PROVIDER__API_KEY": secrets.key,
        "PROVIDER__WEBHOOK_SECRET": secrets.webhook_secret,
        "WEBHOOKS__LISTEN": webhook_address(state),
    }


def _inherited() -> dict[str, str]:
    # The caller's own LEDGER_... variables still count where the stack sets nothing (a log level, a batch size).
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
        "PYTHONUNBUFFERED": "1"
    }
