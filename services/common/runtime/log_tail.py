"""Reading the end of a log back: what was acknowledged counts once it can be read there.

A broker may acknowledge what no reader will ever see. Tansu 0.6, for one, takes messages for a topic that does not
exist yet, and begins to count again at 0 when it is made: later messages get offsets that lie under the earlier ones,
and a reader who is past those never gets them. So whoever writes on asks first where, to a reader, the log ends.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.common.runtime.kafka_events import parse_sequence

END_UNKNOWN: Final = 2**62
"""The end of a log that says it holds more than it gives: no offset lies beyond it."""

_STRETCH: Final = 100_000
"""Messages that are read where nothing is sought: more than a client can have had under way at once."""

_POLL_SECONDS: Final = 0.2
_UNREADABLE_SECONDS: Final = 2.0
_SILENCE_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Sought:
    """A fact that has to lie in a partition's log, at this offset or after it."""

    log_offset: int
    source: str
    seq: int


@dataclass(slots=True)
class Tail:
    """Where a partition's log ends for a reader, and whether the fact that was sought lies in it."""

    end: int
    """The offset that follows the last record; ``END_UNKNOWN`` where the broker does not give what it says it has."""
    holds: bool

    def see(self, records: Sequence[Any], sought: Sought | None) -> None:
        """Take the next records; those under earlier ones count for nothing, since not every reader gets them."""
        for record in records:
            if record.offset < self.end:
                continue
            self.end = record.offset + 1
            if sought is not None and not self.holds:
                sequence = parse_sequence(record)
                self.holds = sequence is not None and sequence[:2] == (sought.source, sought.seq)


async def read_tails(
    client: AIOKafkaConsumer, topic: str, sought: Mapping[int, Sought | None]
) -> dict[int, Tail]:
    """Read partitions to their ends, from where a fact is sought or else from their last stretch, page by page.

    The client is started, belongs to no group, and reads nothing else. Where the log's older part is gone by its
    retention, so is the fact, and the log is not to blame.

    Raises:
        KafkaError, OSError, TimeoutError: the broker did not say.
    """
    places = {TopicPartition(topic, partition): each for partition, each in sought.items()}
    async with asyncio.timeout(_SILENCE_SECONDS_MAX):
        begins = await client.beginning_offsets(list(places))
        ends = await client.end_offsets(list(places))
    tails = {
        place: Tail(
            end=max(begins[place], each.log_offset if each else ends[place] - _STRETCH),
            holds=each is None or each.log_offset < begins[place],
        )
        for place, each in places.items()
    }
    client.assign(list(places))
    for place, tail in tails.items():
        client.seek(place, tail.end)
    heard = monotonic()
    while unread := [place for place, tail in tails.items() if tail.end < ends[place]]:
        polled = await client.getmany(*unread, timeout_ms=round(_POLL_SECONDS * 1000))
        for place in unread:
            before = tails[place].end
            tails[place].see(polled.get(place, ()), places[place])
            # Past markers that are no records, too.
            tails[place].end = max(tails[place].end, await client.position(place))
            if tails[place].end > before:
                heard = monotonic()
        if monotonic() - heard > _UNREADABLE_SECONDS:
            _give_up(client, unread, tails)
        if monotonic() - heard > _SILENCE_SECONDS_MAX:
            raise TimeoutError("The broker does not give what its log holds.")
    return {place.partition: tail for place, tail in tails.items()}


def _give_up(
    client: AIOKafkaConsumer,
    unread: Collection[TopicPartition],
    tails: Mapping[TopicPartition, Tail],
) -> None:
    """Mark what the broker itself says, in its answers to reads, that it does not have."""
    for place in unread:
        high = client.highwater(place)
        if high is not None and high <= tails[place].end:
            tails[place].end = END_UNKNOWN
