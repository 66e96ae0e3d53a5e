"""The import contracts of pyproject.toml leave nothing out (`make imports` checks that they hold)."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def contract(name: str) -> dict[str, Any]:
    """Return the import contract whose name begins so."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts: list[dict[str, Any]] = configuration["tool"]["importlinter"]["contracts"]
    (found,) = (entry for entry in contracts if entry["name"].startswith(name))
    return found


def services_with_rooms() -> set[str]:
    """Return every package below services that has a domain of its own."""
    return {f"services.{path.parent.name}" for path in (ROOT / "services").glob("*/domain")}


class TestContracts:
    def test_every_service_has_its_rooms_checked(self) -> None:
        """A new service cannot be forgotten by the contract of the rooms."""
        assert services_with_rooms() == set(contract("The rooms of a service")["containers"])

    def test_every_service_is_independent_of_the_others(self) -> None:
        """A new service cannot be forgotten by the contract that forbids direct imports."""
        assert services_with_rooms() <= set(contract("Services talk only")["modules"])

    def test_every_package_has_its_layer(self) -> None:
        """Each package of services stands somewhere in the order from command to kernel."""
        layers = " ".join(contract("The command on top")["layers"])
        packages = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")}

        assert all(f"services.{package}" in layers for package in packages)
