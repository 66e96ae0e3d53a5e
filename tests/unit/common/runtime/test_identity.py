"""Who is believed, and who is not: tokens, their issuers and keys, certificates."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.runtime.config import CallerKind, IdentitySettings, IssuerSettings
from services.common.runtime.dev_keys import DevKeys, open_dev_keys
from services.common.runtime.identity import (
    Caller,
    Identity,
    NotAuthenticated,
    caller_of_certificate,
)
from services.common.runtime.key_sets import KEYS_SECONDS_MAX, KeySet, KeysUnavailable

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
ISSUER = "https://id.example"
CUSTOMER = "0190a5d0-0000-7000-8000-000000000001"


@pytest.fixture
def keys(tmp_path: Path) -> DevKeys:
    """Give the keys of a development stack."""
    return open_dev_keys(tmp_path / "keys")


@pytest.fixture
def identity(keys: DevKeys) -> Identity:
    """Believe the development keys."""
    return Identity(IdentitySettings(jwks_file=keys.jwks_file))


class RealIssuer:
    """An issuer of the world outside, with an ES256 key."""

    def __init__(self, folder: Path, *kinds: CallerKind) -> None:
        """Write its key set into the folder."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / "jwks.json"
        self.write("one")
        self.settings = IdentitySettings(
            issuers=(IssuerSettings(issuer=ISSUER, jwks=str(self.file), kinds=frozenset(kinds)),)
        )

    def write(self, key_id: str) -> None:
        """Publish the key under an id."""
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.file.write_text(json.dumps({"keys": [{**public, "kid": key_id, "alg": "ES256"}]}))

    def token(self, *, key_id: str = "one", **claims: Any) -> str:
        """Sign a token; a claim of None is left out."""
        basic = {"iss": ISSUER, "aud": "cagnotte", "sub": CUSTOMER, "exp": NOW + HOUR}
        given = {name: value for name, value in (basic | claims).items() if value is not None}
        return jwt.encode(given, self.key, algorithm="ES256", headers={"kid": key_id})


def part(content: dict[str, Any]) -> str:
    """Encode a part of a token."""
    return encoded(json.dumps(content).encode())


