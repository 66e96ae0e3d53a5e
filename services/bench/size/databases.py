"""The databases of a stack whose services do not run: for filling them, and for reading what was filled."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from deploy.local.identity import make_keys
from deploy.local.info import database_url
from deploy.local.paths import StackPaths
from deploy.local.ports import hold_ports
from deploy.local.postgres import prepare_postgres
from deploy.local.secrets import (
    SERVICES,
    Passwords,
    load_passwords,
    load_provider_secrets,
    owner_role,
    runtime_role,
)
from deploy.local.service import migrate
from deploy.local.service_token import write_service_token
from deploy.local.stack import stop_left_behind
from deploy.local.state import PartState, StackState, load_state, save_state
from deploy.local.supervisor import Part


@dataclass(frozen=True, slots=True)
class Databases:
    """The addresses of the databases, as their owners and as the services' roles."""

    owner: dict[str, str]
    runtime: dict[str, str]

    async def execute(self, service: str, *statements: str) -> None:
        """Run statements as the owner of a service's database."""
        conn = await asyncpg.connect(self.owner[service])
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()


@asynccontextmanager
async def databases_alone(
    paths: StackPaths, *, report: Callable[[str], None]
) -> AsyncIterator[Databases]:
    """Run PostgreSQL alone for the body, with every service's tables; raises StackError."""
    paths.make()
    stop_left_behind(paths)
    before = load_state(paths)
    with ExitStack() as holds:
        ports = holds.enter_context(hold_ports({} if before is None else before.ports))
        state = StackState(clock="system", ports=ports, pid=os.getpid(), ready=False)
        passwords = load_passwords(paths)
        make_keys(paths)
        load_provider_secrets(paths)
        write_service_token(paths)
        server = prepare_postgres(paths, port=ports["postgres"], passwords=passwords)
        part = Part(server.spec, report, lambda: _save(paths, state, part))
        try:
            await part.start()
            server.create_roles(passwords)
            for service in SERVICES:
                await migrate(paths, state, passwords, service=service)
            yield _addresses(state, passwords)
        finally:
            await part.stop()
            part.identity = None
            _save(paths, state, part)


def _save(paths: StackPaths, state: StackState, part: Part) -> None:
    """Write down what runs, so that the next run finds it even if this one is killed."""
    parts = (PartState(part.spec.name, part.spec.address, part.identity),)
    save_state(paths, state.with_parts(parts, ready=False))


def _addresses(state: StackState, passwords: Passwords) -> Databases:
    def urls(role: Callable[[str], str]) -> dict[str, str]:
        return {
            service: database_url(state, passwords, service=service, role=role(service))
            for service in SERVICES
        }

    return Databases(owner=urls(owner_role), runtime=urls(runtime_role))
