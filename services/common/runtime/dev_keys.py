"""Keys that a development stack makes for itself on its first start, and their tokens.

The private key never leaves its folder (readable by its owner alone); services read the
public half through ``IDENTITY__JWKS_FILE``, which only development settings allow.
"""

import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.runtime.config import CallerKind
from services.common.runtime.identity import AUDIENCE, DEVELOPMENT_ISSUER

KEY_FILE: Final = "dev-key.pem"
JWKS_FILE: Final = "dev-jwks.json"
_KEY_ID: Final = "dev-1"


class DevKeys:
    """The key pair of one development stack. Make it with ``open_dev_keys``."""

    def __init__(self, private_key: Ed25519PrivateKey, *, jwks_file: Path) -> None:
        """Take the key, and where its public half is."""
        self._private_key = private_key
        self.jwks_file = jwks_file

    def mint(
        self,
        kind: CallerKind,
        subject: str,
        *,
        now: datetime,
        lifetime: timedelta,
        store_ids: Sequence[str] | None = None,
    ) -> str:
        """Sign a token for a caller; ``now`` is the machine's time, also on a simulated clock.

        ``store_ids`` are the stores that a till speaks for; without them it speaks for any.
        """
        claims: dict[str, object] = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "kind": kind.value,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        if store_ids is not None:
            claims["store_ids"] = list(store_ids)
        return jwt.encode(claims, self._private_key, algorithm="EdDSA", headers={"kid": _KEY_ID})


def open_dev_keys(folder: Path) -> DevKeys:
    """Read the stack's key from its folder, or make it on the first start."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file = folder / KEY_FILE
    if not key_file.exists():
        _write_whole(key_file, _pem(Ed25519PrivateKey.generate()))
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey), "the stack's key is one that it made"
    jwks_file = folder / JWKS_FILE
    jwks = _jwks(key).encode()
    if not jwks_file.exists() or jwks_file.read_bytes() != jwks:
        _write_whole(jwks_file, jwks)  # Services may be reading it right now.
    return DevKeys(key, jwks_file=jwks_file)


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.rename(path)


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _jwks(key: Ed25519PrivateKey) -> str:
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({"keys": [{**public, "kid": _KEY_ID, "alg": "EdDSA", "use": "sig"}]})