def encoded(content: bytes) -> str:
    """Encode bytes as tokens have them."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def cause_of(identity: Identity, token: str) -> str:
    """Verify a token that must be refused, and give the cause."""
    with pytest.raises(NotAuthenticated) as refusal:
        await identity.verify(token)
    return refusal.value.metadata["cause"]


class TestDevelopmentTokens:
    @pytest.mark.parametrize("kind", list(CallerKind))
    async def test_assert_every_kind(
        self, keys: DevKeys, identity: Identity, kind: CallerKind
    ) -> None:
        """A development stack plays every part."""
        token = keys.mint(kind, "somebody", now=NOW, lifetime=HOUR)

        assert await identity.verify(token) == Caller(kind, "somebody")

    def test_the_key_is_made_once_and_readable_by_its_owner_alone(self, tmp_path: Path) -> None:
        """Starting again keeps the key, so tokens outlive a restart."""
        first = open_dev_keys(tmp_path / "keys")
        made = (tmp_path / "keys" / "dev-key.pem").read_bytes()
        written = first.jwks_file.stat()

        second = open_dev_keys(tmp_path / "keys")

        assert (tmp_path / "keys" / "dev-key.pem").read_bytes() == made
        assert (tmp_path / "keys" / "dev-key.pem").stat().st_mode & 0o077 == 0
        assert second.jwks_file.stat() == written
        assert '"d"' not in second.jwks_file.read_text()

    async def test_another_stacks_tokens_are_refused(
        self, identity: Identity, tmp_path: Path
    ) -> None:
        """A key that was made elsewhere signs for nobody here."""
        other = open_dev_keys(tmp_path / "other")
        token = other.mint(CallerKind.OPERATOR, "ops", now=NOW, lifetime=HOUR)

        assert await cause_of(identity, token) == "signature_invalid"


class TestVerify:
    async def test_remembers_a_token_until_it_expires(self, keys: DevKeys) -> None:
        """A verified token costs a look-up, and not one second longer than it lasts."""
        seconds = [NOW.timestamp()]
        settings = IdentitySettings(jwks_file=keys.jwks_file, leeway_seconds=0)
        identity = Identity(settings, seconds=lambda: seconds[0])
        token = keys.mint(CallerKind.TILL, "0330/1", now=NOW, lifetime=HOUR)
        caller = await identity.verify(token)

        assert identity.remembered(token) == caller

        seconds[0] += 3600
        assert identity.remembered(token) is None

    async def test_remembers_only_so_many(self, keys: DevKeys) -> None:
        """Memory is bounded: the token that was not seen for longest is forgotten."""
        settings = IdentitySettings(jwks_file=keys.jwks_file, cached_tokens_max=2)
        identity = Identity(settings)
        tokens = [keys.mint(CallerKind.TILL, str(n), now=NOW, lifetime=HOUR) for n in range(3)]

        for token in tokens:
            await identity.verify(token)

        assert [identity.remembered(token) is None for token in tokens] == [True, False, False]

    async def test_an_expired_token_is_refused(self, keys: DevKeys, identity: Identity) -> None:
        """Yesterday's token proves nothing today."""
        token = keys.mint(CallerKind.TILL, "t", now=NOW - 2 * HOUR, lifetime=HOUR)

        assert await cause_of(identity, token) == "token_expired"

    @pytest.mark.parametrize(
        ("claims", "cause"),
        [
            ({"aud": "somebody-else"}, "token_invalid"),
            ({"sub": None}, "token_invalid"),
            ({"exp": None}, "token_invalid"),
            ({"sub": ""}, "subject_invalid"),
            ({"sub": "x" * 129}, "subject_invalid"),
            ({"iss": "https://evil.example"}, "issuer_unknown"),
            ({"kind": "operator"}, "kind_not_asserted"),
            ({"kind": ["shopper"]}, "kind_not_asserted"),
        ],
    )
    async def test_refuses_a_token_that_is_not_for_us(
        self, tmp_path: Path, claims: dict[str, Any], cause: str
    ) -> None:
        """Audience, subject, expiry, issuer and kind must all be right."""
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER, CallerKind.FINANCE)
        token = issuer.token(**({"kind": "shopper"} | claims))

        assert await cause_of(Identity(issuer.settings), token) == cause

    @pytest.mark.parametrize(
        ("kind", "claimed", "store_ids"),
        [
            (CallerKind.TILL, None, None),
            (CallerKind.TILL, ["0330", "0331"], frozenset({"0330", "0331"})),
            (CallerKind.TILL, [], frozenset()),
            (CallerKind.SHOPPER, ["0330"], None),
        ],
    )
    async def test_a_tills_token_may_name_its_stores(
        self,
        tmp_path: Path,
        kind: CallerKind,
        claimed: list[str] | None,
        store_ids: frozenset[str] | None,
    ) -> None:
        """Without the claim a till is not limited; for other callers it means nothing."""
        issuer = RealIssuer(tmp_path, kind)

        caller = await Identity(issuer.settings).verify(issuer.token(store_ids=claimed))

        assert caller == Caller(kind, CUSTOMER, store_ids)

    @pytest.mark.parametrize("claimed", ["0330", [330], [""], {"0330": True}, 330])
    async def test_stores_that_cannot_be_read_are_refused(
        self, tmp_path: Path, claimed: object
    ) -> None:
        """A limit that nobody understands must not become none."""
        issuer = RealIssuer(tmp_path, CallerKind.TILL)

        assert await cause_of(Identity(issuer.settings), issuer.token(store_ids=claimed)) == (
            "store_ids_invalid"
        )

    async def test_an_issuer_of_one_kind_needs_no_claim(self, tmp_path: Path) -> None:
        """The shoppers' issuer knows nothing of kinds."""
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER)

        caller = await Identity(issuer.settings).verify(issuer.token())

        assert caller == Caller(CallerKind.SHOPPER, CUSTOMER)

    async def test_an_issuer_of_several_kinds_needs_the_claim(self, tmp_path: Path) -> None:
        """Which of them it is is never guessed."""
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER, CallerKind.FINANCE)

        assert await cause_of(Identity(issuer.settings), issuer.token()) == "kind_not_asserted"

    async def test_an_unsigned_token_is_refused(self, tmp_path: Path) -> None:
        """``alg: none`` signs nothing."""
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER)
        claims = {"iss": ISSUER, "aud": "cagnotte", "sub": "x", "exp": NOW + HOUR}
        token = jwt.encode(claims, "", algorithm="none", headers={"kid": "one"})

        assert await cause_of(Identity(issuer.settings), token) == "token_invalid"

    async def test_a_token_signed_with_the_public_key_as_secret_is_refused(
        self, tmp_path: Path
    ) -> None:
        """The key decides the algorithm, never the token: it is signed by hand here."""
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER)
        claims = {"iss": ISSUER, "aud": "cagnotte", "sub": "x", "exp": (NOW + HOUR).timestamp()}
        signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
        digest = hmac.digest(issuer.file.read_bytes(), signed.encode(), "sha256")
        token = f"{signed}.{encoded(digest)}"

        assert await cause_of(Identity(issuer.settings), token) == "token_invalid"

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 9000])
    async def test_rubbish_is_refused(self, identity: Identity, token: str) -> None:
        """What is no token at all is not a fault of ours."""
        assert (await cause_of(identity, token)).startswith("token_")


class TestWithdrawnKeys:
    async def test_a_remembered_token_is_refused_once_its_key_is_gone(self, tmp_path: Path) -> None:
        """What is remembered is looked at again in time, so that a token of a year does not outlive its key."""
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER)
        seconds = [NOW.timestamp()]
        identity = Identity(issuer.settings, seconds=lambda: seconds[0])
        token = issuer.token(exp=NOW + 365 * 24 * HOUR)
        await identity.verify(token)
        assert identity.remembered(token) is not None

        seconds[0] += KEYS_SECONDS_MAX

        assert identity.remembered(token) is None


