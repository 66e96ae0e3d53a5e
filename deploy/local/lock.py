"""One stack a folder: a lock that dies with the process that holds it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

from deploy.local.errors import StackError
from deploy.local.paths import StackPaths

_LOOKING_SECONDS: Final = 0.2


@contextmanager
def hold_lock(paths: StackPaths) -> Iterator[None]:
    """Hold the folder's lock; raises StackError when another ``up`` holds it.

    The kernel drops the lock with its process, so a lock file that a crash left behind never stands in the way.
    """
    with paths.lock.open("a+", encoding="utf-8") as file:
        if not _take_lock(file):
            message = (
                f"A stack already runs in {paths.root} (process {_read_pid(file)}). See it with "
                f"`{paths.command('status')}`, stop it with `{paths.command('down')}`, "
                "or give this one a folder of its own with --dir."
            )
            raise StackError(message)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        # The content goes before the lock does: a reader never finds a pid that means nothing.
        file.truncate(0)


def running_pid(paths: StackPaths) -> int | None:
    """Return the process id of the ``up`` that runs in the folder, or None."""
    if not paths.lock.exists():
        return None
    with paths.lock.open("a+", encoding="utf-8") as file:
        # Shared: another one that looks just now is not taken for a holder.
        if _try_lock(file, fcntl.LOCK_SH):
            return None
        return _read_pid(file)


def _take_lock(file: IO[str]) -> bool:
    # Once more after a moment: a `status` that looks just now holds the lock for an instant.
    if _try_lock(file):
        return True
    time.sleep(_LOOKING_SECONDS)
    return _try_lock(file)


def _try_lock(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(file: IO[str]) -> int:
    file.seek(0)
    content = file.read().strip()
    # Empty for the instant between taking the lock and writing into it.
    return int(content) if content else 0
