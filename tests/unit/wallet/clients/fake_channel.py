"""A channel whose services answer from a table, so that a client is tested without a server."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
from grpc.aio import Metadata

from services.common.kernel.errors import DomainError
from services.common.runtime.grpc_errors import to_status

Replies = Mapping[str, Any]
"""What a method answers by its name: a message, or an error."""


class FakeChannel:
    """Keeps what was asked of it, by method."""

    def __init__(self, replies: Replies) -> None:
        """Take the answers."""
        self._replies = replies
        self.requests: list[tuple[str, Any]] = []
        self.options: list[dict[str, Any]] = []

    def unary_unary(self, path: str, *_: Any, **__: Any) -> Callable[..., Any]:
        """Give what calls a method."""
        name = path.rpartition("/")[2]

        async def call(request: Any, **options: Any) -> Any:
            self.requests.append((name, request))
            self.options.append(options)
            reply = self._replies[name]
            if isinstance(reply, Exception):
                raise reply
            return reply

        return call


def refusal(error: DomainError) -> grpc.aio.AioRpcError:
    """Render a refusal as a client receives it."""
    status = to_status(error)
    return grpc.aio.AioRpcError(
        status.code,
        Metadata(),
        Metadata(*status.trailing_metadata),
        details=status.details,
    )


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """Render a failure that no service of ours wrote."""
    return grpc.aio.AioRpcError(code, Metadata(), Metadata())
