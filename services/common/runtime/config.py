"""Settings blocks that every service has; ``docs/settings.md`` lists them.

A service subclasses ``ServiceSettings`` with its prefix, and reads it once, in ``main``: a
missing or bad variable stops the start-up. Nested fields join with two underscores, for
example ``LEDGER_POSTGRES__DSN``.
"""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict


class CallerKind(StrEnum):
    """Who calls, as a verified identity says it; spelled as in a token's ``kind`` claim."""

    SHOPPER = "shopper"
    TILL = "till"
    FINANCE = "finance"
    SERVICE = "service"
    OPERATOR = "operator"


class ClockKind(StrEnum):
    """Where business time comes from."""

    SYSTEM = "system"
    SIMULATED = "simulated"


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PostgresSettings(_Block):
    """The service's own database, with the rights of its runtime role."""

    dsn: Annotated[SecretStr, Field(description="postgresql://role:password@host:port/database")]
    pool_size_max: Annotated[PositiveInt, Field(description="Connections at most.")] = 8
    statement_timeout_seconds: Annotated[
        PositiveFloat, Field(description="A statement that runs longer is ended.")
    ] = 30.0
    lock_timeout_seconds: Annotated[
        PositiveFloat, Field(description="A statement that waits longer for a lock is ended.")
    ] = 10.0
    application_name: Annotated[
        str, Field(description="How the sessions call themselves in pg_stat_activity.")
    ] = "cagnotte"


