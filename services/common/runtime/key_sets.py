"""The public keys of an issuer of tokens, read again when it has rotated them."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import jwt
import structlog

from services.common.kernel.errors import Unavailable

_ALGORITHMS: Final = frozenset({"EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256"})
"""Asymmetric ones only: a shared secret would let every verifier sign."""

KEYS_SECONDS_MAX: Final = 300.0
"""How long a set is believed before it is read again: a key that its issuer has withdrawn is refused from then on."""

_REREAD_SECONDS_MIN: Final = 5.0
_FETCH_SECONDS_MAX: Final = 5.0
_BYTES_MAX: Final = 1_000_000

log = structlog.get_logger(__name__)


class KeysUnavailable(Unavailable):
    """The issuer's keys cannot be read now, so nobody of theirs can be verified."""

    reason = "IDENTITY_UNAVAILABLE"


class KeySet:
    """A JSON Web Key Set in a file or behind an https address.

    It is read at the first use, and again when it is a few minutes old, or (every few seconds at
    most) when a token names a key that is not in it. As long as it can't be read the last one counts.
    """

    def __init__(self, source: str, *, seconds: Callable[[], float] = time.monotonic) -> None:
        """Take where the keys are; ``seconds`` is a monotonic clock."""
        self._source = source
        self._seconds = seconds
        self._keys: dict[str | None, jwt.PyJWK] | None = None
        self._read_seconds = 0.0
        self._reading = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Give the key of this id, or the only key to a token that names none.

        Raises:
            KeysUnavailable: the keys were never read, and still cannot be.
        """
        if self._keys is None or key_id not in self._keys or self._is_old():
            await self._read()
        assert self._keys is not None, "reading either fills the keys or raises"
        return self._keys.get(key_id)

    def _is_old(self) -> bool:
        """Tell whether it is time to read the set again, and nobody does."""
        is_old = self._seconds() >= self._read_seconds + KEYS_SECONDS_MAX
        return is_old and not self._reading.locked()

    async def _read(self) -> None:
        async with self._reading:
            now = self._seconds()
            if self._keys is not None and now < self._read_seconds + _REREAD_SECONDS_MIN:
                return
            try:
                self._keys = _parse(await asyncio.to_thread(_load, self._source))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("identity.keys_unreadable", source=self._source, error=str(error))
                if self._keys is None:
                    raise KeysUnavailable("The issuer's keys cannot be read now.") from error
            self._read_seconds = now


def _load(source: str) -> bytes:
    if not source.startswith("https://"):
        return Path(source).read_bytes()
    with urllib.request.urlopen(source, timeout=_FETCH_SECONDS_MAX) as answer:  # noqa: S310 -- https, just above
        body: bytes = answer.read(_BYTES_MAX)
        return body


def _parse(text: bytes) -> dict[str | None, jwt.PyJWK]:
    """Keep the keys that we can verify with; an issuer may publish others beside them."""
    entries: list[dict[str, Any]] = json.loads(text)["keys"]
    keys: dict[str | None, jwt.PyJWK] = {}
    for entry in entries:
        if entry.get("use", "sig") != "sig":
            continue
        with suppress(jwt.PyJWTError):  # A kind of key that we do not know.
            key = jwt.PyJWK(entry)
            if key.algorithm_name in _ALGORITHMS:
                keys[key.key_id] = key
    if not keys:
        raise ValueError("the set has no key that verifies signatures")
    if len(keys) == 1:
        keys[None] = next(iter(keys.values()))
    return keys
