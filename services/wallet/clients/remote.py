"""Calls to other services of cagnotte: who we are, for how long, and what a failure means."""

from typing import Any, Final

import grpc

from services.common.runtime.grpc_client import parse_error
from services.wallet.clients.answer import CallAnswer, declined, unknown
from services.wallet.clients.service_token import ServiceToken, TokenUnreadable

_REFUSALS: Final = frozenset(
    (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    )
)
"""What a service answers when it has decided against a command."""

FAILURES: Final = (grpc.aio.AioRpcError, TokenUnreadable)
"""What ``Remote.call`` raises."""


class Remote:
    """One other service, by an open channel."""

    def __init__(self, *, token: ServiceToken | None, timeout_seconds: float) -> None:
        """Take our token (none: the channel's certificate says who we are) and a call's deadline."""
        self._token = token
        self._timeout_seconds = timeout_seconds
        self.in_doubt = False
        """Whether the last call that ended got no answer: the next one may get none either."""

    async def call(self, method: Any, request: Any) -> Any:
        """Call a method once; whoever asked decides whether to ask again.

        Raises:
            grpc.aio.AioRpcError: see ``refusal_of``.
            TokenUnreadable: nothing was sent.
        """
        try:
            metadata = self._token.metadata() if self._token is not None else None
            response = await method(request, timeout=self._timeout_seconds, metadata=metadata)
        except FAILURES as error:
            self.in_doubt = not refusal_of(error)
            raise
        self.in_doubt = False
        return response


def refusal_of(error: Exception) -> str:
    """Give the reason with which a service refused a command; empty where it decided nothing."""
    if isinstance(error, grpc.aio.AioRpcError) and error.code() in _REFUSALS:
        return parse_error(error).reason
    return ""


def failed_answer(error: Exception) -> CallAnswer:
    """Render a call that failed: a refusal is a no, all else leaves the outcome unknown."""
    if reason := refusal_of(error):
        return declined(reason)
    if isinstance(error, grpc.aio.AioRpcError):
        return unknown(parse_error(error).reason)
    return unknown(TokenUnreadable.reason)
