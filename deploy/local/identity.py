"""The stack's development identity: a key made on first start, and tokens for every kind of caller."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from deploy.local.paths import StackPaths
from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import open_dev_keys

DEMO_CUSTOMER_ID: Final = "018f0000-0000-7000-8000-000000000001"
"""The customer that the shopper's token speaks for; enrol a member with it to see its balances."""

_SUBJECTS: Final = {
    CallerKind.TILL: "0330-01",
    CallerKind.SHOPPER: DEMO_CUSTOMER_ID,
    CallerKind.FINANCE: "finance@development",
    CallerKind.SERVICE: "wallet",
    CallerKind.OPERATOR: "operator@development",
}

_LIFETIME: Final = timedelta(days=7)
"""Long enough for an open terminal; the key is worth nothing outside this stack."""


def make_keys(paths: StackPaths) -> None:
    """Make the key on first start."""
    open_dev_keys(paths.keys)


def identity_settings(paths: StackPaths) -> dict[str, str]:
    """Return the settings by which a service believes this stack's tokens."""
    return {"IDENTITY__JWKS_FILE": str(open_dev_keys(paths.keys).jwks_file)}


def mint_tokens(paths: StackPaths) -> dict[str, str]:
    """Return a fresh token for each kind of caller, by the kind's name."""
    keys, now = open_dev_keys(paths.keys), datetime.now(UTC)
    return {
        kind.value: keys.mint(kind, subject, now=now, lifetime=_LIFETIME)
        for kind, subject in _SUBJECTS.items()
    }


def shopper_tokens(paths: StackPaths) -> Callable[[UUID], str]:
    """Return what mints a fresh token for any customer: a store chain in a box has more than one shopper."""
    keys = open_dev_keys(paths.keys)

    def mint(customer_id: UUID) -> str:
        now = datetime.now(UTC)
        return keys.mint(CallerKind.SHOPPER, str(customer_id), now=now, lifetime=_LIFETIME)

    return mint
