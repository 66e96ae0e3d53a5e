"""Settings of the ledger: environment variables with the prefix ``LEDGER_``, read once, in ``main``."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from services.common.runtime.config import ServiceSettings


class Settings(ServiceSettings):
    """What the ledger is configured with."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_")

    runtime_role: Annotated[
        str, Field(description="Role that the service runs as; `migrate` grants it its rights.")
    ] = "ledger_runtime"
    shard_id: Annotated[NonNegativeInt, Field(description="Shard that this process serves.")] = 0
    chart_file: Annotated[
        Path | None, Field(description="Chart of accounts; unset: the one that is delivered.")
    ] = None
    batch_max: Annotated[PositiveInt, Field(description="Commands of one commit at most.")] = 1000
    queue_max: Annotated[
        PositiveInt, Field(description="Commands that may wait; more get RESOURCE_EXHAUSTED.")
    ] = 20_000
    cached_accounts_max: Annotated[
        PositiveInt, Field(description="Accounts whose names are kept in memory.")
    ] = 50_000
    effective_ahead_days_max: Annotated[
        PositiveInt,
        Field(
            description="How many days ahead a caller's transaction may count: value dates of settlement are."
        ),
    ] = 10
    relay_batch_max: Annotated[PositiveInt, Field(description="Facts published at a time.")] = 500
    relay_idle_seconds: Annotated[
        PositiveFloat, Field(description="How often the relay looks when nobody wakes it.")
    ] = 1.0
    sweep_idle_seconds: Annotated[
        PositiveFloat, Field(description="How often expired holds are looked for.")
    ] = 1.0

    def effective_ahead(self) -> timedelta:
        """Give how far ahead a transaction may count.

        Card and bank settlement takes one to three banking days, and banks close for four days in a row at most
        (Good Friday to Easter Monday): ten days leave room, and still catch a wrong month or year.
        """
        return timedelta(days=self.effective_ahead_days_max)
