"""Topics and names on Kafka."""

from typing import Final

LOYALTY: Final = "cagnotte.points.v1.loyalty"
"""Facts of the points service, which the ledger books."""

JOURNAL: Final = "cagnotte.ledger.v1.journal"
"""Facts of the ledger, keyed by shard."""

CONSUMER_GROUP: Final = "ledger"
"""The consumer group of all the ledger's processes."""
