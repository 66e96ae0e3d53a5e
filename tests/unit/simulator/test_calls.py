"""Calls of a till: repeated with patience when that can help, and only then."""

from typing import Any

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from services.simulator.calls import Identity, Patience
from services.simulator.errors import ServiceRefusedError, ServiceUnavailableError

HURRIED = Patience(attempts_max=3, first_pause_seconds=0.0)


def failure(code: grpc.StatusCode) -> AioRpcError:
    """Make what gRPC raises."""
    return AioRpcError(code, Metadata(), Metadata(), details="made up")


class FailingMethod:
    """Fails as told, then answers; it keeps what it was sent."""

    def __init__(self, *codes: grpc.StatusCode) -> None:
        self._codes = list(codes)
        self.requests: list[str] = []

    async def __call__(self, request: str, **_: Any) -> str:
        """Be called."""
        self.requests.append(request)
        if self._codes:
            raise failure(self._codes.pop(0))
        return "done"


class TestIdentity:
    @pytest.mark.parametrize(
        "code",
        [
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        ],
    )
    async def test_repeats_the_same_request(self, code: grpc.StatusCode) -> None:
        """What may have happened is sent again as it was, and the answer says so."""
        method: Any = FailingMethod(code, code)

        answer = await Identity("token", patience=HURRIED).attempt(method, "ticket")

        assert (answer.response, answer.attempts) == ("done", 3)
        assert method.requests == ["ticket"] * 3

    async def test_gives_up_when_patience_has_run_out(self) -> None:
        """A service that stays away ends the replay with its name for it."""
        method: Any = FailingMethod(*[grpc.StatusCode.UNAVAILABLE] * 9)

        with pytest.raises(ServiceUnavailableError, match="UNAVAILABLE"):
            await Identity("token", patience=HURRIED).call(method, "ticket")

        assert len(method.requests) == 3

    async def test_never_repeats_a_refusal(self) -> None:
        """Sending an invalid ticket again would not make it valid."""
        method: Any = FailingMethod(grpc.StatusCode.INVALID_ARGUMENT)

        with pytest.raises(ServiceRefusedError, match=r"made up.*same command again"):
            await Identity("token", patience=HURRIED).call(method, "ticket")

        assert len(method.requests) == 1