class TestKeySet:
    async def test_finds_a_key_that_was_rotated_in(self, tmp_path: Path) -> None:
        """An unknown key id has the set read again, but not at every call."""
        seconds = [0.0]
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER)
        keys = KeySet(str(issuer.file), seconds=lambda: seconds[0])
        assert await keys.find("one") is not None

        issuer.write("two")
        assert await keys.find("two") is None
        seconds[0] = 6.0

        assert await keys.find("two") is not None

    async def test_a_key_that_was_withdrawn_is_soon_believed_no_more(self, tmp_path: Path) -> None:
        """A stolen key signs for anybody: taking it out of the set must be enough, without restarting every service."""
        seconds = [0.0]
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER)
        keys = KeySet(str(issuer.file), seconds=lambda: seconds[0])
        assert await keys.find("one") is not None

        issuer.write("two")
        assert await keys.find("one") is not None
        seconds[0] = KEYS_SECONDS_MAX

        assert await keys.find("one") is None
        assert await keys.find("two") is not None

    async def test_keeps_the_last_keys_when_the_source_is_gone(self, tmp_path: Path) -> None:
        """An outage of the issuer does not lock out whom it signed for."""
        seconds = [0.0]
        issuer = RealIssuer(tmp_path, CallerKind.SHOPPER)
        keys = KeySet(str(issuer.file), seconds=lambda: seconds[0])
        await keys.find("one")
        issuer.file.unlink()
        seconds[0] = 10 * KEYS_SECONDS_MAX

        assert await keys.find("two") is None
        assert await keys.find("one") is not None

    @pytest.mark.parametrize("content", [None, "{}", "[]", "not json", '{"keys":[{"kty":"?"}]}'])
    async def test_never_read_is_unavailable(self, tmp_path: Path, content: str | None) -> None:
        """Nobody can be verified, which is not the caller's fault."""
        file = tmp_path / "jwks.json"
        if content is not None:
            file.write_text(content)

        with pytest.raises(KeysUnavailable):
            await KeySet(str(file)).find("one")

    async def test_only_public_signing_keys_count(self, tmp_path: Path) -> None:
        """With a shared secret whoever verifies could sign; the unknown is passed over."""
        file = tmp_path / "jwks.json"
        public = jwt.algorithms.OKPAlgorithm.to_jwk(
            Ed25519PrivateKey.generate().public_key(), as_dict=True
        )
        secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"}
        unknown = {"kty": "FUTURE", "kid": "unknown"}
        encryption = {**public, "kid": "encryption", "use": "enc"}
        good = {**public, "kid": "good"}
        file.write_text(json.dumps({"keys": [secret, unknown, encryption, good]}))

        keys = KeySet(str(file))

        assert [await keys.find(name) for name in ("secret", "unknown", "encryption")] == [None] * 3
        assert await keys.find("good") is not None


class TestCallerOfCertificate:
    @pytest.mark.parametrize(
        ("auth_context", "caller"),
        [
            ({"x509_common_name": [b"till/0330/1"]}, Caller(CallerKind.TILL, "0330/1")),
            ({"x509_common_name": [b"service/wallet"]}, Caller(CallerKind.SERVICE, "wallet")),
            (
                {"peer_uri": [b"spiffe://shop.example/store/0330/till/07"]},
                Caller(CallerKind.TILL, "0330/07", frozenset({"0330"})),
            ),
            (
                {
                    "x509_common_name": [b"till/0330/1"],
                    "peer_uri": [b"spiffe://shop.example/service/points"],
                },
                Caller(CallerKind.SERVICE, "points"),
            ),
            ({}, None),
            ({"transport_security_type": [b"ssl"]}, None),
        ],
    )
    def test_reads_the_name(
        self, auth_context: dict[str, list[bytes]], caller: Caller | None
    ) -> None:
        """A URI among the alternative names wins over the common name."""
        assert caller_of_certificate(auth_context) == caller

    @pytest.mark.parametrize(
        "names",
        [
            {"x509_common_name": [b"operator/root"]},
            {"x509_common_name": [b"shopper/1"]},
            {"x509_common_name": [b"till/"]},
            {"x509_common_name": [b"store/0330/till/"]},
            {"x509_common_name": [b"store//till/07"]},
            {"x509_common_name": [b"store/0330/service/wallet"]},
            {"x509_common_name": [b"www.example"]},
            {"peer_uri": [b"spiffe://a/till/1", b"spiffe://a/service/ledger"]},
            {"peer_uri": [b"https://a/other"], "x509_common_name": [b"till/1"]},
        ],
    )
    def test_refuses_any_other_name(self, names: dict[str, list[bytes]]) -> None:
        """A certificate makes nobody a person, and never two callers at once."""
        with pytest.raises(NotAuthenticated):
            caller_of_certificate(names)
