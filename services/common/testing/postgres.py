"""A real PostgreSQL for tests.

One server a test run (``start_postgres``), one migrated template database a service
(``Postgres.create_template``), one clone of it a test (``Postgres.clone``), which takes a
few tens of milliseconds. The servers run without fsync: a test never outlives its server.
Whoever starts one says where PostgreSQL's programs are.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import asyncpg
from pydantic import SecretStr

from deploy.local.ports import any_free_port
from services.common.runtime.config import PostgresSettings
from services.common.runtime.database import Database, open_database
from services.common.runtime.migrate import Journal, migrate

HOST: Final = "127.0.0.1"
ADMIN: Final = "postgres"
OWNER_ROLE: Final = "cagnotte_owner"
RUNTIME_ROLE: Final = "cagnotte_runtime"

_START_SECONDS_MAX: Final = 60.0
_STOP_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.05
_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "autovacuum_naptime": "5s",
}


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """One database of the test server, by the DSN of its owner and of its service."""

    __test__ = False  # Not a test class, whatever its name says.

    name: str
    owner_dsn: str
    runtime_dsn: str

    def settings(self) -> PostgresSettings:
        """Give the settings that a service would have."""
        return PostgresSettings(dsn=SecretStr(self.runtime_dsn))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Database]:
        """Open it as its service does, with the rights of the runtime role."""
        async with open_database(self.settings()) as database:
            yield database

    @asynccontextmanager
    async def open_as_owner(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Open one connection that may do anything, for tests that tamper."""
        conn = await asyncpg.connect(self.owner_dsn, server_settings={"TimeZone": "UTC"})
        try:
            yield conn
        finally:
            await conn.close()


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server, and the databases that tests make in it."""

    port: int
    process: "subprocess.Popen[bytes]"
    log_file: Path

    def database(self, name: str) -> TestDatabase:
        """Name a database of this server."""
        return TestDatabase(
            name,
            owner_dsn=f"postgresql://{OWNER_ROLE}@{HOST}:{self.port}/{name}",
            runtime_dsn=f"postgresql://{RUNTIME_ROLE}@{HOST}:{self.port}/{name}",
        )

    async def create_template(self, name: str, *, package: str, journal: Journal) -> TestDatabase:
        """Create a database and apply a service's migrations to it."""
        await self._execute(f"CREATE DATABASE {name} OWNER {OWNER_ROLE}")
        template = self.database(name)
        await migrate(
            template.owner_dsn, package=package, runtime_role=RUNTIME_ROLE, journal=journal
        )
        return template

    @asynccontextmanager
    async def clone(self, template: TestDatabase) -> AsyncIterator[TestDatabase]:
        """Copy a template for one test, and drop the copy afterwards."""
        name = f"{template.name}_{secrets.token_hex(4)}"
        await self._execute(
            f"CREATE DATABASE {name} TEMPLATE {template.name} OWNER {OWNER_ROLE} STRATEGY FILE_COPY"
        )
        try:
            yield self.database(name)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        dsn = f"postgresql://{ADMIN}@{HOST}:{self.port}/postgres"
        conn = await asyncpg.connect(dsn)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()

    async def create_roles(self) -> None:
        """Create the owner and the runtime role that every test database shares."""
        for role in (OWNER_ROLE, RUNTIME_ROLE):
            await self._execute(f"CREATE ROLE {role} LOGIN")


@contextmanager
def start_postgres(programs: Path) -> Iterator[Postgres]:
    """Start a server on a free loopback port in a folder of its own, and remove both.

    ``programs`` is the folder of ``initdb``, ``postgres`` and ``pg_isready``; the user ``postgres`` can run them.
    """
    folder = Path(tempfile.mkdtemp(prefix="cagnotte-postgres-"))
    user = _server_user()
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        _run_initdb(programs, data, user=user)
        server = _launch(programs, data, folder / "server.log", user=user)
        try:
            _wait_until_ready(programs, server)
            asyncio.run(server.create_roles())
            yield server
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_user() -> str | None:
    """Choose whom the server runs as: ``postgres`` refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _run_initdb(programs: Path, data: Path, *, user: str | None) -> None:
    """Make the data folder. It trusts every connection: loopback, and only for tests."""
    subprocess.run(
        [
            programs / "initdb",
            f"--pgdata={data}",
            f"--username={ADMIN}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        cwd="/",
        user=user,
    )


def _launch(programs: Path, data: Path, log_file: Path, *, user: str | None) -> Postgres:
    port = any_free_port()
    arguments: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(port)]
    for name, value in _SETTINGS.items():
        arguments += ["-c", f"{name}={value}"]
    with log_file.open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd="/", user=user)
    return Postgres(port, process, log_file)


def _wait_until_ready(programs: Path, server: Postgres) -> None:
    deadline = monotonic() + _START_SECONDS_MAX
    while monotonic() < deadline:
        probe = subprocess.run(
            [programs / "pg_isready", "-q", "-h", HOST, "-p", str(server.port), "-U", ADMIN],
            check=False,
        )
        if probe.returncode == 0:
            return
        assert server.process.poll() is None, server.log_file.read_text(encoding="utf-8")
        sleep(_POLL_SECONDS)
    raise TimeoutError(server.log_file.read_text(encoding="utf-8"))


def _stop(server: Postgres) -> None:
    server.process.terminate()
    try:
        server.process.wait(_STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
