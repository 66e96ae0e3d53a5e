"""What a consumer cannot read: kept apart on ``<topic>.dead`` with the reason, and counted.

So many in a row that it is no bad luck are a bug of ours: then the consumer goes no further, and what follows waits in
its topic until somebody has mended it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import structlog
from aiokafka import TopicPartition

from services.common.kernel.errors import DomainError
from services.common.kernel.pan import mask_pans
from services.common.runtime.kafka_events import Message, Unreadable
from services.common.runtime.kafka_producer import BROKER_FAILURES, Producer, partition_of

_BACK_OFF_SECONDS_MIN: Final = 0.05
_BACK_OFF_SECONDS_MAX: Final = 5.0
_DETAIL_LENGTH_MAX: Final = 300

log = structlog.get_logger(__name__)

_Place: TypeAlias = tuple[TopicPartition, int, bytes]
"""Where a record stood, and what it held: a broker that lost its log gives places anew."""


class DeadLetterLimit(Exception):
    """Too many events in a row could not be read; somebody must look before it goes on."""


class DeadLetters:
    """The dead letters of one consumer."""

    def __init__(self, producer: Producer, *, group_id: str, in_a_row_max: int) -> None:
        """Take what publishes them, whose they are, and how many in a row are too many."""
        self._producer = producer
        self._group_id = group_id
        self._in_a_row_max = in_a_row_max
        self._in_a_row = 0
        self._in_a_row_committed = 0
        self._last_reason = ""
        self._uncommitted: set[_Place] = set()

    async def bury(self, record: Any, error: Exception) -> bool:
        """Send an event to the dead letters, for as long as that takes; once, though it may come again.

        Gives whether it was sent now.
        """
        self._in_a_row += 1
        self._last_reason = reason = _reason_of(error)
        place = (TopicPartition(record.topic, record.partition), record.offset, record.value or b"")
        is_new = place not in self._uncommitted
        if is_new:
            _log_unreadable(record, error, group_id=self._group_id)
            await self._publish(
                f"{record.topic}.dead",
                _dead_letter(record, reason=reason, detail=_detail(error), group_id=self._group_id),
            )
            self._uncommitted.add(place)
        return is_new

    def check_row(self) -> None:
        """Go no further when too many in a row were unreadable.

        Raises:
            DeadLetterLimit: see there.
        """
        if self._in_a_row >= self._in_a_row_max:
            message = f"{self._in_a_row} events in a row are unreadable: {self._last_reason}"
            raise DeadLetterLimit(message)

    def end_row(self) -> None:
        """Hear that an event was handled."""
        self._in_a_row = 0

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Hear that what stands before these offsets never comes again."""
        self._in_a_row_committed = self._in_a_row
        self._uncommitted = {
            place for place in self._uncommitted if place[1] >= offsets.get(place[0], 0)
        }

    def begin_again(self) -> None:
        """Hear that whatever is not committed comes again, and so is counted again."""
        self._in_a_row = self._in_a_row_committed

    async def _publish(self, topic: str, message: Message) -> None:
        pause = _BACK_OFF_SECONDS_MIN
        while True:
            try:
                partition = partition_of(message.key, await self._producer.partitions(topic))
                await self._producer.publish(topic, [(partition, message)])
            except BROKER_FAILURES as failure:
                log.warning("consumer.burial_delayed", topic=topic, error=repr(failure))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _BACK_OFF_SECONDS_MAX)
            else:
                return


def _log_unreadable(record: Any, error: Exception, *, group_id: str) -> None:
    headers = dict(record.headers)
    log.error(
        "consumer.event_unreadable",
        group=group_id,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        event_id=_text(headers.get("ce_id")),
        event_type=_text(headers.get("ce_type")),
        subject=_text(record.key),
        reason=_reason_of(error),
        dead_detail=_detail(error),
        exc_info=None if isinstance(error, DomainError | Unreadable) else error,
    )


def _reason_of(error: Exception) -> str:
    return error.reason if isinstance(error, DomainError | Unreadable) else "HANDLER_FAILED"


def _detail(error: Exception) -> str:
    """Give what is wrong, short and without card numbers."""
    return mask_pans(str(error))[:_DETAIL_LENGTH_MAX]


def _text(raw: bytes | None) -> str:
    """Read for the log what may be anything."""
    return (raw or b"").decode("utf-8", "replace")[:_DETAIL_LENGTH_MAX]


def _dead_letter(record: Any, *, reason: str, detail: str, group_id: str) -> Message:
    """Give the record as it came, with where it came from and what is wrong with it."""
    own = [
        ("dead_reason", reason.encode()),
        ("dead_detail", detail.encode()),
        ("dead_topic", record.topic.encode()),
        ("dead_partition", str(record.partition).encode()),
        ("dead_offset", str(record.offset).encode()),
        ("dead_group", group_id.encode()),
    ]
    return Message(record.key or b"", record.value or b"", [*record.headers, *own])
