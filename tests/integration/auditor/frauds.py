"""What somebody who owns one service's database could do, with care for all that hangs on it.

Every fraud keeps its own database as consistent as it says; the other services' are left alone.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

from cagnotte.points.v1 import events_pb2 as points_events
from cagnotte.wallet.v1 import events_pb2 as wallet_events
from services.common.kernel.chain import GENESIS, block_hash, fact_bytes
from tests.integration.auditor.stage import MEMBERS
from tests.integration.auditor.tampering import Owner, hash_again

Fraud: TypeAlias = Callable[[Owner], Awaitable[None]]

_DAYS = """
SELECT posting.account_id, (t.effective_time AT TIME ZONE 'Europe/Paris')::date AS day,
       balance.account_id IS NOT NULL AS carried,
       sum(greatest(-amount, 0)) AS debit, sum(greatest(amount, 0)) AS credit
  FROM posting
  JOIN transaction AS t ON t.seq = posting.seq
  LEFT JOIN account_balance AS balance
    ON balance.account_id = posting.account_id
   AND balance.day = (t.effective_time AT TIME ZONE 'Europe/Paris')::date
   AND balance.day = (t.recorded_time AT TIME ZONE 'Europe/Paris')::date
   AND posting.seq BETWEEN balance.day_first_seq AND balance.day_last_seq
 WHERE layer = 0 GROUP BY 1, 2, 3"""
"""Sums by account and day, and whether they lie beside the account's balance (its current day)."""

_MENDED_SUMS = (
    # Running balances, balances, days: all that follows from postings.
    """UPDATE posting SET balance_after = folded.balance
         FROM (SELECT account_id, seq, layer,
                      sum(amount) OVER (PARTITION BY account_id, layer ORDER BY seq) AS balance
                 FROM posting) AS folded
        WHERE posting.account_id = folded.account_id AND posting.seq = folded.seq
          AND posting.layer = folded.layer""",
    """UPDATE account_balance SET posted = folded.posted
         FROM (SELECT account_id, sum(amount) AS posted FROM posting WHERE layer = 0 GROUP BY 1) AS folded
        WHERE account_balance.account_id = folded.account_id""",
    f"""UPDATE account_day SET debit = folded.debit, credit = folded.credit
          FROM ({_DAYS}) AS folded
         WHERE account_day.account_id = folded.account_id AND effective_day = folded.day
           AND NOT folded.carried""",
    f"""UPDATE account_balance AS b SET day_debit = folded.debit, day_credit = folded.credit
          FROM ({_DAYS}) AS folded
         WHERE b.account_id = folded.account_id AND folded.carried""",
    """UPDATE gl_day SET debit = folded.debit, credit = folded.credit
         FROM (SELECT account.gl_code, account.asset, t.basis,
                      (t.effective_time AT TIME ZONE 'Europe/Paris')::date AS day,
                      (t.recorded_time AT TIME ZONE 'Europe/Paris')::date AS recorded,
                      sum(greatest(-amount, 0)) AS debit, sum(greatest(amount, 0)) AS credit
                 FROM posting
                 JOIN transaction AS t ON t.seq = posting.seq
                 JOIN account ON account.account_id = posting.account_id
                WHERE layer = 0 GROUP BY 1, 2, 3, 4, 5) AS folded
        WHERE gl_day.gl_code = folded.gl_code AND gl_day.asset = folded.asset
          AND gl_day.basis = folded.basis AND effective_day = folded.day
          AND recorded_day = folded.recorded""",
)

HOLDER, OTHER = MEMBERS[0], MEMBERS[1]
UNUSED_CARD = "2990000000042"

_OWN_TRANSFER = (
    "SELECT seq FROM transaction WHERE purpose = 'top-up' AND kind = 1 AND status = 0"
    " ORDER BY seq LIMIT 1"
)
_SALE = "SELECT seq FROM transaction WHERE purpose = 'sale' AND status = 0 ORDER BY seq LIMIT 1"


async def _row(conn: Owner, query: str, *args: object) -> asyncpg.Record:
    """Read or change one row, which is there."""
    row = await conn.fetchrow(query, *args)
    assert row is not None, query
    return row


async def _enlarge(conn: Owner, transaction: str) -> None:
    """Enlarge the largest debit and credit of a transaction by a euro, and mend every sum."""
    for sign in (-1, 1):
        await conn.execute(
            f"UPDATE posting SET amount = amount + 100 * $1::int"
            f" WHERE ctid = (SELECT ctid FROM posting WHERE seq = ({transaction}) AND layer = 0"
            f"                ORDER BY amount * $1::int DESC LIMIT 1)",
            sign,
        )
    for statement in _MENDED_SUMS:
        await conn.execute(statement)


