"""Settings of the wallet: variables with the prefix ``WALLET_``."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)
from pydantic_settings import SettingsConfigDict

from services.common.runtime.config import ServiceSettings


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RemoteSettings(_Block):
    """Another service of cagnotte."""

    address: Annotated[str, Field(min_length=1, description="host:port of the service.")]
    ca_file: Annotated[
        Path | None, Field(description="PEM file of the authorities that sign it; unset: no TLS.")
    ] = None
    certificate_file: Annotated[
        Path | None, Field(description="PEM file of our own certificate chain.")
    ] = None
    key_file: Annotated[Path | None, Field(description="PEM file of its private key.")] = None
    timeout_seconds: Annotated[
        PositiveFloat, Field(description="A call without an answer by then is an unknown outcome.")
    ] = 2.0


class ProviderSettings(_Block):
    """The payment provider."""

    url: Annotated[str, Field(description="Address of its API; empty: Stripe's own.")] = ""
    api_key: Annotated[SecretStr, Field(description="Our secret key at the provider.")]
    webhook_secret: Annotated[
        SecretStr, Field(description="Key of the signatures of its webhooks.")
    ] = SecretStr("")
    timeout_seconds: Annotated[
        PositiveFloat, Field(description="A call without an answer by then is an unknown outcome.")
    ] = 10.0
    connections_max: Annotated[
        PositiveInt, Field(description="Connections to the provider at most.")
    ] = 64
    card_least_minor: Annotated[
        dict[str, NonNegativeInt],
        Field(
            description=(
                "What a card pays at least in a currency, in minor units, as JSON; in one that is"
                " not named, any amount."
            )
        ),
    ] = {"EUR": 50}


class WebhookSettings(_Block):
    """The HTTP server that the provider calls."""

    listen: Annotated[
        str, Field(description="host:port of `/provider/webhooks`; empty turns it off.")
    ] = ""


class Settings(ServiceSettings):
    """Read once, in ``main``; a missing or bad variable stops the start."""

    model_config = SettingsConfigDict(env_prefix="WALLET_")

    runtime_role: Annotated[
        str,
        Field(min_length=1, description="Database role of the service, for `migrate`'s grants."),
    ] = "wallet_runtime"
    shard_id: Annotated[int, Field(ge=0, description="The shard that this process serves.")] = 0
    topic: Annotated[str, Field(min_length=1, description="Topic of the service's facts.")] = (
        "cagnotte.wallet.v1.checkouts"
    )
    points: RemoteSettings = RemoteSettings(address="127.0.0.1:50052")
    ledger: RemoteSettings = RemoteSettings(address="127.0.0.1:50051")
    service_token_file: Annotated[
        Path | None,
        Field(
            description=(
                "File with the token by which we call points and ledger, read again when it"
                " changes; unset: our certificate says who we are."
            )
        ),
    ] = None
    provider: ProviderSettings = ProviderSettings(api_key=SecretStr(""))
    webhooks: WebhookSettings = WebhookSettings()
    answer_budget_seconds: Annotated[
        PositiveFloat,
        Field(description="A payment that takes longer is answered as it is then: pending."),
    ] = 2.5
    checkout_seconds: Annotated[
        PositiveInt, Field(description="Business time after which nobody can pay a checkout.")
    ] = 900
    hold_days: Annotated[
        PositiveInt,
        Field(description="Business days after which an attempt with holds is given up."),
    ] = 7
    settle_days: Annotated[
        NonNegativeInt,
        Field(
            description=(
                "Business days that holds last beyond that: what was settled at the last moment"
                " must be booked by then."
            )
        ),
    ] = 30
    attempts_max: Annotated[
        PositiveInt, Field(description="Attempts at paying one checkout; then the till is paid.")
    ] = 10
    declines_max: Annotated[
        PositiveInt,
        Field(description="Cards of one shopper declined in a span; then no card is asked."),
    ] = 10
    declines_seconds: Annotated[PositiveInt, Field(description="That span, in business time.")] = (
        3600
    )
    point_value_minor_per_100: Annotated[
        PositiveInt, Field(description="What 100 points pay, in cents.")
    ] = 100
    poll_seconds: Annotated[
        PositiveFloat, Field(description="Time between two looks at the provider's event list.")
    ] = 5.0
    batch_max: Annotated[
        PositiveInt, Field(description="Commands that one transaction may hold.")
    ] = 500
    queue_max: Annotated[
        PositiveInt, Field(description="Commands that may wait; more get RESOURCE_EXHAUSTED.")
    ] = 20_000
    relay_batch_max: Annotated[
        PositiveInt, Field(description="Facts that are published at a time.")
    ] = 1000
    relay_idle_seconds: Annotated[
        PositiveFloat, Field(description="Time between two looks at a quiet journal.")
    ] = 0.5
    sweep_idle_seconds: Annotated[
        PositiveFloat, Field(description="Time between two sweeps of expired checkouts.")
    ] = 5.0
    recovery_idle_seconds: Annotated[
        PositiveFloat, Field(description="Time between two looks for payments that nobody drives.")
    ] = 1.0
    watch_poll_seconds: Annotated[
        PositiveFloat, Field(description="How soon streams see what another process committed.")
    ] = 1.0
    driven_max: Annotated[
        PositiveInt, Field(description="Payments driven at a time; the others wait their turn.")
    ] = 2_000
    shelf_max: Annotated[
        PositiveInt, Field(description="Checkouts and shoppers that are kept folded in memory.")
    ] = 5_000
    calls_max: Annotated[
        PositiveInt,
        Field(description="Calls at a time, to the provider, and to points and ledger together."),
    ] = 128

    @property
    def hold_duration(self) -> timedelta:
        """Give how long an attempt with holds may take in business time."""
        return timedelta(days=self.hold_days)

    @property
    def settle_duration(self) -> timedelta:
        """Give how long holds last beyond that in business time."""
        return timedelta(days=self.settle_days)

    @property
    def declines_span(self) -> timedelta:
        """Give over how much business time declined cards are counted."""
        return timedelta(seconds=self.declines_seconds)

    @property
    def checkout_duration(self) -> timedelta:
        """Give how long a checkout stays open in business time."""
        return timedelta(seconds=self.checkout_seconds)
