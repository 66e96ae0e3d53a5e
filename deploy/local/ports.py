"""Which ports the parts listen on: the usual ones where they are free, remembered from start to start."""

import atexit
import secrets
import socket
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""The embedded stack is for its own machine: nothing of it listens elsewhere."""

USUAL_PORTS: Final[Mapping[str, int]] = {
    "postgres": 5432,
    "kafka": 9092,
    "kafka_controller": 9093,
    "ledger": 50051,
    "points": 50052,
    "wallet": 50053,
    "ledger_metrics": 9464,
    "points_metrics": 9465,
    "wallet_metrics": 9466,
    "provider": 12111,
    "wallet_webhooks": 12112,
}
"""Where one would look for each part first."""

_UNASKED: Final = range(20_000, 32_000)
"""Ports that no system gives away by itself; outgoing connections take theirs above (Linux: from 32,768)."""

_GIVEN_MAX: Final = 64
"""So many ports a process may have been given without anybody listening there yet."""

_given: Final[deque[ExitStack]] = deque()
"""The claims on them, oldest first."""


@atexit.register
def _give_back() -> None:
    while _given:
        _given.popleft().close()


@contextmanager
def hold_ports(remembered: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Choose a port for every part and hold it against other stacks: remembered, else usual, else a free one.

    A remembered port that is taken by now is given up too: a stack that starts is worth more than a constant address.
    """
    with ExitStack() as holds:
        chosen: dict[str, int] = {}
        for name, usual in USUAL_PORTS.items():
            port = remembered.get(name, usual)
            while port in chosen.values() or not _hold(port, holds):
                port = secrets.choice(_UNASKED)
            chosen[name] = port
        yield chosen


def _hold(port: int, holds: ExitStack) -> bool:
    """Claim a port, which its part takes only moments later; false when it is somebody else's."""
    if not is_free(port):
        return False
    if sys.platform != "linux":
        return True
    # A name in the kernel's abstract space is as wide as the ports are (the network namespace), belongs to one process
    # and ends with it.
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0cagnotte/port/{port}")
    except OSError:
        claim.close()
        return False
    holds.enter_context(claim)
    return True


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A port whose last connections are still winding down can be listened on; the servers ask the same way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """Give a loopback port that nobody listens on, for one who takes it only moments later.

    It is claimed as a stack's ports are, so no other process is given it meanwhile: a service takes its port seconds
    after the choice.
    """
    claim = ExitStack()
    while not _hold(port := secrets.choice(_UNASKED), claim):
        pass
    _given.append(claim)
    if len(_given) > _GIVEN_MAX:
        _given.popleft().close()
    return port
