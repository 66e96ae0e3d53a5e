"""Refusals: one exception family per gRPC code, raised where the rule stands.

A refusal leaves no trace; what must be recorded is a value instead. A concrete refusal
subclasses a family beside the function that raises it and names its ``reason``, a value
of an ``error_reason.proto``. ``services.common.runtime`` maps families to codes.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class DomainError(Exception):
    """A command that is refused, with a reason that programs can read.

    ``metadata`` repeats every value that the message mentions, as strings. Neither may
    hold personal data or anything secret: both reach callers and logs.
    """

    reason: ClassVar[str] = "UNSPECIFIED"

    def __init__(self, message: str, **metadata: object) -> None:
        """Say in one sentence what was refused and why."""
        super().__init__(message)
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}


class InvalidArgument(DomainError):
    """The request is wrong whatever the state; the caller must change it."""

    reason: ClassVar[str] = "INVALID_REQUEST"

    def __init__(
        self,
        message: str,
        *,
        violations: Sequence[tuple[str, str]] = (),
        **metadata: object,
    ) -> None:
        """Add the fields at fault as (path, description) pairs where known."""
        super().__init__(message, **metadata)
        self.violations: tuple[tuple[str, str], ...] = tuple(violations)


class NotFound(DomainError):
    """What the request names does not exist, or not for this caller."""


class AlreadyExists(DomainError):
    """What the request creates exists already, with other content."""


class FailedPrecondition(DomainError):
    """The state does not allow it now; repeating the same request will not help."""


class PermissionDenied(DomainError):
    """The caller is known and may not do this."""


class Unauthenticated(DomainError):
    """The caller did not prove who they are."""


class ResourceExhausted(DomainError):
    """A limit is reached; the caller should slow down and try again."""


class Aborted(DomainError):
    """Somebody else was faster; the caller may start over."""


class Unavailable(DomainError):
    """Nothing is known to be wrong with the request; a retry with its id is safe."""
