"""Apache Kafka on this machine: its jars from Maven, one node in KRaft mode, loopback only.

It needs Java 17 and Maven and says so in one line where they are missing. The jars are fetched once a user and kept in
the cache folder, under a name that changes with ``pom.xml``.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"

_CLUSTER_ID: Final = "Y2Fnbm90dGUta2Fma2EwMQ"
"""A UUID in Kafka's own base64 form; every cluster of one node may have the same."""
_FETCH_SECONDS_MAX: Final = 600.0
_FORMAT_SECONDS_MAX: Final = 120.0
_NEEDED: Final = "Apache Kafka needs Java 17 and Maven (apt install default-jre-headless maven)"


class KafkaUnavailable(Exception):
    """Apache Kafka cannot run here; the message is one line that says why."""


def fetch_jars() -> Path:
    """Return the folder of the broker's jars, fetched by Maven when they are not there yet.

    Raises:
        KafkaUnavailable: Java or Maven is missing, or Maven does not reach its repository.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            message = f"{_NEEDED}: there is no {program} on the PATH."
            raise KafkaUnavailable(message)
    pom = _resource("pom.xml")
    name = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    jars = _cache_folder() / f"kafka-{name}"
    if not jars.exists():
        jars.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=jars.parent) as draft, resources.as_file(pom) as file:
            _run_maven(file, Path(draft) / "jars")
            _move(Path(draft) / "jars", jars)
    return jars


@dataclass(frozen=True, slots=True)
class ApacheKafka:
    """One broker that is its own controller, with all that it keeps in a folder of its own."""

    folder: Path
    jars: Path
    port: int
    controller_port: int

    def prepare(self) -> None:
        """Write its settings and format its storage where that was not done before.

        Raises:
            KafkaUnavailable: the storage could not be formatted.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = "".join(f"{name}={value}\n" for name, value in self._settings().items())
        self._file.write_text(settings, encoding="utf-8")
        self._log_settings.write_bytes(_resource("log4j2.properties").read_bytes())
        if (self._data / "meta.properties").exists():
            return
        format_storage = (
            *("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID),
            *("-c", str(self._file)),
        )
        done = _run([*self._java("-XX:TieredStopAtLevel=1"), *format_storage], _FORMAT_SECONDS_MAX)
        if done.returncode != 0:
            message = f"Apache Kafka's storage could not be formatted: {_last_line(done.stdout)}"
            raise KafkaUnavailable(message)

    def command(self) -> tuple[str, ...]:
        """Return what runs it, once it is prepared."""
        return (*self._java("-Xmx512m"), "kafka.Kafka", str(self._file))

    def listeners(self) -> str:
        """Return where it listens, as its settings say it."""
        return f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}"

    @property
    def _file(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _log_settings(self) -> Path:
        return self.folder / "log4j2.properties"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _java(self, *options: str) -> tuple[str, ...]:
        logging = f"-Dlog4j2.configurationFile={self._log_settings}"
        return ("java", *options, logging, "-cp", f"{self.jars}/*")

    def _settings(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "listeners": self.listeners(),
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self._data),
            # As in production: a topic is made on purpose, with its partitions.
            "auto.create.topics.enable": "false",
            # One node holds one copy of everything.
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A broker that was killed is let in again once its earlier session is over (9 s by default).
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "2500",
            # Nobody else is going to join a group in the next seconds.
            "group.initial.rebalance.delay.ms": "0",
        }


def _run_maven(pom: Path, target: Path) -> None:
    goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}")
    done = _run(
        ["mvn", "--batch-mode", "--quiet", "--file", str(pom), *goal],
        _FETCH_SECONDS_MAX,
    )
    if done.returncode != 0:
        message = (
            f"Maven could not fetch Apache Kafka (which repository it asks, ~/.m2/settings.xml says): "
            f"{_first_error(done.stdout)}"
        )
        raise KafkaUnavailable(message)


def _run(command: list[str], seconds_max: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds_max,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{command[0]} did not end within {seconds_max:.0f} s."
        raise KafkaUnavailable(message) from error


def _move(draft: Path, target: Path) -> None:
    """Put the whole folder into its place; somebody else may have done the same meanwhile."""
    try:
        draft.rename(target)
    except OSError:
        if not target.exists():
            raise


def _first_error(output: str) -> str:
    errors = [line for line in output.splitlines() if "[ERROR]" in line]
    return errors[0].partition("[ERROR]")[2].strip() if errors else _last_line(output)


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _resource(name: str) -> Traversable:
    return resources.files("deploy").joinpath(f"kafka/{name}")


def _cache_folder() -> Path:
    """Return the user's cache folder, as the XDG base directories have it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cagnotte"
