"""Who calls: a client certificate (tills, services) or a signed token (people).

A certificate names its owner by a URI ``<scheme>://<trust domain>/till/<id>`` or
``.../service/<name>`` among its alternative names, or by a common name ``till/<id>`` or
``service/<name>``. A till that is named ``store/<store id>/till/<id>`` instead speaks for that
store only, and so does one whose token lists ``store_ids``; others speak for any. A token is a
JWT whose issuer is listed in the settings, with the kinds of caller that this issuer may assert;
its ``sub`` is the caller's subject. Neither is ever logged. A call that shows both is who its
token says (a gateway calls for a person).
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from services.common.kernel.errors import Unauthenticated
from services.common.runtime.config import CallerKind, IdentitySettings, IssuerSettings
from services.common.runtime.key_sets import KEYS_SECONDS_MAX, KeySet

DEVELOPMENT_ISSUER: Final = "cagnotte-development"
"""The issuer whose keys a development stack makes for itself."""

AUDIENCE: Final = "cagnotte"

_CERTIFIED_KINDS: Final = frozenset({CallerKind.TILL, CallerKind.SERVICE})
_STORE_TILL: Final = re.compile(r"store/([0-9A-Za-z_-]{1,16})/till/([^/]{1,100})")
_TOKEN_LENGTH_MAX: Final = 8192
_SUBJECT_LENGTH_MAX: Final = 128
_REQUIRED_CLAIMS: Final = ("exp", "iss", "aud", "sub")


class NotAuthenticated(Unauthenticated):
    """The caller has shown no identity, or one that cannot be verified; ``cause`` says which."""

    reason = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller: a shopper's subject is the customer id, a till's its certified name."""

    kind: CallerKind
    subject: str
    store_ids: frozenset[str] | None = None
    """The stores that a till speaks for; None where its identity does not limit them."""


_current: ContextVar[Caller] = ContextVar("caller")


def current_caller() -> Caller:
    """Give the verified caller of the running RPC; ``LookupError`` outside any."""
    return _current.get()


def set_current_caller(caller: Caller) -> None:
    """Make the caller that of the running task, which ends with the call."""
    _current.set(caller)


@dataclass(frozen=True, slots=True)
class _Issuer:
    settings: IssuerSettings
    keys: KeySet


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    expire_seconds: float


class Identity:
    """Verifies callers and remembers verified tokens, as long as they and what is known of the issuer's keys hold."""

    def __init__(
        self, settings: IdentitySettings, *, seconds: Callable[[], float] = time.time
    ) -> None:
        """Take who is believed; ``seconds`` is the machine's clock, since tokens are the world's."""
        self._seconds = seconds
        self._leeway_seconds = settings.leeway_seconds
        self._cached_max = settings.cached_tokens_max
        self._cached: OrderedDict[str, _Verified] = OrderedDict()
        self._issuers: dict[str, _Issuer] = {}
        for issuer in _issuers_of(settings):
            assert issuer.issuer not in self._issuers, "an issuer is listed twice"
            self._issuers[issuer.issuer] = _Issuer(issuer, KeySet(issuer.jwks))

    def remembered(self, token: str) -> Caller | None:
        """Give the caller of a token that was verified before and still holds."""
        known = self._cached.get(token)
        if known is None or known.expire_seconds <= self._seconds():
            return None
        self._cached.move_to_end(token)
        return known.caller

    async def verify(self, token: str) -> Caller:
        """Verify a token: issuer, signature, audience, expiry, and the kind that it asserts.

        Raises:
            NotAuthenticated: the token does not prove who calls.
            KeysUnavailable: the issuer's keys cannot be read now.
        """
        known = self.remembered(token)
        if known is not None:
            return known
        try:
            issuer, key = await self._signer_of(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=self._leeway_seconds,
                options={"require": list(_REQUIRED_CLAIMS)},
            )
        except jwt.ExpiredSignatureError:
            raise _refusal("token_expired") from None
        except jwt.InvalidSignatureError:
            raise _refusal("signature_invalid") from None
        except jwt.PyJWTError:
            raise _refusal("token_invalid") from None
        kind = _asserted_kind(claims, issuer)
        caller = Caller(kind, _subject_of(claims), _store_ids_of(kind, claims))
        end_seconds = min(claims["exp"] + self._leeway_seconds, self._seconds() + KEYS_SECONDS_MAX)
        self._remember(token, _Verified(caller, end_seconds))
        return caller

    async def _signer_of(self, token: str) -> tuple[IssuerSettings, jwt.PyJWK]:
        if len(token) > _TOKEN_LENGTH_MAX:
            raise _refusal("token_too_long")
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
        issuer = self._issuers.get(str(unverified["payload"].get("iss")))
        if issuer is None:
            raise _refusal("issuer_unknown")
        key = await issuer.keys.find(unverified["header"].get("kid"))
        if key is None:
            raise _refusal("key_unknown")
        return issuer.settings, key

    def _remember(self, token: str, verified: _Verified) -> None:
        self._cached[token] = verified
        if len(self._cached) > self._cached_max:
            self._cached.popitem(last=False)


