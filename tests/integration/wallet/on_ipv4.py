"""Runs a module as a program whose servers listen on 127.0.0.1, whatever address they ask for.

``python -P on_ipv4.py MODULE [ARGUMENT ...]``: for a program that knows IPv6 only, on a machine that may have none, and
that would listen on every address of those that have it. The program itself stays as it is.
"""

import runpy
import socket
import sys
from typing import Any

_LOOPBACK = "127.0.0.1"


class Ipv4Socket(socket.socket):
    """A socket that is one of IPv4 where one of IPv6 is asked for."""

    def __init__(self, family: int = -1, *args: Any, **kwargs: Any) -> None:
        """See ``socket.socket``."""
        super().__init__(socket.AF_INET if family == socket.AF_INET6 else family, *args, **kwargs)

    def bind(self, address: Any) -> None:
        """Bind to loopback, on the port that is asked for."""
        super().bind((_LOOPBACK, address[1]) if self.family == socket.AF_INET else address)


if __name__ == "__main__":
    socket.socket = Ipv4Socket  # type: ignore[misc]  # for this process alone
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
