"""The embedded PostgreSQL: made on first start, tuned for its machine, durable (fsync stays on)."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from deploy.local.accounts import SystemAccount, postgres_account
from deploy.local.errors import StackError
from deploy.local.paths import StackPaths
from deploy.local.ports import LOOPBACK
from deploy.local.postgres_install import postgres_programs
from deploy.local.secrets import ADMIN_ROLE, Passwords
from deploy.local.supervisor import PartSpec

_OWNER_ONLY: Final = 0o700
_RECOVERY_SECONDS_MAX: Final = 600.0
"""After a crash PostgreSQL first replays its log, which takes as long as it takes."""

_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": LOOPBACK,
    # Sockets would need a folder that root and the server's user both reach; loopback with passwords does.
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    # Statements can carry values that belong into no log.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "max_connections": "100",
    "shared_buffers": "256MB",
    # A new stack's tables grow from nothing to thousands of rows in seconds: plans must follow.
    "autovacuum_naptime": "5s",
    # Checkpoints by time, not by volume: the journal writes a great deal in little time.
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    # This server has PostgreSQL's own compression only, which takes longer for the image of a page than all that is
    # done on it; with millions of members, most tickets write one or two.
    "wal_compression": "off",
    "wal_buffers": "16MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    # Two cores belong to the services; containers give parallel queries too little shared memory besides.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
    # Each part of the stack is one process and a few seconds matter on start.
    "max_logical_replication_workers": "0",
}


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A PostgreSQL whose data folder is ready to be started."""

    paths: StackPaths
    port: int
    programs: Path
    account: SystemAccount | None

    @property
    def spec(self) -> PartSpec:
        """How to run it."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        return PartSpec(
            name="postgres",
            argv=(
                str(self.programs / "postgres"),
                "-D",
                _data_argument(self, self.paths.data),
                f"--port={self.port}",
                *settings,
            ),
            env=_bare_environment(),
            folder=self.paths.data,
            log=self.paths.logs / "postgres.log",
            address=f"{LOOPBACK}:{self.port}",
            is_ready=self.is_ready,
            ready_seconds_max=_RECOVERY_SECONDS_MAX,
            account=self.account,
            # Fast shutdown: ends sessions, loses nothing that was committed.
            stop_signal=signal.SIGINT,
            stop_seconds_max=60.0,
        )

    async def is_ready(self) -> bool:
        """Tell whether it accepts connections (it listens before its recovery is over)."""
        return await is_accepting(self.programs, self.port)

    def create_roles(self, passwords: Passwords) -> None:
        """Make the roles and databases that do not exist yet, and set their passwords; raises StackError."""
        script = (
            resources.files("deploy").joinpath("postgres/roles.sql").read_text(encoding="utf-8")
        )
        # Passwords travel in the environment, which only this user can read; arguments show in any list of processes.
        variables = {
            f"{role}_password".upper(): password for role, password in passwords.by_role.items()
        }
        done = subprocess.run(
            [
                self.programs / "psql",
                *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"),
                *(
                    f"--host={LOOPBACK}",
                    f"--port={self.port}",
                    f"--username={ADMIN_ROLE}",
                    "--dbname=postgres",
                ),
            ],
            input=script,
            env=_bare_environment() | {"PGPASSWORD": passwords.by_role[ADMIN_ROLE]} | variables,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            message = (
                f"The database roles could not be made: {done.stderr.strip()}. If {self.paths.secrets} was replaced, "
                "put the old one back: the passwords in it belong to the data."
            )
            raise StackError(message)


def prepare_postgres(paths: StackPaths, *, port: int, passwords: Passwords) -> EmbeddedPostgres:
    """Make the data folder on first start (about a second); raises StackError when that fails."""
    account = postgres_account(paths.data)
    server = EmbeddedPostgres(paths, port, postgres_programs(account), account)
    if not paths.data.exists():
        _make_data(server, passwords.by_role[ADMIN_ROLE])
    return server


async def is_accepting(programs: Path, port: int) -> bool:
    """Tell whether a PostgreSQL on a loopback port accepts connections."""
    process = await asyncio.create_subprocess_exec(
        str(programs / "pg_isready"),
        *("-q", "-t", "2", "-h", LOOPBACK, "-p", str(port), "-d", "postgres", "-U", ADMIN_ROLE),
        env=_bare_environment(),
    )
    return await process.wait() == 0


def _make_data(server: EmbeddedPostgres, admin_password: str) -> None:
    """Make the data folder beside its place and move it there when it is whole: an interruption leaves none."""
    paths, account = server.paths, server.account
    draft, password_file = paths.postgres / "data.new", paths.postgres / "admin-password"
    shutil.rmtree(draft, ignore_errors=True)
    for folder in (paths.postgres, draft):
        folder.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
    try:
        _write_for(account, password_file, f"{admin_password}\n")
        _run_initdb(server, draft)
    finally:
        password_file.unlink(missing_ok=True)
    draft.rename(paths.data)


def _write_for(account: SystemAccount | None, path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    # EXCL: the folder is the account's, which could have put a link there to a file that only root may write.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        if account is not None:
            os.fchown(file.fileno(), account.uid, account.gid)


def _run_initdb(server: EmbeddedPostgres, folder: Path) -> None:
    data, account = _data_argument(server, folder), server.account
    done = subprocess.run(
        [
            server.programs / "initdb",
            *("-D", data, f"--pwfile={data}/../admin-password", f"--username={ADMIN_ROLE}"),
            # Bytes compare as bytes everywhere: no index depends on the machine's language files.
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--data-checksums"),
        ],
        cwd=folder,
        env=_bare_environment(),
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else (),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"PostgreSQL's data folder could not be made in {folder}: {done.stderr.strip()}"
        raise StackError(message)


def _data_argument(server: EmbeddedPostgres, folder: Path) -> str:
    # The stack's folder is closed to other users, and so may be the folders above it. A process reaches its current
    # folder through /proc whatever lies above, so the server's user needs no door opened on the way.
    if server.account is not None and sys.platform == "linux":
        return "/proc/self/cwd"
    return str(folder)


def _bare_environment() -> dict[str, str]:
    # Nothing of the caller's: PGPORT and its like would steer the server, and no secret belongs into its environment.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