class KafkaSettings(_Block):
    """The broker."""

    bootstrap: Annotated[str, Field(description="host:port, several separated by commas.")]
    idempotent: Annotated[
        bool, Field(description="Use the idempotent producer; false where the broker has none.")
    ] = True
    partitions: Annotated[
        PositiveInt, Field(description="Partitions of a topic that the service creates.")
    ] = 6
    replication_factor: Annotated[
        PositiveInt, Field(description="Replicas of a topic that the service creates.")
    ] = 1
    security_protocol: Annotated[
        str, Field(description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        str | None, Field(description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    ] = None
    sasl_username: Annotated[str | None, Field(description="User name for SASL.")] = None
    sasl_password: Annotated[SecretStr | None, Field(description="Password for SASL.")] = None
    ca_file: Annotated[
        Path | None, Field(description="PEM file of the authorities that sign the brokers.")
    ] = None
    dead_letters_max: Annotated[
        PositiveInt,
        Field(
            description="Unreadable events in a row at which a consumer goes no further: a bug, not bad luck."
        ),
    ] = 20


class TlsSettings(_Block):
    """TLS. With ``client_ca_file``, every client needs a certificate (tills, services, gateways)."""

    certificate_file: Annotated[Path, Field(description="PEM file of the own certificate chain.")]
    key_file: Annotated[Path, Field(description="PEM file of its private key.")]
    client_ca_file: Annotated[
        Path | None,
        Field(description="PEM file of the authorities that sign the clients' certificates."),
    ] = None
    token_listen: Annotated[
        str,
        Field(description="A second address, for callers without a certificate but with a token."),
    ] = ""


class GrpcSettings(_Block):
    """The gRPC server."""

    listen: Annotated[str, Field(description="Address to listen on; port 0 takes a free one.")] = (
        "127.0.0.1:0"
    )
    tls: Annotated[
        TlsSettings | None,
        Field(description="Unset: no TLS, for a trusted network or behind a proxy that has it."),
    ] = None
    reflection: Annotated[
        bool, Field(description="Tell clients the schema (for grpcurl and the like).")
    ] = True
    message_bytes_max: Annotated[
        PositiveInt, Field(description="Largest message taken or sent.")
    ] = 16 * 1024 * 1024
    concurrent_calls_max: Annotated[
        PositiveInt,
        Field(
            description="Unary calls at a time; more wait before they are read, or get RESOURCE_EXHAUSTED."
        ),
    ] = 256
    waiting_calls_max: Annotated[
        NonNegativeInt,
        Field(description="Unary calls that wait for a place; more are refused at once."),
    ] = 8000
    refusals_per_second: Annotated[
        PositiveInt,
        Field(
            description="Waiting calls refused a second, oldest first: each costs 0.2 ms of CPU."
        ),
    ] = 500
    pending_calls_max: Annotated[
        PositiveInt,
        Field(
            description="Calls of a method that nobody has taken up yet; gRPC drops more (CANCELLED), all beyond"
            " twice as many. Longer queues drop fewer and have everybody wait."
        ),
    ] = 500
    connection_calls_max: Annotated[
        PositiveInt,
        Field(
            description="Calls at a time on one connection (of a service without streams to listen to); more wait in"
            " their own client."
        ),
    ] = 100
    concurrent_streams_max: Annotated[
        PositiveInt,
        Field(description="Streams at a time; they mostly wait, and more are refused too."),
    ] = 4000
    deadline_seconds_max: Annotated[
        PositiveFloat, Field(description="Deadline of a unary call without one, and the longest.")
    ] = 30.0
    stream_seconds_max: Annotated[
        PositiveFloat, Field(description="The same for a call that streams.")
    ] = 3600.0
    keepalive_seconds: Annotated[
        PositiveFloat,
        Field(description="Silence after which a connection is asked whether it is still there."),
    ] = 20.0
    keepalive_timeout_seconds: Annotated[
        PositiveFloat, Field(description="Without an answer by then, its calls end.")
    ] = 10.0
    deadline_seconds_min: Annotated[
        NonNegativeFloat, Field(description="A call with less left is refused before any work.")
    ] = 0.02
    deadline_shave_seconds: Annotated[
        NonNegativeFloat,
        Field(description="Taken off the caller's deadline, so that a timeout can be answered."),
    ] = 0.01
    drain_seconds: Annotated[
        NonNegativeFloat,
        Field(description="Time between reporting NOT_SERVING and refusing calls, at the end."),
    ] = 0.0
    grace_seconds: Annotated[
        PositiveFloat, Field(description="Time that running calls and loops have to end.")
    ] = 20.0


class IssuerSettings(_Block):
    """An issuer of tokens, and what is believed of it."""

    issuer: Annotated[str, Field(description="The `iss` claim, exactly.")]
    jwks: Annotated[str, Field(description="Its keys: a file's path or an https:// address.")]
    audience: Annotated[str, Field(description="The `aud` claim that names us.")] = "cagnotte"
    kinds: Annotated[
        frozenset[CallerKind],
        Field(
            min_length=1,
            description=(
                "Kinds of caller that it may assert. With one kind, its tokens need no `kind`."
            ),
        ),
    ]


class IdentitySettings(_Block):
    """Who may assert who calls. The default is nobody."""

    issuers: Annotated[
        tuple[IssuerSettings, ...], Field(description="Issuers of tokens, as JSON.")
    ] = ()
    jwks_file: Annotated[
        Path | None,
        Field(
            description=(
                "Public keys of the development issuer, which may assert every kind of caller."
                " Refused unless DEVELOPMENT is set."
            )
        ),
    ] = None
    leeway_seconds: Annotated[
        NonNegativeFloat, Field(description="How far the issuers' clocks may be off.")
    ] = 30.0
    cached_tokens_max: Annotated[
        PositiveInt,
        Field(description="Verified tokens that are remembered, for five minutes at most."),
    ] = 20_000


class MetricsSettings(_Block):
    """The Prometheus endpoint."""

    listen: Annotated[
        str, Field(description="Address of the metrics over HTTP; empty turns them off.")
    ] = ""


class TelemetrySettings(_Block):
    """Traces."""

    otlp_endpoint: Annotated[
        str, Field(description="OTLP collector (gRPC); empty: no spans, only trace ids pass on.")
    ] = ""
    sample_ratio: Annotated[
        float, Field(ge=0, le=1, description="Share of the traces begun here that are kept.")
    ] = 0.01


class LogSettings(_Block):
    """Logs, as JSON lines on the standard error stream."""

    level: Annotated[
        str,
        Field(pattern="^(debug|info|warning|error)$", description="debug, info, warning, error."),
    ] = "info"


class ServiceSettings(BaseSettings):
    """What every service is configured with; a subclass adds its prefix and its own."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__", frozen=True, extra="ignore", env_ignore_empty=True
    )

    postgres: PostgresSettings
    kafka: KafkaSettings
    grpc: GrpcSettings = GrpcSettings()
    identity: IdentitySettings = IdentitySettings()
    metrics: MetricsSettings = MetricsSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()
    development: Annotated[
        bool, Field(description="Allow what must never be allowed in production.")
    ] = False
    clock: Annotated[
        ClockKind, Field(description="system, or simulated in a development stack.")
    ] = ClockKind.SYSTEM
    clock_start_time: Annotated[
        AwareDatetime,
        Field(description="Where a simulated clock that was never set stands."),
    ] = datetime(2000, 1, 1, tzinfo=UTC)

    @model_validator(mode="after")
    def _refuse_development_parts_in_production(self) -> Self:
        if self.development:
            return self
        if self.clock is ClockKind.SIMULATED:
            raise ValueError("a simulated clock needs DEVELOPMENT=true")
        if self.identity.jwks_file is not None:
            raise ValueError("identity.jwks_file (development keys) needs DEVELOPMENT=true")
        return self
