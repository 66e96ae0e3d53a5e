"""Whom PostgreSQL runs as: it refuses root, so root lends it a system user's account."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.errors import StackError

_CANDIDATES: Final = ("postgres", "nobody")
"""Present on every Linux and macOS, in order of preference."""


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """A user that a process is started as."""

    name: str
    uid: int
    gid: int


def postgres_account(data: Path) -> SystemAccount | None:
    """Return the account that PostgreSQL must run as, or None when that is the current user's.

    Data that exists stays with the account that owns it. Raises StackError when nobody fits.
    """
    if os.geteuid() != 0:
        if data.exists() and data.stat().st_uid != os.geteuid():
            message = (
                f"{data} belongs to the user with id {data.stat().st_uid}. Run the command as root or as that user, or "
                "choose another folder with --dir."
            )
            raise StackError(message)
        return None
    if data.exists() and data.stat().st_uid != 0:
        owner = data.stat()
        return SystemAccount(_name_of(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemAccount(name, entry.pw_uid, entry.pw_gid)
    message = (
        f"PostgreSQL refuses to run as root, and this machine has no user named {' or '.join(_CANDIDATES)} to run it "
        "as. Run the command as an ordinary user."
    )
    raise StackError(message)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # An id without an entry is ordinary in containers.
        return str(uid)
