"""Reading the end of a log back: what was acknowledged counts once it can be read there, and what is there was sent.

A broker may acknowledge what no reader will ever see. Tansu 0.6, for one, takes messages for a topic that does not
exist yet, and begins to count again at 0 when it is made: later messages get offsets that lie under the earlier ones,
and a reader who is past those never gets them. So whoever writes on asks first where, to a reader, the log ends.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.common.runtime.kafka_events import parse_sequence
from services.common.runtime.sequence_guard import SequenceGuard, Verdict

END_UNKNOWN: Final = 2**62
"""The end of a log that says it holds more than it gives: no offset lies beyond it."""

_STRETCH: Final = 100_000
"""Messages that are read where nothing is sought: more than a client can have had under way at once."""

_STRETCH_GROWTH: Final = 10
_POLL_SECONDS: Final = 0.2
_UNREADABLE_SECONDS: Final = 2.0
_SILENCE_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Sought:
    """A fact that has to lie in a partition's log, at this offset or after it."""

    log_offset: int
    source: str
    seq: int


@dataclass(frozen=True, slots=True)
class LastOf:
    """A source's last fact is to be found, in a partition's last messages."""

    source: str
    stretch: int = _STRETCH


@dataclass(frozen=True, slots=True)
class LastFact:
    """Where a source's facts end in a log: what a consumer that reads all of it comes to."""

    log_offset: int
    """Where it is, or before that, and before the end that the broker states (see ``Acknowledged``)."""
    seq: int
    event_id: bytes


@dataclass(slots=True)
class Tail:
    """Where a partition's log ends for a reader, and whether the fact that was sought lies in it."""

    end: int
    """The offset that follows the last record; ``END_UNKNOWN`` where the broker does not give what it says it has."""
    holds: bool
    stated_end: int = END_UNKNOWN
    is_whole: bool = False
    """Whether it is all that there is."""
    last: LastFact | None = None
    _guard: SequenceGuard = field(default_factory=SequenceGuard)

    def see(self, records: Sequence[Any], sought: Sought | LastOf | None) -> None:
        """Take the next records; those under earlier ones count for nothing, since not every reader gets them."""
        for record in records:
            if record.offset < self.end:
                continue
            self.end = record.offset + 1
            if isinstance(sought, LastOf):
                self._follow(record, sought.source)
            elif sought is not None and not self.holds:
                sequence = parse_sequence(record)
                self.holds = sequence is not None and sequence[:2] == (sought.source, sought.seq)

    def _follow(self, record: Any, source: str) -> None:
        """Go on to a fact that follows the last one; what lies behind a gap no consumer handles."""
        sequence = parse_sequence(record)
        if sequence is None or sequence[0] != source:
            return
        _, seq, previous_seq = sequence
        verdict = self._guard.judge(
            ("", 0), source=source, offset=record.offset, seq=seq, previous_seq=previous_seq
        )
        if verdict is Verdict.HANDLE:
            log_offset = min(record.offset, self.stated_end - 1)
            self.last = LastFact(log_offset, seq, dict(record.headers).get("ce_id", b""))


async def find_last_facts(
    client: AIOKafkaConsumer, topic: str, source: str, partitions: Collection[int]
) -> dict[int, LastFact]:
    """Find the last fact of a source in those of the partitions that have any, reading no more than it takes.

    Raises:
        KafkaError, OSError, TimeoutError: the broker did not say.
    """
    found: dict[int, LastFact] = {}
    left, stretch = set(partitions), _STRETCH
    while left:
        tails = await read_tails(client, topic, dict.fromkeys(left, LastOf(source, stretch)))
        found |= {partition: tail.last for partition, tail in tails.items() if tail.last}
        left = {partition for partition in left - found.keys() if not tails[partition].is_whole}
        stretch *= _STRETCH_GROWTH
    return found


async def read_tails(
    client: AIOKafkaConsumer, topic: str, sought: Mapping[int, Sought | LastOf | None]
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
        place: _begin(each, begin=begins[place], end=ends[place]) for place, each in places.items()
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


def _begin(sought: Sought | LastOf | None, *, begin: int, end: int) -> Tail:
    """Tell where to read from, before anything is read."""
    if isinstance(sought, Sought):
        start, holds = sought.log_offset, sought.log_offset < begin
    else:
        start, holds = end - (sought.stretch if sought else _STRETCH), True
    return Tail(max(begin, start), holds, stated_end=end, is_whole=start <= begin)


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
