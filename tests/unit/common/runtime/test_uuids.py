"""UUIDs of the driver's class are those of the standard library."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.runtime.uuids import parse_uuid


class TestParseUuid:
    @given(st.uuids())
    def test_is_the_standard_one(self, wanted: UUID) -> None:
        """Equal both ways, with the same hash, text, bytes and number: a dictionary takes one for the other."""
        parsed = parse_uuid(str(wanted))

        assert isinstance(parsed, UUID)
        assert parsed == wanted
        assert wanted == parsed
        assert (hash(parsed), str(parsed)) == (hash(wanted), str(wanted))
        assert (parsed.bytes, parsed.int) == (wanted.bytes, wanted.int)

    @pytest.mark.parametrize(
        "text", ["", "x", "0199c0de-0000-7000-8000", "0199c0de-0000-7000-8000-00000000000g"]
    )
    def test_refuses_what_is_none(self, text: str) -> None:
        """As the standard library does."""
        with pytest.raises(ValueError, match=r"UUID|hex|length"):
            parse_uuid(text)
