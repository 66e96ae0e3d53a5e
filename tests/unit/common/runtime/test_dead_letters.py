"""What cannot be read is kept apart once, and counted the same however often it comes."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition

from services.common.runtime.dead_letters import DeadLetterLimit, DeadLetters
from services.common.runtime.kafka_events import Message, Unreadable

PLACE = TopicPartition("t", 0)
WRONG = Unreadable("WRONG", "It is.")


@dataclass(slots=True)
class FakeProducer:
    """Keeps what is published."""

    published: list[bytes] = field(default_factory=list)

    async def partitions(self, topic: str) -> int:
        """Every topic has one."""
        assert topic == "t.dead"
        return 1

    async def publish(self, topic: str, messages: list[tuple[int, Message]]) -> None:
        """Keep the values."""
        assert topic == "t.dead"
        self.published += [message.value for _, message in messages]


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the broker's."""

    offset: int
    value: bytes
    topic: str = "t"
    partition: int = 0
    key: bytes = b"k"
    headers: tuple[tuple[str, bytes], ...] = ()


def record(offset: int, value: bytes = b"") -> Record:
    """Make a record whose value tells where it stands."""
    return Record(offset, value or b"%d" % offset)


@pytest.fixture
def producer() -> FakeProducer:
    """Give an empty one."""
    return FakeProducer()


@pytest.fixture
def dead(producer: FakeProducer) -> DeadLetters:
    """Give a consumer's, which bear two in a row."""
    publisher: Any = producer
    return DeadLetters(publisher, group_id="g", in_a_row_max=3)


async def bury(dead: DeadLetters, *offsets: int) -> None:
    """Bury records and check the row after each."""
    for offset in offsets:
        await dead.bury(record(offset), WRONG)
        dead.check_row()


class TestDeadLetters:
    async def test_too_many_in_a_row_are_a_limit(self, dead: DeadLetters) -> None:
        """The one too many is kept as well, and the reason is told."""
        await bury(dead, 0, 1)

        with pytest.raises(DeadLetterLimit, match="3 events in a row are unreadable: WRONG"):
            await bury(dead, 2)

    async def test_one_that_was_handled_ends_the_row(self, dead: DeadLetters) -> None:
        """Now and then an unreadable event is bad luck."""
        for offset in range(0, 10, 2):
            await bury(dead, offset, offset + 1)
            dead.end_row()

    async def test_what_comes_again_is_counted_again_and_sent_once(
        self, dead: DeadLetters, producer: FakeProducer
    ) -> None:
        """A try in vain changes nothing: not the dead letters, and not the place of the limit."""
        await bury(dead, 0)
        dead.committed({PLACE: 1})
        for _ in range(3):
            dead.begin_again()
            with pytest.raises(DeadLetterLimit):
                await bury(dead, 1, 2)

        assert producer.published == [b"0", b"1", b"2"]

    async def test_another_event_in_the_same_place_is_another(
        self, dead: DeadLetters, producer: FakeProducer
    ) -> None:
        """A broker that lost its log gives the places anew."""
        assert await dead.bury(record(0), WRONG)
        assert not await dead.bury(record(0), WRONG)
        assert await dead.bury(record(0, b"other"), WRONG)

        assert producer.published == [b"0", b"other"]

    async def test_what_was_committed_is_forgotten(
        self, dead: DeadLetters, producer: FakeProducer
    ) -> None:
        """It never comes again; if somebody rewinds on purpose, it is sent again."""
        await bury(dead, 0, 1)
        dead.end_row()
        dead.committed({PLACE: 1})

        await bury(dead, 0, 1)

        assert producer.published == [b"0", b"1", b"0"]
