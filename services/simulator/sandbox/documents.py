"""The provider's objects are JSON documents, kept as they are answered.

Fields whose names begin with an underscore are the sandbox's own and never leave it.
"""

import base64
import os
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]
"""One object (or part of one). Never changed in place: a change is a new document."""

KINDS: Final = {
    "cus": "customer",
    "pm": "payment_method",
    "seti": "setup_intent",
    "pi": "payment_intent",
    "ch": "charge",
    "re": "refund",
    "evt": "event",
}
"""What the prefix of an id says about its object."""

_ID_BYTES: Final = 15
_SECRET_BYTES: Final = 15


def new_id(prefix: str) -> str:
    """Return a fresh id; mostly letters, so that none is ever taken for a card number."""
    return f"{prefix}_{_random(_ID_BYTES)}"


def client_secret(object_id: str) -> str:
    """Return what a phone proves its part in an intent by."""
    return f"{object_id}_secret_{_random(_SECRET_BYTES)}"


def kind_of(object_id: str) -> str | None:
    """Return the kind of object that an id names, or None when it has no such form."""
    return KINDS.get(object_id.rpartition("_")[0])


def shown(document: Document) -> Document:
    """Return the document without the sandbox's own fields, however deep."""
    return {
        name: shown(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if not name.startswith("_")
    }


def _random(size: int) -> str:
    return base64.b32encode(os.urandom(size)).decode().lower()
