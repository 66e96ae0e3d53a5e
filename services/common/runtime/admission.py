"""The door of a server: how many calls may be inside, and the cheapest refusal for all the others.

Refusing is what a service does most when too much comes, so that it must cost next to nothing: whoever finds no room is
answered before its request is read, its caller verified or a line logged for it alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import grpc
import structlog
from prometheus_client import Histogram

from services.common.kernel.errors import ResourceExhausted
from services.common.runtime.grpc_errors import to_status

Handler = grpc.RpcMethodHandler

_LOG_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class TooManyCalls(ResourceExhausted):
    """As many calls are under way as the server may hold; slow down and try again."""

    reason = "QUEUE_FULL"


@dataclass(slots=True)
class Room:
    """Places for calls. Bounded here, since gRPC's own bound costs much more for each call."""

    places: int
    taken: int = 0
    refused: int = 0
    logged_refused: int = 0
    logged_seconds: float = 0.0

    @property
    def is_full(self) -> bool:
        """Tell whether one more call has no place."""
        return self.taken >= self.places

    def check(self) -> None:
        """Refuse a call that was let in beside others which had not yet taken their places.

        Raises:
            TooManyCalls: it has none.
        """
        if self.taken > self.places:
            raise self.refusal()

    def refusal(self) -> TooManyCalls:
        """Make the refusal."""
        return TooManyCalls("Too many calls are under way.", calls_max=self.places)

    def note_refusal(self) -> None:
        """Count a refusal; the log hears of them once a second, by their number."""
        self.refused += 1
        now = monotonic()
        if now - self.logged_seconds >= _LOG_SECONDS:
            new = self.refused - self.logged_refused
            self.logged_seconds, self.logged_refused = now, self.refused
            log.warning("grpc.calls_refused", calls_refused=new, calls_max=self.places)


def refusing_handler(room: Room, timer: Callable[[], Histogram]) -> "Handler[Any, Any]":
    """Give the handler of those who find no room; ``timer`` counts them among the method's calls.

    It reads no message, whatever the method, so it says that there might be many: then gRPC waits for none.
    """
    status = to_status(room.refusal())
    refused = timer()

    async def refuse(requests: Any, context: Any) -> None:
        del requests
        refused.observe(0)
        room.note_refusal()
        await context.abort_with_status(status)

    return grpc.stream_unary_rpc_method_handler(refuse)