async def hash_facts_again(conn: Owner) -> None:
    """Forge the chain of points or the wallet: hash every block over what the facts say now."""
    prev = GENESIS
    blocks = await conn.fetch("SELECT seq_from, seq_to, recorded_time FROM block ORDER BY seq_to")
    for seq_from, seq_to, recorded_time in blocks:
        rows = await conn.fetch(
            "SELECT seq, event_id, event_type, subject, payload FROM fact"
            " WHERE seq BETWEEN $1 AND $2 ORDER BY seq",
            seq_from,
            seq_to,
        )
        forged = block_hash(
            prev,
            shard_id=0,
            seq_from=seq_from,
            seq_to=seq_to,
            recorded_time=recorded_time,
            facts=[fact_bytes(**row) for row in rows],
        )
        await conn.execute(
            "UPDATE block SET prev_hash = $2, hash = $3 WHERE seq_to = $1", seq_to, prev, forged
        )
        prev = forged
    await conn.execute("UPDATE shard_head SET head_hash = $1", prev)


async def enrich_two_accounts(conn: Owner) -> None:
    """Move money between two balances, so that all balances still sum to zero."""
    for sign in (-1, 1):
        await conn.execute(
            "UPDATE account_balance SET posted = posted + 100 * $1::int WHERE account_id ="
            " (SELECT account_id FROM account WHERE asset = 'EUR' AND floor IS NULL"
            "   ORDER BY account_id * $1::int LIMIT 1)",
            sign,
        )


async def enlarge_a_transfer(conn: Owner) -> None:
    """Change a transfer and all its sums, and leave the chain."""
    await _enlarge(conn, _OWN_TRANSFER)


async def enlarge_a_transfer_and_hash_again(conn: Owner) -> None:
    """Change a transfer that no other service knows, all its sums, and the chain."""
    await _enlarge(conn, _OWN_TRANSFER)
    await hash_again(conn)


async def enlarge_a_sale_and_hash_again(conn: Owner) -> None:
    """Change a sale, all its sums, and the chain."""
    await _enlarge(conn, _SALE)
    await hash_again(conn)


async def move_a_ledger_batch_in_time(conn: Owner) -> None:
    """Say that a batch was recorded a second later, in its transactions and its block, and hash again."""
    seq = await conn.fetchval(_OWN_TRANSFER)
    block = await _row(
        conn, "SELECT seq_from, seq_to FROM block WHERE $1 BETWEEN seq_from AND seq_to", seq
    )
    later = "recorded_time = recorded_time + interval '1 second'"
    await conn.execute(
        f"UPDATE transaction SET {later}, effective_time = effective_time + interval '1 second'"
        " WHERE seq BETWEEN $1 AND $2",
        *block,
    )
    await conn.execute(
        "UPDATE account SET open_time = open_time + interval '1 second'"
        " WHERE open_seq BETWEEN $1 AND $2",
        *block,
    )
    await conn.execute(f"UPDATE block SET {later} WHERE seq_to = $1", block["seq_to"])
    await hash_again(conn)


async def drop_an_open_hold(conn: Owner) -> None:
    """Forget an open hold and free what it held."""
    row = await _row(
        conn,
        "DELETE FROM hold WHERE transaction_id ="
        " (SELECT transaction_id FROM hold WHERE state = 0 LIMIT 1) RETURNING transaction_id",
    )
    await conn.execute(
        "UPDATE account_balance SET pending_out = pending_out + least(p.amount, 0),"
        "                           pending_in = pending_in - greatest(p.amount, 0)"
        "  FROM posting AS p JOIN transaction AS t ON t.seq = p.seq AND t.transaction_id = $1"
        " WHERE account_balance.account_id = p.account_id",
        row["transaction_id"],
    )


async def enlarge_a_lot(conn: Owner) -> None:
    """Give a member more, in the lot and in the balance."""
    row = await _row(
        conn,
        "UPDATE lot SET earned = earned + 100, remaining = remaining + 100 WHERE lot_id ="
        " (SELECT lot_id FROM lot WHERE remaining > 0 ORDER BY lot_id LIMIT 1)"
        " RETURNING member_id, currency",
    )
    await conn.execute(
        "UPDATE member_balance SET available = available + 100"
        " WHERE member_id = $1 AND currency = $2",
        *row,
    )


async def enlarge_an_award_and_hash_again(conn: Owner) -> None:
    """Give a member more in the lot, the balance and the fact that tells of it, and hash again."""
    await enlarge_a_lot(conn)
    lot_id = str(
        await conn.fetchval("SELECT lot_id FROM lot WHERE remaining > 0 ORDER BY lot_id LIMIT 1")
    )
    rows = await conn.fetch(
        "SELECT seq, payload FROM fact WHERE event_type = $1",
        points_events.EVENT_TYPE_VALUE_EARNED,
    )
    for seq, payload in rows:
        event = points_events.ValueEarned.FromString(payload)
        for award in event.awards:
            if award.lot_id != lot_id:
                continue
            award.quantity += 100
            await conn.execute(
                "UPDATE fact SET payload = $2 WHERE seq = $1",
                seq,
                event.SerializeToString(deterministic=True),
            )
    await hash_facts_again(conn)


