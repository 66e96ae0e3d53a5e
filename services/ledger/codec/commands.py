"""Requests -> commands. What the protos' rules cannot say is checked here; nothing invalid gets further."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.ledger.v1 import ledger_pb2, ledger_service_pb2
from services.common.kernel.errors import InvalidArgument
from services.common.runtime.timestamps import TIMESTAMP_FAULT, decode_time, is_instant
from services.common.runtime.uuids import parse_uuid
from services.ledger.domain.expiry import OWN_ID_VERSION
from services.ledger.domain.expiry import PURPOSE as EXPIRY_PURPOSE
from services.ledger.domain.journal import hash_command
from services.ledger.domain.posting_events import EVENT_PURPOSES
from services.ledger.domain.transaction import (
    AccountRepeated,
    Basis,
    EffectiveTimeOutOfRange,
    InvalidCommand,
    Kind,
    Leg,
    LinkedGroup,
    NotBalanced,
    OpenAccount,
    TransactionCommand,
    leg_fault,
    repeated_leg,
)

TIME_MIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Earliest effective time: before it lies a mistake."""

TIME_MAX: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""No effective time at or after it."""

Latest = Callable[[], datetime]
"""Gives the latest effective time that is taken at present."""

RESERVED_PURPOSES: Final = EVENT_PURPOSES | {EXPIRY_PURPOSE}
"""Purposes that no caller may use: what stands under them was booked from an event or by the sweep."""

_NANOS_PER_SECOND: Final = 1_000_000_000
_VERSION_SHIFT: Final = 76
_CREDIT: Final = ledger_pb2.SIDE_CREDIT
_BASES: Final = (Basis.COMMON, *Basis)
_KINDS: Final[Mapping[str, Kind]] = {
    "post": Kind.POSTED,
    "hold": Kind.HOLD,
    "post_hold": Kind.HOLD_POSTED,
    "void_hold": Kind.HOLD_VOIDED,
    "reverse": Kind.REVERSAL,
}


def parse_open_account(request: ledger_service_pb2.OpenAccountRequest) -> OpenAccount:
    """Parse a request to open an account."""
    floor = request.floor if request.HasField("floor") else None
    return OpenAccount(request.name, request.asset, floor, request.gl_code)


def parse_command(
    message: ledger_pb2.TransactionCommand, *, path: str, latest: Latest = lambda: TIME_MAX
) -> TransactionCommand:
    """Parse one command. ``path`` is where it stands in the request, for violations.

    ``latest`` gives the latest effective time that is taken now; it is asked when a command has one.

    Raises:
        NotBalanced: debits and credits differ.
        AccountRepeated: an account occurs twice.
        EffectiveTimeOutOfRange: it would count too far ahead.
        InvalidCommand: the id is the ledger's own kind, or a time is no time of a book.
    """
    transaction_id = parse_uuid(message.transaction_id)
    if transaction_id.int >> _VERSION_SHIFT & 0xF == OWN_ID_VERSION:
        raise _invalid(f"{path}.transaction_id", "must be a UUIDv7; version 8 is the ledger's own")
    if message.purpose in RESERVED_PURPOSES:
        raise _invalid(f"{path}.purpose", "is reserved for what the ledger books by itself")
    name = message.WhichOneof("action")
    assert name is not None, "the proto requires an action"
    action = getattr(message, name)
    kind = _KINDS[name]
    legs: tuple[Leg, ...] = ()
    if kind is not Kind.HOLD_VOIDED:
        legs = tuple(
            [
                Leg(leg.account, leg.amount if leg.side == _CREDIT else -leg.amount, leg.asset)
                for leg in action.legs
            ]
        )
        if legs and (fault := leg_fault(legs)) is not None:
            raise _refused_legs(legs, fault, f"{path}.{name}.legs")
    effective_time = expire_time = None
    if message.HasField("effective_time"):
        effective_time = _effective_time(message.effective_time, f"{path}.effective_time", latest)
    if kind is Kind.HOLD:
        expire_time = _time(action.expire_time, f"{path}.hold.expire_time")
    return _command(
        transaction_id, kind, legs, effective_time, expire_time, message, _target(kind, action)
    )


def _command(  # noqa: PLR0917 -- the parts of a command, on the hot path
    transaction_id: UUID,
    kind: Kind,
    legs: tuple[Leg, ...],
    effective_time: datetime | None,
    expire_time: datetime | None,
    message: ledger_pb2.TransactionCommand,
    target_id: UUID | None,
) -> TransactionCommand:
    basis, purpose, reference = _BASES[message.basis], message.purpose, message.reference
    return TransactionCommand(
        transaction_id,
        kind,
        legs,
        effective_time,
        basis,
        purpose,
        reference,
        target_id,
        expire_time,
        hash_command(
            kind=kind,
            legs=legs,
            effective_time=effective_time,
            basis=basis,
            purpose=purpose,
            reference=reference,
            target_id=target_id,
            expire_time=expire_time,
        ),
    )


def parse_batch(
    messages: Sequence[ledger_pb2.TransactionCommand], *, latest: Latest = lambda: TIME_MAX
) -> tuple[list[TransactionCommand | LinkedGroup], list[list[int]]]:
    """Parse a batch into units, linked groups gathered at the place of their first member.

    Gives the units and, for each, the positions of its commands in the request.
    """
    units: list[TransactionCommand | LinkedGroup] = []
    positions: list[list[int]] = []
    groups: dict[int, tuple[int, list[TransactionCommand]]] = {}
    for position, message in enumerate(messages):
        command = parse_command(message, path=f"transactions[{position}]", latest=latest)
        group = message.link_group
        if not group:
            units.append(command)
            positions.append([position])
        elif group in groups:
            place, members = groups[group]
            members.append(command)
            positions[place].append(position)
        else:
            groups[group] = len(units), [command]
            units.append(command)
            positions.append([position])
    for place, members in groups.values():
        units[place] = LinkedGroup(tuple(members))
    return units, positions


def _hold_target(action: Any) -> UUID:
    return parse_uuid(action.hold_id)


def _original_target(action: Any) -> UUID:
    return parse_uuid(action.transaction_id)


_TARGETS: Final[Mapping[Kind, Callable[[Any], UUID]]] = {
    Kind.HOLD_POSTED: _hold_target,
    Kind.HOLD_VOIDED: _hold_target,
    Kind.REVERSAL: _original_target,
}


def _target(kind: Kind, action: Any) -> UUID | None:
    find = _TARGETS.get(kind)
    return find(action) if find else None


def _refused_legs(legs: Sequence[Leg], fault: str, path: str) -> InvalidArgument:
    """Make the refusal of legs at fault; an account that occurs twice is named with its place."""
    place = repeated_leg(legs)
    if place is None:
        return NotBalanced(fault, violations=[(path, fault)])
    account = legs[place].account
    fault = f"{account} occurs in an earlier leg"
    return AccountRepeated(
        f"The account {fault}.", violations=[(f"{path}[{place}].account", fault)], account=account
    )


def _effective_time(message: Timestamp, path: str, latest: Latest) -> datetime:
    time = _time(message, path)
    if time > (limit := latest()):
        fault = f"must not be later than {limit.isoformat()}"
        raise EffectiveTimeOutOfRange(
            f"{path} {fault}.", violations=[(path, fault)], latest=limit.isoformat()
        )
    return time


def _time(message: Timestamp, path: str) -> datetime:
    if not 0 <= message.nanos < _NANOS_PER_SECOND:
        raise _invalid(path, TIMESTAMP_FAULT)
    if not is_instant(message) or not TIME_MIN <= (time := decode_time(message)) < TIME_MAX:
        raise _invalid(path, "must lie between the years 2000 and 2199")
    return time


def parse_as_of(message: Timestamp, *, path: str) -> datetime:
    """Parse the time of a question about the past.

    Raises:
        InvalidCommand: no book can know of that time.
    """
    return _time(message, path)


def parse_date(text: str, *, path: str) -> date | None:
    """Parse a business day, or None for an empty text.

    Raises:
        InvalidCommand: there is no such day.
    """
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _invalid(path, "is not a day of the calendar") from error


def in_request_order(
    outcomes: Sequence[Sequence[Any]], positions: Iterable[Sequence[int]], *, count: int
) -> list[Any]:
    """Put the outcomes of units back where their commands stood in the request."""
    ordered: list[Any] = [None] * count
    for of_unit, places in zip(outcomes, positions, strict=True):
        for outcome, place in zip(of_unit, places, strict=True):
            ordered[place] = outcome
    return ordered


def _invalid(path: str, description: str) -> InvalidCommand:
    return InvalidCommand(f"{path} {description}.", violations=[(path, description)])
