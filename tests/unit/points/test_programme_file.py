"""The demo's programme as a file: what an operator publishes is what the README promises."""

import protovalidate
import pytest

from deploy.programmes import ProgrammeFileInvalid, load_publish_request, read_programme
from services.points.codec.programme import (
    keep_programme,
    parse_programme,
    parse_programme_content,
)
from services.points.domain.programme import (
    CohortYear,
    KittyPercent,
    PointsPerEuro,
    RollingMonthEnd,
)


class TestDemoProgramme:
    def test_has_the_rules_that_anyone_can_recompute(self) -> None:
        """One point a euro for six months; 5 % of the private brand until 31 March."""
        programme = parse_programme(load_publish_request(read_programme("demo")).programme)

        points, kitty = programme.rules
        assert (points.earning, points.expiry) == (PointsPerEuro(1), RollingMonthEnd(6))
        assert (kitty.earning, kitty.expiry) == (KittyPercent(500), CohortYear(3, 31))
        assert kitty.selector.brands == {"Private"}
        assert not points.selector.brands

    def test_follows_the_rules_of_its_proto(self) -> None:
        """What the door would refuse is not delivered."""
        request = load_publish_request(read_programme("demo"))

        assert protovalidate.collect_violations(request) == []

    def test_is_kept_as_it_is(self) -> None:
        """Keeping a version and reading it again changes nothing."""
        programme = parse_programme(load_publish_request(read_programme("demo")).programme)

        assert parse_programme_content(keep_programme(programme)) == programme


class TestLoadPublishRequest:
    @pytest.mark.parametrize(
        "text", ["", "- a list", "rules: {", "programme: demo", "version: one"]
    )
    def test_refuses_what_is_no_programme(self, text: str) -> None:
        """A mistake in the file is said before anything is called."""
        with pytest.raises(ProgrammeFileInvalid):
            load_publish_request(text)