async def swap_two_tickets(conn: Owner) -> None:
    """Let two shoppers' tickets change places, with content and decision."""
    first, second = await conn.fetch(
        "SELECT ticket_id, content, content_hash, decision, member_id FROM ticket"
        " WHERE member_id IS NOT NULL ORDER BY ticket_id LIMIT 2"
    )
    for to, row in ((first, second), (second, first)):
        await conn.execute(
            "UPDATE ticket SET content = $2, content_hash = $3, decision = $4, member_id = $5"
            " WHERE ticket_id = $1",
            to["ticket_id"],
            *row[1:],
        )


async def take_a_card_over(conn: Owner) -> None:
    """Link a card to another member, in the row alone."""
    await conn.execute(
        "UPDATE card SET member_id = (SELECT max(member_id::text)::uuid FROM member)"
        " WHERE card_number = (SELECT min(card_number) FROM card)"
    )


async def take_a_card_over_and_hash_again(conn: Owner) -> None:
    """Link a card that never shopped to another member, in the row and in the fact, and hash again."""
    await conn.execute("UPDATE card SET member_id = $1 WHERE card_number = $2", OTHER, UNUSED_CARD)
    await conn.execute(
        "UPDATE member SET card_count = card_count + CASE member_id WHEN $1 THEN 1 ELSE -1 END"
        " WHERE member_id IN ($1, $2)",
        OTHER,
        HOLDER,
    )
    row = await _row(
        conn,
        "SELECT seq, payload FROM fact WHERE event_type = $1 ORDER BY seq DESC LIMIT 1",
        points_events.EVENT_TYPE_CARD_LINKED,
    )
    event = points_events.CardLinked.FromString(row["payload"])
    assert (event.card_number, event.member_id) == (UNUSED_CARD, str(HOLDER))
    event.member_id = str(OTHER)
    await conn.execute(
        "UPDATE fact SET payload = $2, subject = $3 WHERE seq = $1",
        row["seq"],
        event.SerializeToString(deterministic=True),
        OTHER,
    )
    await hash_facts_again(conn)


async def move_a_points_batch_in_time(conn: Owner) -> None:
    """Say that a batch of points was recorded later, and hash again."""
    await conn.execute(
        "UPDATE block SET recorded_time = recorded_time + interval '1 second'"
        " WHERE seq_to = (SELECT max(seq_to) FROM block)"
    )
    await hash_facts_again(conn)


async def enlarge_a_captured_leg(conn: Owner) -> None:
    """Say that a card paid more than it did."""
    await conn.execute(
        "UPDATE payment SET card_captured_minor = card_captured_minor + 100 WHERE payment_id ="
        " (SELECT payment_id FROM payment WHERE card_captured_minor > 0 LIMIT 1)"
    )


async def enlarge_a_top_up_and_hash_again(conn: Owner) -> None:
    """Say that a shopper put more on the balance, in every fact and row of the wallet, and hash again."""
    settled = await _row(
        conn,
        "SELECT seq, subject, payload FROM fact WHERE event_type = $1 ORDER BY seq LIMIT 1",
        wallet_events.EVENT_TYPE_TOP_UP_SETTLED,
    )
    started = await _row(
        conn,
        "SELECT seq, payload FROM fact WHERE event_type = $1 AND subject = $2",
        wallet_events.EVENT_TYPE_TOP_UP_STARTED,
        settled["subject"],
    )
    end = wallet_events.TopUpSettled.FromString(settled["payload"])
    end.amount_minor += 100
    start = wallet_events.TopUpStarted.FromString(started["payload"])
    start.leg.amount_minor += 100
    for row, event in ((settled, end), (started, start)):
        payload = event.SerializeToString(deterministic=True)
        await conn.execute("UPDATE fact SET payload = $2 WHERE seq = $1", row["seq"], payload)
    await conn.execute(
        "UPDATE payment SET card_captured_minor = card_captured_minor + 100 WHERE payment_id = $1",
        settled["subject"],
    )
    await hash_facts_again(conn)


async def plant_a_trigger(conn: Owner) -> None:
    """Let the database change postings from now on: nothing is wrong yet."""
    await conn.execute(
        "CREATE FUNCTION skim() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN NEW.amount := NEW.amount + 1; RETURN NEW; END'"
    )
    await conn.execute(
        "CREATE TRIGGER skim BEFORE INSERT ON posting FOR EACH ROW EXECUTE FUNCTION skim()"
    )


async def plant_a_rule(conn: Owner) -> None:
    """Let the database drop what is inserted from now on."""
    await conn.execute(
        "CREATE RULE drop_it AS ON INSERT TO posting WHERE new.seq > 1000000 DO INSTEAD NOTHING"
    )


async def grant_a_column(conn: Owner) -> None:
    """Let the service change one column of its journal."""
    await conn.execute("GRANT UPDATE (amount) ON posting TO cagnotte_runtime")


async def grant_everybody(conn: Owner) -> None:
    """Let whoever can log in change the journal."""
    await conn.execute("GRANT DELETE ON posting TO PUBLIC")
