"""The fold: what it accepts, what it refuses, and what a refusal leaves behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.ledger.domain.account import Account, AccountSpec, account_id_of
from services.ledger.domain.book import Book
from services.ledger.domain.decide import AccountOpened, decide, decide_group, open_account
from services.ledger.domain.expiry import expire_hold
from services.ledger.domain.transaction import (
    Kind,
    Leg,
    LinkedGroup,
    OpenAccount,
    Refusal,
    TransactionCommand,
)
from tests.ledger_commands import make_command

NOW = datetime(2017, 3, 1, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


class NoChart:
    """Opens no account by itself."""

    def spec_for(self, name: str) -> AccountSpec | None:
        """Describe nothing, but the accounts under ``auto/``."""
        return AccountSpec(name, "EUR", None, "471000") if name.startswith("auto/") else None


def make_book(**posted: int) -> Book:
    """Give a book with EUR accounts of floor 0, and an unbounded ``world``."""
    book = Book(shard_id=0, seq=10, chart=NoChart(), targets={UUID(int=n) for n in range(1, 20)})
    for number, (name, balance) in enumerate(posted.items(), 1):
        account = Account(
            account_id=number,
            shard_id=0,
            open_seq=number,
            name=name,
            asset="EUR",
            floor=None if name == "world" else 0,
            gl_code="467100",
            open_time=NOW,
        )
        book.load_account(account, posted=balance, pending_out=0, pending_in=0)
    return book


def command(
    number: int,
    *legs: tuple[str, int],
    kind: Kind = Kind.POSTED,
    target: int | None = None,
    expire_time: datetime | None = None,
    effective_time: datetime | None = None,
) -> TransactionCommand:
    """Make a command under an id that is a small number."""
    return make_command(
        UUID(int=number),
        *legs,
        kind=kind,
        target_id=UUID(int=target) if target else None,
        expire_time=expire_time,
        effective_time=effective_time,
    )


def hold(number: int, *legs: tuple[str, int]) -> TransactionCommand:
    """Make a hold that lasts an hour."""
    return command(number, *legs, kind=Kind.HOLD, expire_time=LATER)


class TestPost:
    """Plain transactions."""

    def test_moves_value(self) -> None:
        """Both accounts change by the amount and the outcome carries the next number."""
        book = make_book(alice=500, bob=0)

        outcome = decide(book, command(1, ("alice", -200), ("bob", 200)), now=NOW)

        assert (outcome.status, outcome.seq, outcome.replayed) == (0, 11, False)
        assert book.balances() == {"alice": (300, 0, 0), "bob": (200, 0, 0)}

    @pytest.mark.parametrize(
        ("amount", "refusal"), [(499, None), (500, None), (501, Refusal.INSUFFICIENT_FUNDS)]
    )
    def test_refuses_below_the_floor_only(self, amount: int, refusal: Refusal | None) -> None:
        """The balance may reach its floor, but never goes below it."""
        book = make_book(alice=500, bob=0)

        outcome = decide(book, command(1, ("alice", -amount), ("bob", amount)), now=NOW)

        assert outcome.refusal is refusal

    def test_a_refusal_changes_only_its_outcome(self) -> None:
        """A refused command takes a number and leaves no posting and no opened account."""
        book = make_book(alice=0)

        outcome = decide(book, command(1, ("alice", -1), ("auto/x", 1)), now=NOW)

        assert outcome.refusal is Refusal.INSUFFICIENT_FUNDS
        assert outcome.seq == 11
        assert list(book.accounts) == ["alice"]
        assert len(book.journal) == 1

    def test_replays_the_frozen_outcome(self) -> None:
        """A retry gets the first answer, even where the state would now allow it."""
        book = make_book(world=0, alice=0)
        first = decide(book, command(1, ("alice", -5), ("world", 5)), now=NOW)
        decide(book, command(2, ("world", -9), ("alice", 9)), now=NOW)

        again = decide(book, command(1, ("alice", -5), ("world", 5)), now=LATER)

        assert again == first._replace(replayed=True)

    def test_refuses_an_id_with_other_content(self) -> None:
        """The same id with another amount is REQUEST_ID_REUSED and records nothing."""
        book = make_book(world=0, alice=0)
        decide(book, command(1, ("world", -5), ("alice", 5)), now=NOW)

        reused = decide(book, command(1, ("world", -6), ("alice", 6)), now=NOW)

        assert (reused.refusal, reused.seq) == (Refusal.REQUEST_ID_REUSED, 0)
        assert book.seq == 11

    def test_unknown_account(self) -> None:
        """An account that nobody opened and no pattern describes refuses."""
        outcome = decide(make_book(alice=9), command(1, ("alice", -1), ("nobody", 1)), now=NOW)

        assert outcome.refusal is Refusal.ACCOUNT_NOT_FOUND

    def test_asset_must_be_the_accounts(self) -> None:
        """Points cannot be posted to a euro account."""
        book = make_book(alice=9, bob=9)
        points = command(1, ("alice", -1), ("bob", 1))._replace(
            legs=(Leg("alice", -1, "PTS"), Leg("bob", 1, "PTS"))
        )

        assert decide(book, points, now=NOW).refusal is Refusal.ASSET_MISMATCH

    def test_overflow_is_refused(self) -> None:
        """A balance never leaves 64 bits."""
        book = make_book(world=0, alice=2**63 - 2)

        outcome = decide(book, command(1, ("world", -2), ("alice", 2)), now=NOW)

        assert outcome.refusal is Refusal.BALANCE_OVERFLOW

    def test_opens_the_charts_accounts(self) -> None:
        """An account of the chart opens with the transaction, as a fact with a number of its own."""
        book = make_book(world=0)

        outcome = decide(book, command(1, ("world", -5), ("auto/x", 5)), now=NOW)

        opening = book.accounts["auto/x"].account
        assert opening is not None
        assert (opening.open_seq, outcome.seq) == (11, 12)
        assert opening.account_id == account_id_of(shard_id=0, open_seq=11)


class TestHolds:
    """Reserving, then exactly one of posting, voiding and expiring."""

    def test_a_hold_counts_against_the_floor(self) -> None:
        """What is held can be spent by nobody else."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)

        outcome = decide(book, command(2, ("alice", -3), ("bob", 3)), now=NOW)

        assert outcome.refusal is Refusal.INSUFFICIENT_FUNDS
        assert book.balances() == {"alice": (10, 8, 0), "bob": (0, 0, 8)}

    def test_posting_the_whole(self) -> None:
        """A posted hold moves its value and releases what it held."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)

        decide(book, command(2, kind=Kind.HOLD_POSTED, target=1), now=NOW)

        assert book.balances() == {"alice": (2, 0, 0), "bob": (8, 0, 0)}

    def test_posting_a_part_releases_the_rest(self) -> None:
        """A part moves, the rest is free again, and the hold is closed."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)

        part = command(2, ("alice", -3), ("bob", 3), kind=Kind.HOLD_POSTED, target=1)
        decide(book, part, now=NOW)
        second = decide(book, command(3, kind=Kind.HOLD_POSTED, target=1), now=NOW)

        assert book.balances() == {"alice": (7, 0, 0), "bob": (3, 0, 0)}
        assert second.refusal is Refusal.HOLD_CLOSED

    @pytest.mark.parametrize(
        "legs",
        [(("alice", -9), ("bob", 9)), (("alice", 3), ("bob", -3)), (("world", -3), ("bob", 3))],
    )
    def test_a_part_must_be_contained(self, legs: tuple[tuple[str, int], ...]) -> None:
        """More than held, the other way round, or another account: all refused."""
        book = make_book(alice=10, bob=0, world=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)

        outcome = decide(book, command(2, *legs, kind=Kind.HOLD_POSTED, target=1), now=NOW)

        assert outcome.refusal is Refusal.PART_EXCEEDS_WHOLE

    def test_voiding_releases(self) -> None:
        """A voided hold leaves the balances as before it."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)

        decide(book, command(2, kind=Kind.HOLD_VOIDED, target=1), now=NOW)

        assert book.balances() == {"alice": (10, 0, 0), "bob": (0, 0, 0)}

    def test_expiry_is_exact_without_the_sweep(self) -> None:
        """At its expire time a hold can no longer be posted, though nobody has swept it yet."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)

        late = decide(book, command(2, kind=Kind.HOLD_POSTED, target=1), now=LATER)

        assert late.refusal is Refusal.HOLD_EXPIRED

    def test_the_sweep_releases_once(self) -> None:
        """Sweeping twice has one effect; the second answer is the first one again."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)
        sweep = expire_hold(UUID(int=1), expire_time=LATER)

        first = decide(book, sweep, now=LATER)
        second = decide(book, sweep, now=LATER)

        assert (first.status, second.replayed) == (0, True)
        assert book.balances() == {"alice": (10, 0, 0), "bob": (0, 0, 0)}

    def test_a_sweep_that_is_too_early_leaves_no_trace(self) -> None:
        """A process whose clock runs ahead cannot freeze a refusal that would block the expiry."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)
        seq = book.seq

        early = decide(book, expire_hold(UUID(int=1), expire_time=LATER), now=NOW)

        assert (early.seq, book.seq) == (0, seq)

    def test_a_hold_must_expire_in_the_future(self) -> None:
        """A hold whose time is over at once is refused."""
        book = make_book(alice=10, bob=0)

        outcome = decide(book, hold(1, ("alice", -8), ("bob", 8)), now=LATER)

        assert outcome.refusal is Refusal.EXPIRE_TIME_PASSED

    def test_a_refused_hold_is_no_hold(self) -> None:
        """Posting a hold that was refused finds nothing."""
        book = make_book(alice=1, bob=0)
        decide(book, hold(1, ("alice", -8), ("bob", 8)), now=NOW)

        outcome = decide(book, command(2, kind=Kind.HOLD_POSTED, target=1), now=NOW)

        assert outcome.refusal is Refusal.HOLD_NOT_FOUND


