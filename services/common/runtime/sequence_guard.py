"""Sees, at the consumer, that a broker has lost a part of the log.

A broker that keeps its log in memory forgets it when it restarts. The relay notices and
publishes everything again from the first fact, but facts that were on their way may land
in the new, empty log before that, and a consumer's place in the old log means nothing in
the new one. Every event names the one before it in its partition (``ce_previous``), so
the consumer can refuse to jump over any, also where it begins anew: what it had reached is
given to it again (``committed_places``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

Partition: TypeAlias = tuple[str, int]
"""A topic and a partition number."""


class Verdict(Enum):
    """What to do with an event."""

    HANDLE = auto()
    """It follows what this consumer has handled."""
    SKIP = auto()
    """This consumer has handled it already; the relay sent it again."""
    REWIND = auto()
    """Events before it were lost: read the partition again from its beginning."""
    WAIT = auto()
    """The same, and it was read again already: the relay has yet to fill the gap."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a consumer is in a partition: the last sequence of each source that was let through."""

    seqs: Mapping[str, int]
    is_whole: bool
    """Whether the log was read from its first record on: a source that is not named has sent nothing yet."""


@dataclass(slots=True)
class _Place:
    seq: int
    rewound: bool = False
    recalled: bool = False
    """Whether it is from before the partition was assigned anew."""
    seq_before: int = 0
    """What had been reached by then: what follows that is behind no gap, whatever was repeated in between."""


@dataclass(slots=True)
class _Places:
    is_whole: bool
    by_source: dict[str, _Place] = field(default_factory=dict)


class SequenceGuard:
    """Keeps, for each partition and source, the last sequence that was let through."""

    def __init__(self) -> None:
        """Begin knowing nothing: the committed offset is believed."""
        self._partitions: dict[Partition, _Places] = {}

    def knows(self, partition: Partition) -> bool:
        """Tell whether the partition's place is known, or was said to be unknown."""
        return partition in self._partitions

    def forget(self, partition: Partition) -> None:
        """Forget a partition that was assigned anew: others may have moved it on."""
        self._partitions.pop(partition, None)

    def recall(self, partition: Partition, reached: Reached) -> None:
        """Take what was reached before the partition was assigned anew.

        What comes first may repeat that, or be of a journal that was restored to an earlier time: then it is believed
        and handled, as by who knows nothing. It may not lie behind a gap.
        """
        self._partitions[partition] = _Places(
            reached.is_whole,
            {
                source: _Place(seq, recalled=True, seq_before=seq)
                for source, seq in reached.seqs.items()
            },
        )

    def reached(self, partition: Partition) -> Reached:
        """Tell what was let through, for who commits the offset behind it."""
        places = self._partitions.get(partition, _Places(is_whole=False))
        return Reached(
            {source: place.seq for source, place in places.by_source.items()}, places.is_whole
        )

    def judge(
        self, partition: Partition, *, source: str, offset: int, seq: int, previous_seq: int
    ) -> Verdict:
        """Judge the next event of a partition, and remember it when it is let through."""
        places = self._partitions.setdefault(partition, _Places(is_whole=offset == 0))
        place = places.by_source.get(source)
        if place is None:
            if places.is_whole and previous_seq > 0:  # The log has lost its beginning.
                places.by_source[source] = _Place(0, rewound=True)
                return Verdict.WAIT
            places.by_source[source] = _Place(seq)
            return Verdict.HANDLE
        if previous_seq > place.seq and previous_seq != place.seq_before:
            if place.rewound:
                return Verdict.WAIT
            place.rewound, place.recalled = True, False
            return Verdict.REWIND
        if seq <= place.seq and not place.recalled:
            return Verdict.SKIP
        place.seq = seq
        place.rewound = place.recalled = False
        return Verdict.HANDLE
