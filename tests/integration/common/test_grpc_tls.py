"""Tills and services prove who they are by certificates, made here by a real authority."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cagnotte.common.v1 import clock_service_pb2, clock_service_pb2_grpc
from deploy.local.ports import any_free_port
from services.common.runtime.clock import ServiceClock
from services.common.runtime.clock_service import clock_registration
from services.common.runtime.config import CallerKind, GrpcSettings, IdentitySettings, TlsSettings
from services.common.runtime.dev_keys import open_dev_keys
from services.common.runtime.grpc_client import ClientTls, open_channel, parse_error
from services.common.runtime.grpc_server import GrpcServer, build_server
from services.common.runtime.identity import Identity

DAY = timedelta(days=1)
GET = clock_service_pb2.GetTimeRequest()
SET = clock_service_pb2.SetTimeRequest()
SET.business_time.GetCurrentTime()


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates, and writes them into a folder."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey

    @property
    def file(self) -> Path:
        """Give its own certificate."""
        return self.folder / f"{self.name}.pem"

    def write_itself(self) -> None:
        """Sign its own certificate."""
        name = name_of(self.name)
        builder = builder_for(name, name, self.key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, common_name: str, *alternative: x509.GeneralName, expired: bool = False
    ) -> tuple[Path, Path]:
        """Write a certificate and its key; give both files."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = builder_for(name_of(common_name), name_of(self.name), key, expired=expired)
        if alternative:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternative), critical=False
            )
        certificate = builder.sign(self.key, hashes.SHA256())
        stem = common_name.replace("/", "-")
        certificate_file = self.folder / f"{stem}.crt"
        key_file = self.folder / f"{stem}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate_file, key_file


def name_of(common_name: str) -> x509.Name:
    """Make a distinguished name of a common name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def builder_for(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    expired: bool = False,
) -> x509.CertificateBuilder:
    """Begin a certificate that is good for a day, or was until yesterday."""
    begin = datetime.now(UTC) - (3 * DAY if expired else timedelta(minutes=5))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + DAY)
    )


def new_authority(folder: Path, name: str) -> Authority:
    """Make an authority."""
    authority = Authority(folder, name, ec.generate_private_key(ec.SECP256R1()))
    authority.write_itself()
    return authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give the authority that the server believes."""
    return new_authority(tmp_path, "authority")


@pytest.fixture
def tls(authority: Authority) -> TlsSettings:
    """Give settings with an address for certificates, and one for tokens."""
    certificate, key = authority.issue("localhost", x509.DNSName("localhost"))
    return TlsSettings(
        certificate_file=certificate,
        key_file=key,
        client_ca_file=authority.file,
        token_listen=f"localhost:{any_free_port()}",
    )


@pytest.fixture
async def server(tls: TlsSettings, tmp_path: Path) -> AsyncIterator[GrpcServer]:
    """Give a server with TLS that also believes development tokens."""
    keys = open_dev_keys(tmp_path / "keys")
    server = build_server(
        GrpcSettings(listen="localhost:0", tls=tls),
        services=[clock_registration(ServiceClock())],
        identity=Identity(IdentitySettings(jwks_file=keys.jwks_file)),
    )
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


async def call_as(
    server: GrpcServer, authority: Authority, pair: tuple[Path, Path] | None
) -> grpc.StatusCode:
    """Read the clock with a certificate, or none; give the code of the answer."""
    tls = ClientTls(
        ca_file=authority.file,
        certificate_file=pair[0] if pair else None,
        key_file=pair[1] if pair else None,
    )
    async with open_channel(server.address, tls=tls, attempts_max=1) as channel:
        try:
            await clock_service_pb2_grpc.ClockServiceStub(channel).GetTime(GET, timeout=60)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK


