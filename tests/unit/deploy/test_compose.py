"""The deployment on real PostgreSQL and Kafka stays true to what the services read."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common.runtime.config import ServiceSettings

COMPOSE = Path(__file__).resolve().parents[3] / "deploy" / "compose.yaml"
ISSUERS = '[{"issuer": "https://id", "jwks": "https://id/jwks", "kinds": ["shopper"]}]'
SERVICES = ("ledger", "points", "wallet")


def environment_of(part: str) -> dict[str, str]:
    """Return a part's environment, as Compose would fill it in."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    given = content["services"][part]["environment"]
    return {name: fill_in(str(value)) for name, value in given.items()}


def fill_in(value: str) -> str:
    """Put a value in the place of Compose's variables."""
    value = re.sub(r"\$\{IDENTITY_ISSUERS[^}]*\}", ISSUERS, value)
    return re.sub(r"\$\{\w+(_PASSWORD|:\?|:-)\}", "x", value)


def read_settings(service: str) -> ServiceSettings:
    """Read a service's settings from the environment, as it does itself."""
    settings: ServiceSettings = import_module(f"services.{service}.config").Settings()
    return settings


class TestCompose:
    @pytest.mark.parametrize("service", SERVICES)
    @pytest.mark.parametrize("suffix", ["", "-migrate"])
    def test_every_variable_is_a_setting(
        self, service: str, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A service starts with the environment that compose.yaml gives it, and reads all of it."""
        environment = environment_of(f"{service}{suffix}")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        settings = read_settings(service)

        for name in environment:
            assert is_set(settings, name.removeprefix(f"{service.upper()}_")), name

    @pytest.mark.parametrize("service", SERVICES)
    def test_nothing_of_development_is_on(
        self, service: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The real deployment believes its issuers alone, and its clock is the machine's."""
        for name, value in environment_of(service).items():
            monkeypatch.setenv(name, value)

        settings = read_settings(service)

        assert not settings.development
        assert settings.identity.jwks_file is None


def is_set(settings: ServiceSettings, name: str) -> bool:
    """Tell whether a variable, without its prefix, names a field that was given a value."""
    block: Any = settings
    *outer, last = name.lower().split("__")
    for field in outer:
        block = getattr(block, field)
    return last in block.model_fields_set
