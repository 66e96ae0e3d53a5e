"""Sees, at the consumer, that a broker has lost a part of the log.

A broker that keeps its log in memory forgets it when it restarts. The relay notices and
publishes everything again from the first fact, but facts that were on their way may land
in the new, empty log before that, and a consumer's place in the old log means nothing in
the new one. Every event names the one before it in its partition (``ce_previous``), so
the consumer can refuse to jump over any.
"""

from dataclasses import dataclass
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


@dataclass(slots=True)
class _Place:
    seq: int
    rewound: bool = False


class SequenceGuard:
    """Keeps, for each partition and source, the last sequence that was let through."""

    def __init__(self) -> None:
        """Begin knowing nothing: the committed offset is believed."""
        self._places: dict[Partition, dict[str, _Place]] = {}

    def forget(self, partition: Partition) -> None:
        """Forget a partition that was assigned anew: others may have moved it on."""
        self._places.pop(partition, None)

    def judge(
        self, partition: Partition, *, source: str, offset: int, seq: int, previous_seq: int
    ) -> Verdict:
        """Judge the next event of a partition, and remember it when it is let through."""
        sources = self._places.setdefault(partition, {})
        place = sources.get(source)
        if place is None:
            if offset == 0 and previous_seq > 0:  # The log has lost its beginning.
                sources[source] = _Place(0, rewound=True)
                return Verdict.WAIT
            sources[source] = _Place(seq)
            return Verdict.HANDLE
        if previous_seq > place.seq:
            if place.rewound:
                return Verdict.WAIT
            place.rewound = True
            return Verdict.REWIND
        if seq <= place.seq:
            return Verdict.SKIP
        place.seq = seq
        place.rewound = False
        return Verdict.HANDLE
