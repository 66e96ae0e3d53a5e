"""Which ports the parts listen on: the usual ones where they are free, remembered from start to start."""

import socket
from collections.abc import Collection, Mapping
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""The embedded stack is for its own machine: nothing of it listens elsewhere."""

USUAL_PORTS: Final[Mapping[str, int]] = {
    "postgres": 5432,
    "kafka": 9092,
    "ledger": 50051,
    "points": 50052,
    "wallet": 50053,
    "ledger_metrics": 9464,
    "points_metrics": 9465,
    "wallet_metrics": 9466,
}
"""Where one would look for each part first."""


def choose_ports(remembered: Mapping[str, int]) -> dict[str, int]:
    """Choose a port for every part: the remembered one, else the usual one, else one that is free.

    A remembered port that is taken by now is given up too: a stack that starts is worth more than a constant address.
    """
    chosen: dict[str, int] = {}
    for name, usual in USUAL_PORTS.items():
        wanted = remembered.get(name, usual)
        if wanted in chosen.values() or not is_free(wanted):
            wanted = _any_free_port(chosen.values())
        chosen[name] = wanted
    return chosen


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


def _any_free_port(taken: Collection[int]) -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
