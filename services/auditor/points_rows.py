"""The rows that a folded subject must have: one function a table, columns in the queries' order.

A row is its key and its values. The keys and columns are those of ``points_members.sql``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from services.auditor.points_fold import SubjectFold

Key: TypeAlias = tuple[object, ...]
Values: TypeAlias = tuple[object, ...]
Rows: TypeAlias = Iterable[tuple[Key, Values]]


def member_rows(fold: SubjectFold) -> Rows:
    """Give the member, if the subject is one."""
    for member in fold.batch.rows.members.values():
        yield (
            (member.member_id,),
            (
                fold.shard_id,
                member.customer_id,
                member.enrol_time,
                member.enrolment_hash,
                member.card_count,
            ),
        )


def card_rows(fold: SubjectFold) -> Rows:
    """Give the member's cards with the time of their linking."""
    for card_number, link_time in fold.card_times.items():
        yield (card_number,), (fold.shard_id, link_time)


def balance_rows(fold: SubjectFold) -> Rows:
    """Give a balance for each currency that ever had a lot."""
    rows = fold.batch.rows
    for member_id, currency in {(lot.member_id, lot.currency) for lot in rows.lots.values()}:
        balance = rows.balance(member_id, currency)
        yield (int(currency),), (fold.shard_id, balance.available, balance.held)


def lot_rows(fold: SubjectFold) -> Rows:
    """Give the member's lots, used up or not."""
    for lot in fold.batch.rows.lots.values():
        yield (
            (lot.lot_id,),
            (
                fold.shard_id,
                int(lot.currency),
                lot.earned,
                lot.remaining,
                lot.held,
                lot.earn_time,
                lot.expire_time,
                lot.source_event_id,
                lot.programme_id,
                lot.programme_version,
                lot.rule_id,
            ),
        )


def hold_rows(fold: SubjectFold) -> Rows:
    """Give the member's holds, open or ended."""
    for hold in fold.batch.rows.holds.values():
        yield (
            (hold.hold_id,),
            (
                fold.shard_id,
                int(hold.currency),
                hold.quantity,
                hold.spent_quantity,
                hold.expire_time,
                int(hold.state),
            ),
        )


def hold_lot_rows(fold: SubjectFold) -> Rows:
    """Give the lots behind each hold, as they were taken."""
    for hold in fold.batch.rows.holds.values():
        for place, share in enumerate(hold.lots, 1):
            yield (
                (hold.hold_id, place),
                (fold.shard_id, share.lot_id, share.quantity, share.expire_time),
            )


def ticket_rows(fold: SubjectFold) -> Rows:
    """Give the subject's tickets; content and decision are proven by deciding again."""
    for event in fold.tickets:
        yield (
            tuple(event.key),
            (
                fold.shard_id,
                event.ticket_id,
                event.stamp.event_id,
                event.request_id,
                event.member_id,
                event.checkout_id,
                event.stamp.occur_time,
                event.stamp.record_time,
                event.total_minor,
                event.content_hash,
            ),
        )


def conflict_rows(fold: SubjectFold) -> Rows:
    """Give the other contents that were sent under keys of the subject's tickets."""
    for event in fold.conflicts:
        yield (
            (event.ticket_id, event.other_content_hash),
            (
                fold.shard_id,
                event.stamp.event_id,
                event.request_id,
                event.stamp.record_time,
            ),
        )


def settlement_rows(fold: SubjectFold) -> Rows:
    """Give the subject's settled checkouts; how they were settled is proven by deciding again."""
    for event in fold.settlements:
        yield (
            (event.checkout_id,),
            (
                fold.shard_id,
                event.ticket_id,
                event.member_id,
                event.stamp.event_id,
                event.stamp.occur_time,
                event.content_hash,
            ),
        )


def reversal_rows(fold: SubjectFold) -> Rows:
    """Give what the subject's refunded checkouts undid, by currency."""
    for event in fold.reversals:
        for amount in event.amounts():
            yield (
                (event.checkout_id, int(amount.currency)),
                (
                    fold.shard_id,
                    event.ticket_id,
                    event.member_id,
                    event.stamp.event_id,
                    event.refund_id,
                    event.stamp.occur_time,
                    amount.restored,
                    amount.taken,
                    amount.shortfall,
                ),
            )


EXPECTED: Final[Mapping[str, Callable[[SubjectFold], Rows]]] = {
    "members": member_rows,
    "cards": card_rows,
    "balances": balance_rows,
    "lots": lot_rows,
    "holds": hold_rows,
    "hold_lots": hold_lot_rows,
    "tickets": ticket_rows,
    "conflicts": conflict_rows,
    "settlements": settlement_rows,
    "reversals": reversal_rows,
}
"""What each query of ``points_members.sql`` must give, by its name."""

KEY_COLUMNS: Final[Mapping[str, int]] = {
    "members": 1,
    "cards": 1,
    "balances": 1,
    "lots": 1,
    "holds": 1,
    "hold_lots": 2,
    "tickets": 5,
    "conflicts": 2,
    "settlements": 1,
    "reversals": 2,
}
"""How many columns after the subject are the key."""


def differences(expected: Rows, stored: Rows) -> Iterator[str]:
    """Say which rows of one subject are missing, too many, or different, by their key."""
    wanted = dict(expected)
    seen: set[Key] = set()
    for key, values in stored:
        if key in seen or key not in wanted:
            yield f"row {_text(key)} follows from no fact"
        elif wanted[key] != values:
            yield f"row {_text(key)} is not what its facts say"
        seen.add(key)
    for key in wanted.keys() - seen:
        yield f"row {_text(key)} is missing"


def _text(key: Key) -> str:
    """Write a key so that it can be looked up."""
    return "/".join(part.hex() if isinstance(part, bytes) else str(part) for part in key)