class TestMutualTls:
    async def test_a_till_gets_in_by_its_common_name(
        self, server: GrpcServer, authority: Authority
    ) -> None:
        """The certificate is all that a till needs."""
        pair = authority.issue("till/0330/1")

        assert await call_as(server, authority, pair) is grpc.StatusCode.OK

    async def test_a_service_gets_in_by_its_uri(
        self, server: GrpcServer, authority: Authority
    ) -> None:
        """A workload's identity is a URI among the alternative names."""
        uri = x509.UniformResourceIdentifier("spiffe://shop.example/service/wallet")

        assert await call_as(server, authority, authority.issue("w", uri)) is grpc.StatusCode.OK

    @pytest.mark.parametrize("common_name", ["operator/root", "localhost", "finance/jane"])
    async def test_a_certificate_makes_nobody_a_person(
        self, server: GrpcServer, authority: Authority, common_name: str
    ) -> None:
        """Only tills and services have certificates."""
        code = await call_as(server, authority, authority.issue(common_name))

        assert code is grpc.StatusCode.UNAUTHENTICATED

    async def test_without_a_certificate_nobody_is_even_heard(
        self, server: GrpcServer, authority: Authority
    ) -> None:
        """The connection does not come about."""
        assert await call_as(server, authority, None) is grpc.StatusCode.UNAVAILABLE

    async def test_the_address_for_tokens_needs_a_token(
        self, authority: Authority, tls: TlsSettings, server: GrpcServer, tmp_path: Path
    ) -> None:
        """A certificate is neither needed nor looked at there."""
        assert server.address != tls.token_listen
        certificate, key = authority.issue("till/0330/1")
        client = ClientTls(ca_file=authority.file, certificate_file=certificate, key_file=key)
        token = open_dev_keys(tmp_path / "keys").mint(
            CallerKind.SHOPPER, "somebody", now=datetime.now(UTC), lifetime=DAY
        )
        async with open_channel(tls.token_listen, tls=client) as channel:
            stub = clock_service_pb2_grpc.ClockServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stub.GetTime(GET)
            metadata = (("authorization", f"Bearer {token}"),)
            answer = await stub.GetTime(GET, metadata=metadata)

        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert answer.HasField("business_time")

    async def test_a_certificate_of_somebody_else_is_worth_nothing(
        self, server: GrpcServer, authority: Authority, tmp_path: Path
    ) -> None:
        """The name of a till, signed by an authority that nobody believes."""
        folder = tmp_path / "other"
        folder.mkdir()
        pair = new_authority(folder, "other").issue("till/0330/1")

        assert await call_as(server, authority, pair) is not grpc.StatusCode.OK

    async def test_an_expired_certificate_is_worth_nothing(
        self, server: GrpcServer, authority: Authority
    ) -> None:
        """A till that was not renewed stays out."""
        pair = authority.issue("till/0330/1", expired=True)

        assert await call_as(server, authority, pair) is not grpc.StatusCode.OK

    async def test_a_certified_till_may_do_what_tills_may_and_no_more(
        self, server: GrpcServer, authority: Authority
    ) -> None:
        """Access rules hold for certificates as for tokens."""
        certificate, key = authority.issue("till/0330/1")
        tls = ClientTls(ca_file=authority.file, certificate_file=certificate, key_file=key)
        async with open_channel(server.address, tls=tls) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await clock_service_pb2_grpc.ClockServiceStub(channel).SetTime(SET)

        assert parse_error(error.value).reason == "CALLER_NOT_ALLOWED"

    async def test_a_token_says_who_calls_through_a_gateway(
        self, server: GrpcServer, authority: Authority, tmp_path: Path
    ) -> None:
        """With both, the token counts: a gateway's certificate is not the person's."""
        certificate, key = authority.issue("service/gateway")
        tls = ClientTls(ca_file=authority.file, certificate_file=certificate, key_file=key)
        token = open_dev_keys(tmp_path / "keys").mint(
            CallerKind.OPERATOR, "ops", now=datetime.now(UTC), lifetime=DAY
        )
        async with open_channel(server.address, tls=tls, token=token) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await clock_service_pb2_grpc.ClockServiceStub(channel).SetTime(SET)

        assert parse_error(error.value).reason == "CLOCK_NOT_SIMULATED"
