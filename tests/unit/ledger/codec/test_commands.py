"""Requests become commands, or are refused with the place of the fault."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.ledger.v1 import error_reason_pb2, ledger_pb2
from services.common.kernel.ids import new_uuid7
from services.ledger.codec import pages
from services.ledger.codec.commands import (
    RESERVED_PURPOSES,
    in_request_order,
    parse_batch,
    parse_command,
    parse_date,
)
from services.ledger.domain import transaction
from services.ledger.domain.expiry import expiry_id
from services.ledger.domain.transaction import (
    AccountRepeated,
    EffectiveTimeOutOfRange,
    InvalidCommand,
    Kind,
    Leg,
    LinkedGroup,
    NotBalanced,
    Refusal,
)


def leg(account: str, amount: int, asset: str = "EUR") -> ledger_pb2.Leg:
    """Make a leg, credit positive."""
    side = ledger_pb2.SIDE_CREDIT if amount > 0 else ledger_pb2.SIDE_DEBIT
    return ledger_pb2.Leg(account=account, side=side, amount=abs(amount), asset=asset)


def post(*legs: ledger_pb2.Leg, group: int = 0) -> ledger_pb2.TransactionCommand:
    """Make a command that posts legs."""
    return ledger_pb2.TransactionCommand(
        transaction_id=str(new_uuid7()), link_group=group, post=ledger_pb2.Post(legs=legs)
    )


class TestParse:
    def test_credit_is_positive(self) -> None:
        """Sides become signs at the door."""
        command = parse_command(post(leg("a", -5), leg("b", 5)), path="x")

        assert command.legs == (Leg("a", -5, "EUR"), Leg("b", 5, "EUR"))
        assert (command.kind, command.effective_time) == (Kind.POSTED, None)

    @pytest.mark.parametrize(
        "legs",
        [
            (leg("a", -5), leg("b", 4)),
            (leg("a", -5), leg("b", 5, "PTS")),
            (leg("a", -5), leg("b", 5), leg("c", -1, "PTS")),
        ],
        ids=["sum", "assets", "second asset"],
    )
    def test_unbalanced(self, legs: tuple[ledger_pb2.Leg, ...]) -> None:
        """Debits equal credits per asset."""
        with pytest.raises(NotBalanced) as refused:
            parse_command(post(*legs), path="transactions[3]")

        assert refused.value.violations[0][0] == "transactions[3].post.legs"

    @pytest.mark.parametrize(
        ("legs", "place"),
        [
            ((leg("a", -5), leg("a", 5)), 1),
            ((leg("a", -5), leg("b", 2), leg("b", 3)), 2),
            ((leg("a", -5), leg("b", 2), leg("a", -1), leg("b", 3)), 2),
        ],
        ids=["two", "three", "and unbalanced"],
    )
    def test_an_account_twice(self, legs: tuple[ledger_pb2.Leg, ...], place: int) -> None:
        """An account occurs once: the refusal says so, and names the leg and the account."""
        with pytest.raises(AccountRepeated) as refused:
            parse_command(post(*legs), path="transactions[3]")

        [(field, _)] = refused.value.violations
        assert field == f"transactions[3].post.legs[{place}].account"
        assert refused.value.metadata["account"] == legs[place].account

    @pytest.mark.parametrize("kind", ["post_hold", "reverse"])
    def test_an_account_twice_in_a_part(self, kind: str) -> None:
        """The legs of a part are held to the same rule."""
        message = ledger_pb2.TransactionCommand(transaction_id=str(new_uuid7()))
        part = getattr(message, kind)
        part.legs.extend([leg("a", -5), leg("a", 5)])
        setattr(part, "hold_id" if kind == "post_hold" else "transaction_id", str(new_uuid7()))

        with pytest.raises(AccountRepeated):
            parse_command(message, path="x")

    def test_an_effective_time_ahead(self) -> None:
        """Until the latest time that is taken, it is; a microsecond later it is refused by name."""
        latest = datetime(2017, 3, 11, 9, tzinfo=UTC)
        message = post(leg("a", -5), leg("b", 5))
        message.effective_time.FromDatetime(latest)

        taken = parse_command(message, path="x", latest=lambda: latest)
        message.effective_time.nanos += 1_000
        with pytest.raises(EffectiveTimeOutOfRange) as refused:
            parse_command(message, path="x", latest=lambda: latest)

        assert taken.effective_time == latest
        assert refused.value.violations[0][0] == "x.effective_time"

    def test_the_ledgers_own_ids(self) -> None:
        """A caller cannot take the id under which a hold will expire."""
        message = post(leg("a", -5), leg("b", 5))
        message.transaction_id = str(expiry_id(new_uuid7()))

        with pytest.raises(InvalidCommand):
            parse_command(message, path="transaction")

    @pytest.mark.parametrize("purpose", sorted(RESERVED_PURPOSES))
    def test_reserved_purposes(self, purpose: str) -> None:
        """A caller cannot write what looks like a booked event."""
        message = post(leg("a", -5), leg("b", 5))
        message.purpose = purpose

        with pytest.raises(InvalidCommand) as refused:
            parse_command(message, path="transaction")

        assert refused.value.violations[0][0] == "transaction.purpose"

    @pytest.mark.parametrize("seconds", [-(10**12), 0, 7258118400, 10**18])
    def test_absurd_times(self, seconds: int) -> None:
        """A time outside the years 2000 to 2199 is a mistake, however absurd."""
        message = post(leg("a", -5), leg("b", 5))
        message.effective_time.CopyFrom(Timestamp(seconds=seconds))

        with pytest.raises(InvalidCommand):
            parse_command(message, path="transaction")

    @pytest.mark.parametrize("nanos", [-5, 1_000_000_000, 1_000_000_007])
    def test_nanos_that_are_no_part_of_a_second(self, nanos: int) -> None:
        """They name no instant, in a transaction's time and in a hold's end alike."""
        time = Timestamp(seconds=1488358800, nanos=nanos)
        message = post(leg("a", -5), leg("b", 5))
        message.effective_time.CopyFrom(time)
        hold = ledger_pb2.TransactionCommand(
            transaction_id=str(new_uuid7()),
            hold=ledger_pb2.Hold(legs=[leg("a", -5), leg("b", 5)], expire_time=time),
        )

        for command, path in ((message, "x.effective_time"), (hold, "x.hold.expire_time")):
            with pytest.raises(InvalidCommand) as refusal:
                parse_command(command, path="x")
            assert refusal.value.violations == ((path, "is not a valid instant"),)

    def test_microseconds(self) -> None:
        """Times are exact to the microsecond; what is finer is cut off."""
        message = post(leg("a", -5), leg("b", 5))
        message.effective_time.CopyFrom(Timestamp(seconds=1488358800, nanos=123456789))

        command = parse_command(message, path="transaction")

        assert command.effective_time == datetime(2017, 3, 1, 9, 0, 0, 123456, tzinfo=UTC)

    def test_content_decides_the_hash(self) -> None:
        """The hash tells any two contents apart, and does not know the id."""
        plain = post(leg("a", -5), leg("b", 5))
        same = post(leg("a", -5), leg("b", 5))
        variants = [post(leg("a", -6), leg("b", 6)), post(leg("b", -5), leg("a", 5))]
        for field, value in (("purpose", "x"), ("reference", "x"), ("basis", 2)):
            variant = post(leg("a", -5), leg("b", 5))
            setattr(variant, field, value)
            variants.append(variant)

        hashes = [parse_command(m, path="x").request_hash for m in (plain, same, *variants)]

        assert hashes[0] == hashes[1]
        assert len(set(hashes)) == len(variants) + 1

    def test_dates(self) -> None:
        """An empty date is none; a day that does not exist is refused."""
        assert parse_date("", path="x") is None
        with pytest.raises(InvalidCommand):
            parse_date("2017-02-29", path="x")


class TestGroups:
    def test_members_gather_at_the_first(self) -> None:
        """Linked members become one unit at the first one's place; answers find their places again."""
        messages = [
            post(leg("a", -n), leg("b", n), group=g) for n, g in ((1, 0), (2, 7), (3, 0), (4, 7))
        ]

        units, positions = parse_batch(messages)

        assert [isinstance(unit, LinkedGroup) for unit in units] == [False, True, False]
        assert positions == [[0], [1, 3], [2]]
        assert in_request_order([["a"], ["b", "d"], ["c"]], positions, count=4) == list("abcd")


class TestPages:
    @pytest.mark.parametrize("token", ["x", "5", "5.9", "-5.0", "\u0665.0", f"{2**63}.0"])
    def test_foreign_tokens(self, token: str) -> None:
        """A token that is none of ours is refused."""
        with pytest.raises(InvalidCommand):
            pages.parse_page_token(token)

    def test_round_trip(self) -> None:
        """A token leads back to its place."""
        assert pages.parse_page_token(pages.render_page_token((12, 2))) == (12, 2)
        assert pages.parse_page_token("") == pages.NEWEST


class TestReasons:
    def test_the_domains_reasons_are_the_protos(self) -> None:
        """Stored numbers and names are those that callers see."""
        names = dict(error_reason_pb2.ErrorReason.items())

        assert all(names[f"ERROR_REASON_{refusal.name}"] == refusal.value for refusal in Refusal)
        for error in (
            NotBalanced,
            AccountRepeated,
            EffectiveTimeOutOfRange,
            InvalidCommand,
            transaction.RequestIdReused,
        ):
            assert f"ERROR_REASON_{error.reason}" in names
