"""What a consumer had reached, kept beside the offset that it commits.

A consumer that joins anew begins at the committed offset. Should the log have a gap just there, only who knows the last
sequence that was handled can see it. Kafka keeps a short text with a committed offset, and so both move together. Tansu
0.6 takes the text and gives an empty one back; there, what this process itself committed last is known for as long as
nobody else has moved the partition on, and a process that is new believes the offset (it and the log die together).
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from services.common.runtime.sequence_guard import Partition, Reached, SequenceGuard

_ASK_SECONDS_MAX: Final = 10.0
_TEXT_LENGTH_MAX: Final = 4_096
"""What Kafka takes, unless it is told otherwise (``offset.metadata.max.bytes``)."""


class CommittedPlaces:
    """The places that a consumer commits and finds again; one for all the times that it joins its group."""

    def __init__(self) -> None:
        """Begin with nothing committed."""
        self._own: dict[TopicPartition, OffsetAndMetadata] = {}

    async def recall(
        self, client: Any, guard: SequenceGuard, polled: Mapping[TopicPartition, Sequence[Any]]
    ) -> None:
        """Tell the guard what was reached in those of the partitions that it knows nothing of.

        Raises:
            KafkaError, OSError, TimeoutError: the broker did not say.
        """
        asked = [place for place in polled if not guard.knows((place.topic, place.partition))]
        if not asked:
            return
        async with asyncio.timeout(_ASK_SECONDS_MAX):
            # aiokafka's public way gives the offset without its text.
            found = await client._coordinator.fetch_committed_offsets(asked)  # noqa: SLF001
        for place in asked:
            reached = self._reached(place, found.get(place))
            begins = bool(polled[place]) and polled[place][0].offset == 0
            guard.recall(_partition(place), reached or Reached({}, is_whole=begins))

    def to_commit(
        self, guard: SequenceGuard, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """Give what to commit: each offset with what the guard has let through before it."""
        return {
            place: OffsetAndMetadata(offset, _render(guard.reached(_partition(place))))
            for place, offset in offsets.items()
        }

    def committed(self, places: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Hear that the broker has taken them."""
        self._own.update(places)

    def _reached(self, place: TopicPartition, found: OffsetAndMetadata | None) -> Reached | None:
        if found is None or found.metadata:
            return None if found is None else _parse(found.metadata)
        own = self._own.get(place)
        return _parse(own.metadata) if own is not None and own.offset == found.offset else None


def _partition(place: TopicPartition) -> Partition:
    return place.topic, place.partition


def _render(reached: Reached) -> str:
    """Write it down; with more sources than there is room for, the offset alone has to do."""
    text = json.dumps(
        {"seqs": dict(reached.seqs), "whole": reached.is_whole}, separators=(",", ":")
    )
    return text if len(text) <= _TEXT_LENGTH_MAX else ""


def _parse(text: str) -> Reached | None:
    """Read it; others' texts say nothing."""
    try:
        content = json.loads(text)
        seqs = {str(source): int(seq) for source, seq in content["seqs"].items()}
        return Reached(seqs, is_whole=bool(content["whole"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
