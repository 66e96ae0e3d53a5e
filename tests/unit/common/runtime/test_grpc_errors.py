"""Refusals survive the way to the caller: code, reason, metadata, fields, retry."""

import importlib
import pkgutil
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata

import cagnotte
from services.common.kernel.errors import (
    Aborted,
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from services.common.runtime.grpc_errors import (
    CODES,
    InternalError,
    code_of,
    parse_error,
    to_status,
)

REFUSING = ("services.common", "services.ledger", "services.points", "services.wallet")
FAMILIES = frozenset({DomainError, *CODES})


class AccountMissing(NotFound):
    """A refusal of some service."""

    reason = "ACCOUNT_NOT_FOUND"


def as_received(error: DomainError) -> AioRpcError:
    """Make what a client catches when a server refuses with this error."""
    status = to_status(error)
    trailing = Metadata(*status.trailing_metadata)
    return AioRpcError(status.code, Metadata(), trailing, details=status.details)


def detail(error: DomainError, kind: type[Message]) -> Message | None:
    """Give the status detail of one type, if there is one."""
    ((_, value),) = to_status(error).trailing_metadata
    for item in status_pb2.Status.FromString(value).details:
        found = kind()
        if item.Unpack(found):
            return found
    return None


class TestToStatus:
    @pytest.mark.parametrize(
        ("family", "code"),
        [
            (InvalidArgument, grpc.StatusCode.INVALID_ARGUMENT),
            (NotFound, grpc.StatusCode.NOT_FOUND),
            (AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
            (FailedPrecondition, grpc.StatusCode.FAILED_PRECONDITION),
            (PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
            (Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
            (ResourceExhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
            (Aborted, grpc.StatusCode.ABORTED),
            (Unavailable, grpc.StatusCode.UNAVAILABLE),
            (InternalError, grpc.StatusCode.INTERNAL),
        ],
    )
    def test_each_family_has_its_code(
        self, family: type[DomainError], code: grpc.StatusCode
    ) -> None:
        """A refusal has the code of its family, however it is called."""
        concrete = type("Concrete", (family,), {"reason": "SOME_REASON"})

        assert code_of(concrete("No.")) is code

    @pytest.mark.parametrize("family", [ResourceExhausted, Unavailable])
    def test_what_may_be_retried_says_when(self, family: type[DomainError]) -> None:
        """Callers that should come back are told after which delay."""
        assert detail(family("Later."), error_details_pb2.RetryInfo) is not None

    def test_other_refusals_ask_for_no_retry(self) -> None:
        """Repeating a refused command would not help."""
        assert detail(AccountMissing("No."), error_details_pb2.RetryInfo) is None

    def test_the_list_of_violations_is_bounded(self) -> None:
        """A huge bad request does not get a huge answer."""
        error = InvalidArgument("No.", violations=[(f"lines[{n}]", "bad") for n in range(1000)])

        assert len(parse_error(as_received(error)).violations) == 50


class TestParseError:
    def test_reads_back_what_was_rendered(self) -> None:
        """Reason, metadata and violations arrive as they were raised."""
        error = AccountMissing("No such account.", account_id=7)

        reason, metadata, violations = parse_error(as_received(error))

        assert (reason, metadata, violations) == ("ACCOUNT_NOT_FOUND", {"account_id": "7"}, [])

    def test_reads_field_violations(self) -> None:
        """A bad request names its fields."""
        error = InvalidArgument("No.", violations=[("ticket.lines[0].gtin", "bad")])

        assert parse_error(as_received(error)).violations == [("ticket.lines[0].gtin", "bad")]

    def test_a_foreign_status_has_its_code_as_reason(self) -> None:
        """No connection is a reason too, though nobody of ours wrote it."""
        error = AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata(), details="refused")

        assert parse_error(error) == ("UNAVAILABLE", {}, [])

    def test_unreadable_details_are_no_failure(self) -> None:
        """A proxy's broken details leave the code."""
        broken = Metadata(("grpc-status-details-bin", b"\xff\xff\xff"))
        error = AioRpcError(grpc.StatusCode.ABORTED, Metadata(), broken, details="?")

        assert parse_error(error).reason == "ABORTED"


class TestReasons:
    def test_every_reason_is_documented(self) -> None:
        """Each refusal's reason is a value of an ErrorReason in the protos."""
        for package in REFUSING:
            import_all(package)
        documented = set(documented_reasons())

        undocumented = {
            f"{kind.__module__}.{kind.__qualname__}: {kind.reason}"
            for kind in all_subclasses(DomainError)
            if kind.__module__.startswith("services.")
            and kind not in FAMILIES
            and kind.reason not in documented
        }

        assert not undocumented


def import_all(package: str) -> None:
    """Import every module of a package, so that its classes are known."""
    paths = list(importlib.import_module(package).__path__)
    for module in pkgutil.walk_packages(paths, prefix=f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def all_subclasses(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    """Find the subclasses of a class, at any depth."""
    for subclass in kind.__subclasses__():
        yield subclass
        yield from all_subclasses(subclass)


def documented_reasons() -> Iterator[str]:
    """Read the reasons off every ErrorReason of the protos."""
    for module in pkgutil.walk_packages(list(cagnotte.__path__), prefix="cagnotte."):
        if module.name.endswith("error_reason_pb2"):
            enum = importlib.import_module(module.name).DESCRIPTOR.enum_types_by_name["ErrorReason"]
            names = [value.name for value in enum.values]
            yield from (name.removeprefix("ERROR_REASON_") for name in names)
