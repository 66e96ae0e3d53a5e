"""Opening accounts whose names the chart knows."""

from datetime import UTC, datetime

from services.ledger.domain.account import AccountSpec
from services.ledger.domain.book import Book
from services.ledger.domain.decide import AccountOpened, open_account
from services.ledger.domain.transaction import OpenAccount, Refusal

NOW = datetime(2017, 1, 1, tzinfo=UTC)
MEMBER = AccountSpec("loyalty/points/members/m1", "PTS", 0, "801100")


class MembersChart:
    """Opens one member's account by itself."""

    def spec_for(self, name: str) -> AccountSpec | None:
        """Describe the member's account."""
        return MEMBER if name == MEMBER.name else None


def make_book() -> Book:
    """Give an empty book over the chart."""
    return Book(shard_id=0, seq=0, chart=MembersChart())


class TestNamesOfTheChart:
    """What a caller may open under a name that posting rules use."""

    def test_refuses_another_kind_of_account(self) -> None:
        """In another asset it would refuse every posting that the rules make to it."""
        book = make_book()

        refused = open_account(book, OpenAccount(MEMBER.name, "EUR", 0, "467100"), now=NOW)

        assert refused is Refusal.ACCOUNT_DIFFERS
        assert book.journal == []

    def test_opens_what_the_chart_says(self) -> None:
        """The chart's own account may be opened before anything is posted to it."""
        wanted = OpenAccount(MEMBER.name, MEMBER.asset, MEMBER.floor, MEMBER.gl_code)

        assert isinstance(open_account(make_book(), wanted, now=NOW), AccountOpened)
