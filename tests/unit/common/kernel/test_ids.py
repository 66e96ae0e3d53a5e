"""Ids."""

import time
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from services.common.kernel.ids import derive_id, new_uuid7


class TestNewUuid7:
    """Ids made by callers."""

    def test_carries_version_and_time(self) -> None:
        """RFC 9562: version 7, the first 48 bits are milliseconds since 1970."""
        before = time.time_ns() // 1_000_000
        made = new_uuid7()
        after = time.time_ns() // 1_000_000

        assert made.version == 7
        assert made.variant == RFC_4122
        assert before <= made.int >> 80 <= after

    def test_is_unique(self) -> None:
        """Thousands in a row all differ."""
        assert len({new_uuid7() for _ in range(10_000)}) == 10_000


class TestDeriveId:
    """Ids of what an event causes."""

    @given(st.integers(min_value=1, max_value=255))
    def test_is_the_same_every_time(self, n: int) -> None:
        """It keeps time and version, and leads back to its base."""
        base = new_uuid7()
        derived = derive_id(base, n)

        assert derived != base
        assert derived.version == 7
        assert derived.int >> 80 == base.int >> 80
        assert derive_id(derived, n) == base

    def test_siblings_differ(self) -> None:
        """All that one event can cause have ids of their own."""
        base = new_uuid7()
        assert len({derive_id(base, n) for n in range(1, 256)}) == 255