class TestReversal:
    """Whole or in parts, and never more than was moved."""

    def test_takes_back_the_whole(self) -> None:
        """Sides are swapped and the balances are as before."""
        book = make_book(alice=10, bob=0)
        decide(book, command(1, ("alice", -8), ("bob", 8)), now=NOW)

        decide(book, command(2, kind=Kind.REVERSAL, target=1), now=NOW)

        assert book.balances() == {"alice": (10, 0, 0), "bob": (0, 0, 0)}

    def test_takes_back_the_rest_of_a_part(self) -> None:
        """After a part, a reversal without legs takes what is left; then there is nothing more to reverse."""
        book = make_book(alice=10, bob=0)
        decide(book, command(1, ("alice", -8), ("bob", 8)), now=NOW)

        part = command(2, ("alice", -3), ("bob", 3), kind=Kind.REVERSAL, target=1)
        decide(book, part, now=NOW)
        between = book.balances()
        rest = decide(book, command(3, kind=Kind.REVERSAL, target=1), now=NOW)
        again = decide(book, command(4, kind=Kind.REVERSAL, target=1), now=NOW)

        assert between == {"alice": (5, 0, 0), "bob": (5, 0, 0)}
        assert rest.status == 0
        assert book.balances() == {"alice": (10, 0, 0), "bob": (0, 0, 0)}
        assert again.refusal is Refusal.ALREADY_REVERSED

    @pytest.mark.parametrize(("amount", "refusal"), [(5, None), (6, Refusal.PART_EXCEEDS_WHOLE)])
    def test_parts_never_exceed_the_whole(self, amount: int, refusal: Refusal | None) -> None:
        """A second part is measured by what the first has left."""
        book = make_book(alice=10, bob=0, world=0)
        decide(book, command(1, ("alice", -8), ("bob", 8)), now=NOW)
        decide(book, command(2, ("world", -9), ("bob", 9)), now=NOW)
        first = command(3, ("alice", -3), ("bob", 3), kind=Kind.REVERSAL, target=1)
        decide(book, first, now=NOW)

        second = command(4, ("alice", -amount), ("bob", amount), kind=Kind.REVERSAL, target=1)

        assert decide(book, second, now=NOW).refusal is refusal

    def test_a_retried_part_is_one_part(self) -> None:
        """The same reversal sent again gets its first answer and takes nothing more."""
        book = make_book(alice=10, bob=0)
        decide(book, command(1, ("alice", -8), ("bob", 8)), now=NOW)
        part = command(2, ("alice", -3), ("bob", 3), kind=Kind.REVERSAL, target=1)
        first = decide(book, part, now=NOW)

        again = decide(book, part, now=NOW)

        assert (again.seq, again.replayed) == (first.seq, True)
        assert book.balances() == {"alice": (5, 0, 0), "bob": (5, 0, 0)}

    def test_respects_the_floor(self) -> None:
        """What the receiver has spent cannot be taken back."""
        book = make_book(alice=10, bob=0, world=0)
        decide(book, command(1, ("alice", -8), ("bob", 8)), now=NOW)
        decide(book, command(2, ("bob", -5), ("world", 5)), now=NOW)

        outcome = decide(book, command(3, kind=Kind.REVERSAL, target=1), now=NOW)

        assert outcome.refusal is Refusal.INSUFFICIENT_FUNDS

    def test_only_settled_transactions(self) -> None:
        """A hold is voided, not reversed; a reversal is final."""
        book = make_book(alice=10, bob=0)
        decide(book, hold(1, ("alice", -2), ("bob", 2)), now=NOW)
        decide(book, command(2, ("alice", -2), ("bob", 2)), now=NOW)
        decide(book, command(3, kind=Kind.REVERSAL, target=2), now=NOW)

        of_hold = decide(book, command(4, kind=Kind.REVERSAL, target=1), now=NOW)
        of_reversal = decide(book, command(5, kind=Kind.REVERSAL, target=3), now=NOW)
        of_nothing = decide(book, command(6, kind=Kind.REVERSAL, target=19), now=NOW)

        assert of_hold.refusal is Refusal.NOT_REVERSIBLE
        assert of_reversal.refusal is Refusal.NOT_REVERSIBLE
        assert of_nothing.refusal is Refusal.TRANSACTION_NOT_FOUND


