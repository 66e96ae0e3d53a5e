"""Canonical bytes: fixed for ever, and different whenever anything differs."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.ledger.domain.account import Account
from services.ledger.domain.journal import Entry, Posting, Recorded, canonical_bytes

TIME = datetime(2017, 3, 1, 9, 0, 0, 5, tzinfo=UTC)
ENTRY = Entry(
    UUID(int=1), 0, 3, 1, 0, TIME, TIME, 1, "sale", "é", UUID(int=2), TIME, bytes(range(16))
)
RECORDED = Recorded(ENTRY, [Posting(1, 3, 0, -5, -5, 0), Posting(2, 3, 0, 5, 5, 0)])
OPENING = Account(1, 0, 1, "gl/512100", "EUR", None, "512100", TIME)


class TestCanonicalBytes:
    def test_golden_transaction(self) -> None:
        """The bytes of a transaction, written down once: a change would break every stored chain."""
        assert canonical_bytes(RECORDED).hex() == (
            "0100000000000000030000000000000000000000000000000101000001"
            "000549a789928405000549a789928405000549a789928405"
            "00000000000000000000000000000002000102030405060708090a0b0c0d0e0f"
            "000473616c650002c3a90002"
            "000000000000000100fffffffffffffffbfffffffffffffffb"
            "00000000000000020000000000000000050000000000000005"
        )

    def test_golden_opening(self) -> None:
        """The bytes of an opening, written down once."""
        assert canonical_bytes(OPENING).hex() == (
            "0200000000000000010000000000000001000549a789928405000000000000000000"
            "00034555520006353132313030000967" + b"l/512100".hex()
        )

    @pytest.mark.parametrize("field", Entry._fields)
    def test_covers_every_column_of_a_transaction(self, field: str) -> None:
        """Whatever column is altered, the bytes differ; the shard is in the block's header."""
        other: dict[str, Any] = {
            "transaction_id": UUID(int=9),
            "effective_time": datetime(2018, 1, 1, tzinfo=UTC),
            "recorded_time": datetime(2018, 1, 1, tzinfo=UTC),
            "expire_time": None,
            "target_id": None,
            "purpose": "sal",
            "reference": "e",
            "request_hash": bytes(16),
        }
        altered = ENTRY._replace(**{field: other.get(field, 2)})

        same = canonical_bytes(Recorded(altered, RECORDED.postings)) == canonical_bytes(RECORDED)

        assert same == (field == "shard_id")

    @pytest.mark.parametrize("field", ["account_id", "layer", "amount", "balance_after"])
    def test_covers_every_column_of_a_posting(self, field: str) -> None:
        """Number and shard of a posting are its transaction's."""
        first, second = RECORDED.postings
        altered = Recorded(ENTRY, [first._replace(**{field: 2}), second])

        assert canonical_bytes(altered) != canonical_bytes(RECORDED)

    def test_a_missing_posting_shows(self) -> None:
        """The count is part of the bytes."""
        assert canonical_bytes(Recorded(ENTRY, RECORDED.postings[:1])) != canonical_bytes(RECORDED)

    def test_a_floor_of_zero_is_not_no_floor(self) -> None:
        """Bounded at zero and unbounded are two different accounts."""
        assert canonical_bytes(replace(OPENING, floor=0)) != canonical_bytes(OPENING)
