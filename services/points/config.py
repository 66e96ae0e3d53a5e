"""Settings of the points service: variables with the prefix ``POINTS_``."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from services.common.runtime.config import ServiceSettings
from services.points.domain.ticket import TOTAL_MINOR_MAX, TicketLimits


class Settings(ServiceSettings):
    """Read once, in ``main``; a missing or bad variable stops the start."""

    model_config = SettingsConfigDict(env_prefix="POINTS_")

    runtime_role: Annotated[
        str,
        Field(min_length=1, description="Database role of the service, for `migrate`'s grants."),
    ] = "points_runtime"
    shard_id: Annotated[int, Field(ge=0, description="The shard that this process serves.")] = 0
    topic: Annotated[str, Field(min_length=1, description="Topic of the service's facts.")] = (
        "cagnotte.points.v1.loyalty"
    )
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
        PositiveFloat, Field(description="Time between two sweeps of expired value.")
    ] = 5.0
    ticket_age_days_max: Annotated[
        PositiveInt, Field(description="Days that a till may keep a ticket before it sends it.")
    ] = 30
    ticket_future_seconds_max: Annotated[
        int, Field(ge=0, description="How far the clock of a till may be ahead of ours.")
    ] = 300
    ticket_total_minor_max: Annotated[
        PositiveInt, Field(description="What a ticket may come to, in cents with VAT.")
    ] = TOTAL_MINOR_MAX

    def ticket_limits(self) -> TicketLimits:
        """Give the limits of a ticket's time and amount."""
        return TicketLimits(
            future_tolerance=timedelta(seconds=self.ticket_future_seconds_max),
            age_max=timedelta(days=self.ticket_age_days_max),
            total_minor_max=self.ticket_total_minor_max,
        )
