"""The embedded broker as it is: what the stack has to know of it."""

from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.broker import EMBEDDED_PARTITIONS_MAX
from services.common.testing.kafka import Broker, start_broker


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Give a broker that knows no topic."""
    with start_broker() as running:
        yield running


class TestEmbeddedBroker:
    async def test_makes_a_topic_that_is_asked_for_with_as_many_partitions_as_the_stack(
        self, broker: Broker
    ) -> None:
        """Whoever comes first after a kill, the number of partitions stays what the consumers' groups know."""
        client = AIOKafkaProducer(bootstrap_servers=broker.settings().bootstrap)
        await client.start()
        try:
            found = await client.partitions_for("cagnotte.wallet.v1.checkouts")
        finally:
            await client.stop()

        assert len(found) == EMBEDDED_PARTITIONS_MAX
