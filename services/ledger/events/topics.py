"""Topics and names on Kafka."""

from typing import Final

LOYALTY: Final = "cagnotte.points.v1.loyalty"
"""Facts of the points service, which the ledger books."""

CHECKOUTS: Final = "cagnotte.wallet.v1.checkouts"
"""Facts of the wallet, which the ledger books."""

JOURNAL: Final = "cagnotte.ledger.v1.journal"
"""Facts of the ledger, keyed by shard."""

LOYALTY_GROUP: Final = "ledger"
"""The consumer group in which all the ledger's processes read the facts of points."""

CHECKOUTS_GROUP: Final = "ledger.checkouts"
"""The consumer group in which they read the facts of the wallet: neither waits for the other."""
