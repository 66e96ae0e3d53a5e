"""Topics and names on Kafka."""

from typing import Final

CHECKOUTS: Final = "cagnotte.wallet.v1.checkouts"
"""Facts of the wallet service: which checkouts were settled, and which refunded."""

CONSUMER_GROUP: Final = "points.checkouts"
"""The consumer group of all processes of the points service."""
