"""The passwords of the stack's database roles: made once, kept in a file of their owner's, never shown in a log."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.local.errors import StackError
from deploy.local.paths import StackPaths, write_private

SERVICES: Final = ("ledger", "points", "wallet")
"""Each has a database of its own, by its own name."""

ADMIN_ROLE: Final = "cagnotte_admin"
"""Makes roles and databases; no service knows its password."""

_PASSWORD_BYTES: Final = 24


def owner_role(service: str) -> str:
    """Return the role that owns a service's database and migrates it."""
    return f"{service}_owner"


def runtime_role(service: str) -> str:
    """Return the role that a running service connects as: it can append to the journal, and not change it."""
    return f"{service}_runtime"


def role_names() -> tuple[str, ...]:
    """Return every role of the stack."""
    return (
        ADMIN_ROLE,
        *(role for service in SERVICES for role in (owner_role(service), runtime_role(service))),
    )


@dataclass(frozen=True, slots=True)
class Passwords:
    """One password a role."""

    by_role: Mapping[str, str] = field(repr=False)


def load_passwords(paths: StackPaths) -> Passwords:
    """Return the stack's passwords, making them on first start; raises StackError when the file cannot be read."""
    if not paths.secrets.exists():
        if (paths.data / "PG_VERSION").exists():
            message = (
                f"{paths.secrets} is missing, and the data in {paths.data} cannot be opened without it. Put it back, "
                "or start afresh in another folder with --dir."
            )
            raise StackError(message)
        made = {role: secrets.token_urlsafe(_PASSWORD_BYTES) for role in role_names()}
        write_private(paths.secrets, json.dumps(made, indent=2))
    return read_passwords(paths)


def read_passwords(paths: StackPaths) -> Passwords:
    """Return the passwords of a stack that was started before; raises StackError when there was none."""
    try:
        content = json.loads(paths.secrets.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = (
            f"There is no stack in {paths.root}. Start one with `cagnotte up --dir {paths.root}`."
        )
        raise StackError(message) from error
    except (OSError, ValueError) as error:
        message = f"{paths.secrets} cannot be read: {error}. Run the command as the user who started the stack."
        raise StackError(message) from error
    return Passwords({role: str(content[role]) for role in role_names()})
