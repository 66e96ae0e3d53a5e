"""The places of a server, without a server."""

import pytest

from services.common.runtime.admission import Room, TooManyCalls


class TestRoom:
    def test_is_full_when_every_place_is_taken(self) -> None:
        """The last place is one, too."""
        assert [Room(2, taken=taken).is_full for taken in range(4)] == [False, False, True, True]

    def test_has_nobody_beyond_its_places(self) -> None:
        """Who came in while others had not sat down yet is refused after all."""
        Room(2, taken=2).check()

        with pytest.raises(TooManyCalls) as refused:
            Room(2, taken=3).check()

        assert refused.value.metadata == {"calls_max": "2"}
