"""A stack of the benchmark's own: fresh, on the machine's clock, gone afterwards."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from deploy.local.background import start_in_background, stop_stack
from deploy.local.info import StackInfo, database_url, stack_info
from deploy.local.interruption import ended_as_by_ctrl_c
from deploy.local.paths import StackPaths, stack_paths
from deploy.local.ports import LOOPBACK
from deploy.local.secrets import ADMIN_ROLE, owner_role, read_passwords, runtime_role
from deploy.local.state import known_state
from services.bench.errors import BenchError

ENGINE_DATABASE: Final = "bench_engine"
"""A second ledger's database, for the engine without its service."""

PGBENCH_DATABASE: Final = "bench_pgbench"


@dataclass(frozen=True, slots=True)
class BenchStack:
    """A running stack, and what a benchmark wants of it."""

    paths: StackPaths
    info: StackInfo
    pids: dict[str, int]
    """The process of each part by its name."""
    postgres_port: int
    admin_password: str

    def ledger_dsn(self, database: str, *, role: str) -> str:
        """Give the address of a database of the server as one of the ledger's roles."""
        url = database_url(
            known_state(self.paths), read_passwords(self.paths), service="ledger", role=role
        )
        return f"{url.rpartition('/')[0]}/{database}"

    def owner_dsn(self, database: str) -> str:
        """Give the address of a database as the ledger's owner."""
        return self.ledger_dsn(database, role=owner_role("ledger"))

    def runtime_dsn(self, database: str) -> str:
        """Give the address of a database as the ledger's runtime role."""
        return self.ledger_dsn(database, role=runtime_role("ledger"))

    async def create_database(self, name: str) -> None:
        """Create a database that the ledger's owner owns."""
        await self.administer(f'CREATE DATABASE "{name}" OWNER {owner_role("ledger")}')

    async def administer(self, *statements: str) -> None:
        """Run statements as the server's administrator, each in a transaction of its own."""
        conn = await asyncpg.connect(
            host=LOOPBACK,
            port=self.postgres_port,
            user=ADMIN_ROLE,
            password=self.admin_password,
            database="postgres",
        )
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()


@contextmanager
def bench_stack(folder: Path | None, *, report: Callable[[str], None]) -> Iterator[BenchStack]:
    """Run a fresh stack for the body and remove it afterwards; a folder that is named must be empty, and stays.

    Raises StackError, BenchError.
    """
    own = folder is None
    root = Path(tempfile.mkdtemp(prefix="cagnotte-bench-")) if folder is None else folder
    paths = stack_paths(root / "stack" if own else root)
    if not own and paths.has_content():
        message = (
            f"{paths.root} is not empty, and a benchmark needs a fresh folder: name another one."
        )
        raise BenchError(message)
    report("Starting a fresh stack ...")
    try:
        with running_stack(paths) as stack:
            yield stack
    finally:
        if own:
            shutil.rmtree(root, ignore_errors=True)


@contextmanager
def running_stack(paths: StackPaths) -> Iterator[BenchStack]:
    """Run a folder's stack for the body, with whatever is in it, until SIGTERM at the latest; raises StackError."""
    with ended_as_by_ctrl_c():
        try:
            state = start_in_background(paths, clock="system")
            yield BenchStack(
                paths=paths,
                info=stack_info(paths),
                pids={
                    part.name: part.process.pid for part in state.parts if part.process is not None
                },
                postgres_port=state.ports["postgres"],
                admin_password=read_passwords(paths).by_role[ADMIN_ROLE],
            )
        finally:
            stop_stack(paths)