class TestGroups:
    """All or nothing."""

    @pytest.mark.parametrize("bad", range(5))
    def test_a_failure_at_any_place_leaves_nothing(self, bad: int) -> None:
        """Whichever member fails, no posting, opening, hold or reversal of the group stays."""
        book = make_book(world=0, alice=10, bob=0)
        decide(book, command(1, ("alice", -4), ("bob", 4)), now=NOW)
        decide(book, hold(2, ("alice", -1), ("bob", 1)), now=NOW)
        before, seq = book.balances(), book.seq
        members = [
            command(11, ("world", -5), ("auto/x", 5)),
            hold(12, ("alice", -1), ("bob", 1)),
            command(13, kind=Kind.HOLD_POSTED, target=2),
            command(14, kind=Kind.REVERSAL, target=1),
        ]
        members.insert(bad, command(15, ("bob", -900), ("alice", 900)))

        outcomes = decide_group(book, LinkedGroup(tuple(members)), now=NOW)

        assert book.balances() == before
        assert [outcome.seq for outcome in outcomes] == list(range(seq + 1, seq + 6))
        assert outcomes.pop(bad).refusal is Refusal.INSUFFICIENT_FUNDS
        assert {outcome.refusal for outcome in outcomes} == {Refusal.LINK_GROUP_FAILED}
        still_open = decide(book, command(16, kind=Kind.HOLD_POSTED, target=2), now=NOW)
        still_reversible = decide(book, command(17, kind=Kind.REVERSAL, target=1), now=NOW)
        assert (still_open.status, still_reversible.status) == (0, 0)

    def test_members_see_one_another(self) -> None:
        """A member may spend what an earlier member brought."""
        book = make_book(world=0, alice=0, bob=0)
        group = LinkedGroup(
            (command(1, ("world", -5), ("alice", 5)), command(2, ("alice", -5), ("bob", 5)))
        )

        outcomes = decide_group(book, group, now=NOW)

        assert [outcome.status for outcome in outcomes] == [0, 0]

    def test_a_retry_replays_all(self) -> None:
        """Sending the whole group again gives every first outcome."""
        book = make_book(world=0, alice=0)
        group = LinkedGroup(
            (command(1, ("world", -5), ("alice", 5)), command(2, ("alice", -9), ("world", 9)))
        )
        first = decide_group(book, group, now=NOW)

        again = decide_group(book, group, now=LATER)

        assert again == [outcome._replace(replayed=True) for outcome in first]


class TestOpenAccount:
    """Opening by name."""

    def test_the_name_is_the_key(self) -> None:
        """The same content finds the open account, other content is refused."""
        book = make_book()
        wanted = OpenAccount("wallet/1", "EUR", 0, "467100")
        first = open_account(book, wanted, now=NOW)
        assert isinstance(first, AccountOpened)

        assert open_account(book, wanted, now=LATER) == (first.account, True)
        assert open_account(book, replace(wanted, floor=None), now=NOW) is Refusal.ACCOUNT_DIFFERS
