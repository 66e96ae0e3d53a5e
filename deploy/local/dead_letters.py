"""What consumers could not read, as the ``.dead`` topics have it; and sending it to them again.

A dead letter is the event as it came, with headers of its own that say where it came from and what is wrong with it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.kafka.topics import read_topics
from deploy.local.errors import StackError
from services.common.kernel.pan import mask_pans
from services.common.runtime.config import KafkaSettings
from services.common.runtime.kafka_events import Message
from services.common.runtime.kafka_producer import (
    BROKER_FAILURES,
    client_arguments,
    open_producer,
    partition_of,
    stop_client,
)

DEAD_SUFFIX: Final = ".dead"

_POLL_MILLISECONDS: Final = 500
_OWN_HEADERS: Final = "dead_"
_PLACE_IN_JOURNAL: Final = frozenset({"ce_sequence", "ce_previous"})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event that a consumer gave up."""

    topic: str
    """The topic that it was found on."""
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def event_id(self) -> str:
        """The event's id; empty where it came without."""
        return self.header("ce_id")

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be sent again; None where nothing stands in the way."""
        if self.event_id:
            return None
        return "it came without an id (ce_id), so no consumer could tell whether it was applied"

    @property
    def source_topic(self) -> str:
        """The topic that it came from, and goes to when it is sent again."""
        return self.topic.removesuffix(DEAD_SUFFIX)

    def header(self, name: str) -> str:
        """Return a header as text, empty where there is none."""
        return dict(self.headers).get(name, b"").decode("utf-8", "replace")

    def to_json(self) -> Mapping[str, object]:
        """Return it as ``cagnotte dead --json`` writes it; a card number is masked."""
        headers = {name: mask_pans(self.header(name)) for name, _ in self.headers}
        key = mask_pans(self.key.decode("utf-8", "replace"))
        return {"topic": self.topic, "key": key, "headers": headers, "obstacle": self.obstacle}

    def line(self) -> str:
        """Return it as one line for people."""
        told = [self.header(name) for name in ("dead_group", "dead_reason", "dead_detail")]
        group, reason, detail = told
        event = f"{self.header('ce_type') or 'no type'} {self.event_id or 'without an id'}"
        stays = "" if self.obstacle is None else f"  (cannot be sent again: {self.obstacle})"
        return mask_pans(f"{self.source_topic}  {group}  {event}  {reason}: {detail}{stays}")

    def revived(self) -> Message:
        """Return the event as it came, but without its place in the journal.

        By its place a consumer would take it for one that it has handled, and skip it.
        """
        kept = [
            (name, value)
            for name, value in self.headers
            if name not in _PLACE_IN_JOURNAL and not name.startswith(_OWN_HEADERS)
        ]
        return Message(self.key, self.value, kept)


async def read_dead_letters(
    bootstrap: str, topics: Sequence[str] | None = None
) -> list[DeadLetter]:
    """Read all dead letters that a broker has, topic by topic; of cagnotte's topics unless some are named.

    Raises:
        StackError: the broker does not answer.
    """
    names = topics or [topic.name for topic in read_topics() if topic.name.endswith(DEAD_SUFFIX)]
    try:
        async with _reader(bootstrap) as client:
            known = await client.topics()
            # Asked at once: an assignment leaves the client without the other topics' partitions.
            places = [
                TopicPartition(topic, partition)
                for topic in names
                if topic in known
                for partition in client.partitions_for_topic(topic) or ()
            ]
            return await _read_all(client, places) if places else []
    except BROKER_FAILURES as error:
        raise StackError(f"The broker at {bootstrap} does not answer; is the stack up?") from error


async def republish(bootstrap: str, letters: Sequence[DeadLetter]) -> int:
    """Send each event to its topic again, once; return how many. What has an obstacle stays.

    Consumers apply an event once, so one that was sent again before does no harm.

    Raises:
        StackError: the broker does not answer.
    """
    events = {(each.source_topic, each.event_id): each for each in letters if each.obstacle is None}
    try:
        async with open_producer(_settings(bootstrap)) as producer:
            for letter in events.values():
                count = await producer.partitions(letter.source_topic)
                message = letter.revived()
                place = partition_of(message.key, count)
                await producer.publish(letter.source_topic, [(place, message)])
    except BROKER_FAILURES as error:
        raise StackError(f"The broker at {bootstrap} does not answer; is the stack up?") from error
    return len(events)


def _settings(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=bootstrap, idempotent=False)


@asynccontextmanager
async def _reader(bootstrap: str) -> AsyncIterator[Any]:
    """Give a consumer of no group: nobody's place is moved by looking."""
    client = AIOKafkaConsumer(**client_arguments(_settings(bootstrap)), enable_auto_commit=False)
    try:
        await client.start()
        yield client
    finally:
        await stop_client(client)


async def _read_all(client: Any, places: Sequence[TopicPartition]) -> list[DeadLetter]:
    """Read partitions from their beginning to where they end now, in the order of their topics."""
    ends = await client.end_offsets(places)
    client.assign(places)
    await client.seek_to_beginning(*places)
    letters = []
    while any([await client.position(place) < ends[place] for place in places]):
        polled = await client.getmany(timeout_ms=_POLL_MILLISECONDS)
        letters += [
            DeadLetter(each.topic, each.key or b"", each.value or b"", tuple(each.headers))
            for records in polled.values()
            for each in records
        ]
    return sorted(letters, key=lambda letter: letter.topic)
