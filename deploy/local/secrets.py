"""The stack's passwords and keys: made once, kept in a file of their owner's, never shown in a log."""

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

_PROVIDER_PREFIXES: Final = {
    "provider_key": "sk_test_",
    "provider_publishable_key": "pk_test_",
    "provider_webhook_secret": "whsec_",
}
"""The provider's keys in the file, with what they begin with, so that its clients take them for what they are."""


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


@dataclass(frozen=True, slots=True)
class ProviderSecrets:
    """What the stack's payment provider and its callers share."""

    key: str = field(repr=False)
    """The merchant's: every call but a phone's comes with it."""
    publishable_key: str = field(repr=False)
    """A phone's: it can only finish what it has the client secret of."""
    webhook_secret: str = field(repr=False)
    """Signs webhooks."""


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
    content = _read(paths)
    return Passwords({role: str(content[role]) for role in role_names()})


def load_provider_secrets(paths: StackPaths) -> ProviderSecrets:
    """Return the keys of the stack's payment provider, making what is missing; call it after ``load_passwords``."""
    content = _read(paths)
    if missing := [name for name in _PROVIDER_PREFIXES if name not in content]:
        made = {
            name: f"{_PROVIDER_PREFIXES[name]}{secrets.token_urlsafe(_PASSWORD_BYTES)}"
            for name in missing
        }
        write_private(paths.secrets, json.dumps({**content, **made}, indent=2))
    return read_provider_secrets(paths)


def read_provider_secrets(paths: StackPaths) -> ProviderSecrets:
    """Return the provider's keys of a stack that was started before; raises StackError when there are none."""
    content = _read(paths)
    try:
        key, publishable_key, webhook_secret = (str(content[name]) for name in _PROVIDER_PREFIXES)
    except KeyError as error:
        message = (
            f"The stack in {paths.root} was made by an earlier version and knows no payment provider yet. Start it "
            f"once with `{paths.command('up')}`."
        )
        raise StackError(message) from error
    return ProviderSecrets(key, publishable_key, webhook_secret)


def _read(paths: StackPaths) -> dict[str, object]:
    try:
        content: dict[str, object] = json.loads(paths.secrets.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"There is no stack in {paths.root}. Start one with `{paths.command('up')}`."
        raise StackError(message) from error
    except (OSError, ValueError) as error:
        message = f"{paths.secrets} cannot be read: {error}. Run the command as the user who started the stack."
        raise StackError(message) from error
    return content