def caller_of_certificate(auth_context: Mapping[str, Iterable[bytes]]) -> Caller | None:
    """Give the till or service that a verified client certificate names, if there is one.

    Raises:
        NotAuthenticated: the certificate names nobody that we know, or several.
    """
    names = _names_in(auth_context)
    if names is None:
        return None
    callers = {caller for caller in map(_caller_named, names) if caller is not None}
    if len(callers) != 1:
        raise _refusal("certificate_names_nobody" if not callers else "certificate_ambiguous")
    return callers.pop()


def missing_credentials() -> NotAuthenticated:
    """Make the refusal of a call that shows neither certificate nor token."""
    return _refusal("credentials_missing")


def _issuers_of(settings: IdentitySettings) -> Sequence[IssuerSettings]:
    if settings.jwks_file is None:
        return settings.issuers
    development = IssuerSettings(
        issuer=DEVELOPMENT_ISSUER,
        jwks=str(settings.jwks_file),
        audience=AUDIENCE,
        kinds=frozenset(CallerKind),
    )
    return (*settings.issuers, development)


def _asserted_kind(claims: Mapping[str, Any], issuer: IssuerSettings) -> CallerKind:
    if "kind" not in claims and len(issuer.kinds) == 1:
        return next(iter(issuer.kinds))
    claimed = claims.get("kind")
    for kind in issuer.kinds:
        if kind.value == claimed:
            return kind
    raise _refusal("kind_not_asserted")


def _subject_of(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LENGTH_MAX:
        raise _refusal("subject_invalid")
    return subject


def _store_ids_of(kind: CallerKind, claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Give the stores that a till's token lists. A list that cannot be read limits to nothing, so it is refused."""
    if kind is not CallerKind.TILL or "store_ids" not in claims:
        return None
    listed = claims["store_ids"]
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise _refusal("store_ids_invalid")
    return frozenset(listed)


def _names_in(auth_context: Mapping[str, Iterable[bytes]]) -> list[str] | None:
    """Give the certificate's names: of its URIs where it has any, else the common name."""
    if "x509_common_name" not in auth_context and "peer_uri" not in auth_context:
        return None
    uris = [uri.decode("ascii", "replace") for uri in auth_context.get("peer_uri", ())]
    if uris:
        return [urlsplit(uri).path.removeprefix("/") for uri in uris]
    return [name.decode("utf-8", "replace") for name in auth_context["x509_common_name"]]


def _caller_named(name: str) -> Caller | None:
    if in_store := _STORE_TILL.fullmatch(name):
        store_id, till_id = in_store.groups()
        return Caller(CallerKind.TILL, f"{store_id}/{till_id}", frozenset({store_id}))
    kind, _, subject = name.partition("/")
    for certified in _CERTIFIED_KINDS:
        if kind == certified.value and 0 < len(subject) <= _SUBJECT_LENGTH_MAX:
            return Caller(certified, subject)
    return None


def _refusal(cause: str) -> NotAuthenticated:
    return NotAuthenticated("The caller could not be verified.", cause=cause)
