"""Every refusal names a reason that a proto lists, and nothing that a proto lists is never given."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

from cagnotte.common.v1 import error_reason_pb2 as common_pb2
from cagnotte.ledger.v1 import error_reason_pb2 as ledger_pb2
from cagnotte.points.v1 import error_reason_pb2 as points_pb2
from cagnotte.wallet.v1 import error_reason_pb2 as wallet_pb2
from services.common.kernel.errors import DomainError

PREFIX = "ERROR_REASON_"
PROTOS: dict[str, Any] = {
    "services.common": common_pb2,
    "services.ledger": ledger_pb2,
    "services.points": points_pb2,
    "services.wallet": wallet_pb2,
}
FAMILIES = "services.common.kernel.errors"
"""Families of refusals have no reason of their own."""


def reasons_of(package: str) -> set[str]:
    """Give the reasons that a package's proto lists."""
    names: list[str] = PROTOS[package].ErrorReason.keys()
    return {name.removeprefix(PREFIX) for name in names} - {"UNSPECIFIED"}


def refusals() -> Iterator[type[DomainError]]:
    """Find every refusal of the services and what they share."""
    for package in PROTOS:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, prefix=f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    waiting = [DomainError]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        waiting.extend(kinds)
        yield from (kind for kind in kinds if kind.__module__.startswith(tuple(PROTOS)))


REFUSALS = sorted(set(refusals()), key=lambda kind: kind.__qualname__)


def package_of(kind: type[DomainError]) -> str:
    """Give the package that a refusal belongs to."""
    return next(package for package in PROTOS if kind.__module__.startswith(f"{package}."))


@pytest.mark.parametrize(
    "kind",
    [kind for kind in REFUSALS if kind.__module__ != FAMILIES and "reason" in vars(kind)],
    ids=lambda kind: kind.__name__,
)
def test_a_refusal_has_a_listed_reason(kind: type[DomainError]) -> None:
    """Its own service's proto, or the one that all share, lists it."""
    assert kind.reason in reasons_of(package_of(kind)) | reasons_of("services.common")


def test_every_reason_of_the_wallet_is_given() -> None:
    """A reason that nobody gives would be a promise without a meaning."""
    given = {kind.reason for kind in REFUSALS if package_of(kind) == "services.wallet"}

    assert reasons_of("services.wallet") <= given
