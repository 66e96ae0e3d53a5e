"""Reading the end of a real broker's log."""

import pytest

from services.common.kernel.ids import new_uuid7
from services.common.runtime.kafka import open_producer
from services.common.runtime.kafka_events import Message, render_headers
from services.common.runtime.kafka_producer import OffsetTaken, Producer, ensure_topics
from services.common.runtime.log_tail import END_UNKNOWN, Sought
from services.common.testing.kafka import Broker
from tests.integration.common.consuming import message, write_unasked
from tests.integration.common.facts import NOW, TOPIC

pytestmark = pytest.mark.slow


def fact(seq: int) -> Message:
    """Make a fact as a relay sends it."""
    headers = render_headers(
        event_id=new_uuid7(),
        type_name="cagnotte.test.v1.Happened",
        source="/points/0",
        time=NOW,
        seq=seq,
        previous_seq=seq - 1,
        traceparent="",
    )
    return Message(b"k", b"payload", headers)


async def publish(producer: Producer, *seqs: int) -> int:
    """Publish facts as one batch, and give its offset."""
    places = await producer.publish(TOPIC, [(0, fact(seq)) for seq in seqs])
    return places[0].last_batch


class TestLogTails:
    """Where every partition ends, and whether a fact is there."""

    async def test_finds_the_last_batch_and_what_follows_it(self, broker: Broker) -> None:
        """A fact is sought from its batch on; one that is not there is missed, and an empty partition ends at 0."""
        async with open_producer(broker.settings(partitions=2)) as producer:
            await publish(producer, *range(1, 11))
            place = await publish(producer, *range(11, 21))
            await publish(producer, 21)

            tails = await producer.log_tails(TOPIC, {0: Sought(place, "/points/0", 20)})
            missed = await producer.log_tails(TOPIC, {0: Sought(place, "/points/0", 10)})
            beyond = await producer.log_tails(TOPIC, {0: Sought(500, "/points/0", 20)})

        assert (tails[0].end, tails[0].holds) == (21, True)
        assert (tails[1].end, tails[1].holds) == (0, True)
        assert not missed[0].holds
        assert not beyond[0].holds

    async def test_believes_nothing_of_a_log_that_gives_less_than_it_says(
        self, broker: Broker
    ) -> None:
        """Written before its topic was made, Tansu's log has an end and no messages: no offset is behind that."""
        settings = broker.settings(partitions=1)
        await write_unasked(settings, [b"other"] * 20)
        await ensure_topics(settings, [TOPIC])

        async with open_producer(settings) as producer:
            tails = await producer.log_tails(TOPIC, {})

        # Apache Kafka has refused the messages.
        assert tails[0].end == (0 if broker.keeps_log else END_UNKNOWN)


class TestPublish:
    """Acknowledgements against what is known of the log."""

    async def test_refuses_a_place_before_the_end(self, broker: Broker) -> None:
        """What was put there may be seen by nobody; nothing follows it."""
        async with open_producer(broker.settings(partitions=1)) as producer:
            with pytest.raises(OffsetTaken):
                await producer.publish(TOPIC, [(0, message("1"))], ends={0: 1})
            places = await producer.publish(TOPIC, [(0, message("2"))], ends={0: 1})

        assert (places[0].last_batch, places[0].end) == (1, 2)
