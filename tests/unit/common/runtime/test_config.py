"""Settings come from the environment, and production refuses development's parts."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from services.common.runtime.config import CallerKind, ClockKind, ServiceSettings

REQUIRED = {
    "TRY_POSTGRES__DSN": "postgresql://runtime:s3cret@db/try",
    "TRY_KAFKA__BOOTSTRAP": "broker:9092",
}


class Settings(ServiceSettings):
    """A service's settings."""

    model_config = SettingsConfigDict(env_prefix="TRY_")


def read(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> Settings:
    """Read the settings from an environment with these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    values: dict[str, Any] = {}
    return Settings(**values)


class TestServiceSettings:
    def test_reads_nested_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Blocks join with two underscores; what is unset has a default."""
        settings = read(monkeypatch, REQUIRED | {"TRY_GRPC__LISTEN": "[::]:50051"})

        assert settings.grpc.listen == "[::]:50051"
        assert settings.kafka.bootstrap == "broker:9092"
        assert settings.clock is ClockKind.SYSTEM
        assert settings.identity.issuers == ()

    def test_reads_issuers_as_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Issuers are a list, each with the kinds of caller that it may assert."""
        issuers = '[{"issuer":"https://id","jwks":"https://id/jwks","kinds":["shopper","finance"]}]'

        settings = read(monkeypatch, REQUIRED | {"TRY_IDENTITY__ISSUERS": issuers})

        assert settings.identity.issuers[0].kinds == {CallerKind.SHOPPER, CallerKind.FINANCE}

    def test_a_missing_variable_stops_the_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error names the block that is missing."""
        with pytest.raises(ValidationError, match="postgres"):
            read(monkeypatch, {"TRY_KAFKA__BOOTSTRAP": "broker:9092"})

    def test_a_misspelled_nested_variable_stops_the_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A typo in a block is never silently the default."""
        with pytest.raises(ValidationError, match="lisen"):
            read(monkeypatch, REQUIRED | {"TRY_GRPC__LISEN": "[::]:50051"})

    @pytest.mark.parametrize(
        ("name", "value"),
        [("TRY_CLOCK", "simulated"), ("TRY_IDENTITY__JWKS_FILE", "dev-jwks.json")],
    )
    def test_production_refuses_development_parts(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        """A simulated clock and development keys need DEVELOPMENT=true."""
        with pytest.raises(ValidationError, match="DEVELOPMENT=true"):
            read(monkeypatch, REQUIRED | {name: value})

        read(monkeypatch, REQUIRED | {name: value, "TRY_DEVELOPMENT": "true"})

    def test_secrets_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Printing the settings tells no password."""
        settings = read(monkeypatch, REQUIRED | {"TRY_KAFKA__SASL_PASSWORD": "hush"})

        assert "s3cret" not in repr(settings)
        assert "hush" not in repr(settings)
