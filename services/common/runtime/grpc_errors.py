"""Refusals as ``google.rpc.Status`` and back; the one table of families and codes.

Every status of ours has one ``ErrorInfo``: a reason of an ``error_reason.proto``, the
domain "cagnotte", and as metadata whatever the message mentions.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

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

ERROR_DOMAIN: Final = "cagnotte"
_RETRY_MILLISECONDS: Final = 200
_VIOLATIONS_MAX: Final = 50
_DETAILS_KEY: Final = "grpc-status-details-bin"
_NANOS_PER_MILLISECOND: Final = 1_000_000


class DeadlineExceeded(DomainError):
    """The caller's time is over, or too little of it is left."""


class DeadlineTooShort(DeadlineExceeded):
    """Too little time is left to begin; nothing was done."""

    reason = "DEADLINE_TOO_SHORT"


class RanOutOfTime(DeadlineExceeded):
    """The deadline passed during the work; its outcome is unknown, a retry by id tells."""

    reason = "DEADLINE_PASSED"


class InternalError(DomainError):
    """A fault of ours; the trace id finds it in the logs."""

    reason = "INTERNAL"


class Unimplemented(DomainError):
    """The service has no such RPC yet."""

    reason = "UNIMPLEMENTED"


CODES: Final[Mapping[type[DomainError], grpc.StatusCode]] = {
    InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Aborted: grpc.StatusCode.ABORTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
}


class RemoteRefusal(NamedTuple):
    """What another service said when it refused a call."""

    reason: str
    """A value of an ``error_reason.proto``, or the gRPC code's name where it gave none."""
    metadata: Mapping[str, str]
    violations: Sequence[tuple[str, str]]
    """The fields at fault as (path, description) pairs."""


def code_of(error: DomainError) -> grpc.StatusCode:
    """Give the gRPC code of a refusal's family; INTERNAL where it has none."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return grpc.StatusCode.INTERNAL


def to_status(error: DomainError) -> Any:
    """Render a refusal as a ``grpc.Status`` with its details."""
    code = code_of(error)
    status = status_pb2.Status(code=code.value[0], message=str(error))
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata
        )
    )
    match error:
        case InvalidArgument(violations=violations) if violations:
            status.details.add().Pack(_bad_request(violations))
        case ResourceExhausted() | Unavailable():
            nanos = _RETRY_MILLISECONDS * _NANOS_PER_MILLISECOND
            status.details.add().Pack(
                error_details_pb2.RetryInfo(retry_delay=Duration(nanos=nanos))
            )
        case _:
            pass
    return rpc_status.to_status(status)


def parse_error(error: grpc.aio.AioRpcError) -> RemoteRefusal:
    """Read the reason, the metadata and the field violations of a failed call.

    A status that none of ours wrote (no connection, a proxy's answer) has the name of its
    code as the reason.
    """
    status = _status_of(error)
    reason, metadata = error.code().name, dict[str, str]()
    violations: list[tuple[str, str]] = []
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            violations += [(item.field, item.description) for item in bad.field_violations]
    return RemoteRefusal(reason, metadata, violations)


def _status_of(error: grpc.aio.AioRpcError) -> Any:
    """Read the details that came with the status; none where they are not ours to read."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            with suppress(DecodeError):
                return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _bad_request(violations: Sequence[tuple[str, str]]) -> Any:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
            for field, description in violations[:_VIOLATIONS_MAX]
        ]
    )
