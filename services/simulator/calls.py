"""Unary calls as a till makes them: with a deadline, and repeated under the same id.

Every command of the replay is idempotent by its key, so sending it again after UNAVAILABLE,
RESOURCE_EXHAUSTED or an answer that came too late is safe.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import grpc

from services.common.runtime.grpc_client import parse_error
from services.simulator.errors import ServiceRefusedError, ServiceUnavailableError

_RETRIED: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)
"""How a call ends when its server is busy or gone, or when it ends in the middle (CANCELLED: we never cancel one)."""

_AGAIN: Final = "Run the same command again: it goes on where this one stopped."

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Response]):
    """A response, and on which attempt it came: a second one may tell of the first's effect."""

    response: Response
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one call may take and how often it is repeated.

    Pauses double from the first to the longest, each drawn evenly below its bound, so that many
    tills never come back in step.
    """

    deadline_seconds: float = 20.0
    attempts_max: int = 20
    first_pause_seconds: float = 0.05
    pause_seconds_max: float = 5.0


class Identity:
    """Who calls: the bearer token as gRPC metadata, made once. ``keep`` is handed every response."""

    def __init__(
        self, token: str, *, patience: Patience, keep: Callable[[object], None] | None = None
    ) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._patience = patience
        self._keep = keep

    async def call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request
    ) -> Response:
        """Call and give the response; see ``attempt`` for errors."""
        return (await self.attempt(method, request)).response

    async def attempt(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request
    ) -> Answer[Response]:
        """Call until there is an answer.

        Raises ServiceRefusedError at once, ServiceUnavailableError when patience has run out.
        """
        patience = self._patience
        attempts = 1
        while True:
            try:
                response = await method(
                    request, timeout=patience.deadline_seconds, metadata=self._metadata
                )
            except grpc.aio.AioRpcError as error:
                if error.code() not in _RETRIED:
                    raise refusal_of(error) from error
                if attempts == patience.attempts_max:
                    raise ServiceUnavailableError(
                        f"No answer after {attempts} attempts ({_describe(error)}). See `cagnotte "
                        f"status`. {_AGAIN}"
                    ) from error
            else:
                if self._keep is not None:
                    self._keep(response)
                return Answer(response, attempts)
            await asyncio.sleep(_pause_seconds(patience, attempts))
            attempts += 1

    async def listen(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncGenerator[Response]:
        """Give what a stream brings until it ends or its connection breaks, which looks the same.

        Raises ServiceRefusedError when the service refuses the request.
        """
        stream = method(request, metadata=self._metadata)
        try:
            async for response in stream:
                if self._keep is not None:
                    self._keep(response)
                yield response
        except grpc.aio.AioRpcError as error:
            if error.code() not in _RETRIED:
                raise refusal_of(error) from error
        finally:
            stream.cancel()


def refusal_of(error: grpc.aio.AioRpcError) -> ServiceRefusedError:
    """Give the error that stops a replay, with the service's reason."""
    reason, _, _ = parse_error(error)
    return ServiceRefusedError(f"{_describe(error)}. {_AGAIN}", reason=reason or "")


def _pause_seconds(patience: Patience, attempts: int) -> float:
    bound = min(
        patience.pause_seconds_max, float(patience.first_pause_seconds * 2 ** (attempts - 1))
    )
    return random.uniform(0, bound)  # noqa: S311 -- jitter, not a secret


def _describe(error: grpc.aio.AioRpcError) -> str:
    reason, metadata, violations = parse_error(error)
    facts = [error.code().name, reason or "", error.details() or ""]
    facts += [f"{key}={value}" for key, value in metadata.items()]
    facts += [f"{field}: {description}" for field, description in violations]
    return "; ".join(fact for fact in facts if fact).rstrip(".")
