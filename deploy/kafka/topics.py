"""Makes the topics of ``topics.yaml`` on a broker; topics that exist stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


def read_topics() -> list[Topic]:
    """Return the topics of ``topics.yaml``."""
    content = yaml.safe_load(
        resources.files("deploy").joinpath("kafka/topics.yaml").read_text(encoding="utf-8")
    )
    return [
        Topic(
            name=str(entry["name"]),
            partitions=int(entry["partitions"]),
            replication_factor=int(entry["replication_factor"]),
            config={str(name): str(value) for name, value in entry["config"].items()},
        )
        for entry in content["topics"]
    ]


async def create_topics(
    bootstrap: str, *, replication_factor_max: int, partitions_max: int | None = None
) -> list[str]:
    """Make the topics that do not exist and return their names; raises aiokafka's KafkaError.

    A cluster smaller than the replication that a topic asks for gets as many copies as it can hold, and
    ``partitions_max`` is for one that serves fewer partitions better than many.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        wanted = [
            _render(topic, replication_factor_max, partitions_max=partitions_max)
            for topic in read_topics()
        ]
        response = await admin.create_topics(wanted)
        made = []
        for name, code, *_ in response.topic_errors:
            if code == 0:
                made.append(name)
            elif code != TopicAlreadyExistsError.errno:
                message = f"topic {name} could not be made"
                raise for_code(code)(message)
        return made
    finally:
        await admin.close()


def _render(topic: Topic, replication_factor_max: int, *, partitions_max: int | None) -> NewTopic:
    copies = min(topic.replication_factor, replication_factor_max)
    config = dict(topic.config)
    # More confirmations than copies would refuse every write.
    config["min.insync.replicas"] = str(max(1, min(int(config["min.insync.replicas"]), copies - 1)))
    partitions = (
        topic.partitions if partitions_max is None else min(topic.partitions, partitions_max)
    )
    return NewTopic(topic.name, partitions, copies, topic_configs=config)
