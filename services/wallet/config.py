"""Settings of the wallet: variables with the prefix ``WALLET_``."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.runtime.config import ServiceSettings


class Settings(ServiceSettings):
    """Read once, in ``main``; a missing or bad variable stops the start."""

    model_config = SettingsConfigDict(env_prefix="WALLET_")

    runtime_role: Annotated[
        str,
        Field(min_length=1, description="Database role of the service, for `migrate`'s grants."),
    ] = "wallet_runtime"
    shard_id: Annotated[int, Field(ge=0, description="The shard that this process serves.")] = 0
