-- find_cards --
SELECT card_number, member_id
  FROM card
 WHERE shard_id = $1 AND card_number = ANY($2::text[]);

-- find_customers --
SELECT customer_id, member_id
  FROM member
 WHERE shard_id = $1 AND customer_id = ANY($2::uuid[]);

-- find_member --
-- By its id, or else by its customer, or else by a card.
SELECT member_id, customer_id, enrol_time, enrolment_hash, card_count
  FROM member
 WHERE shard_id = $1
   AND member_id = coalesce(
     $2::uuid,
     (
       SELECT known.member_id
         FROM member AS known
        WHERE known.shard_id = $1 AND known.customer_id = $3
     ),
     (SELECT card.member_id FROM card WHERE card.shard_id = $1 AND card.card_number = $4)
   );

-- cards_of --
SELECT card_number
  FROM card
 WHERE shard_id = $1 AND member_id = $2
 ORDER BY card_number;

-- update_members --
-- Only what can change of a member: who it is, and how many cards it has.
UPDATE member
   SET customer_id = changed.customer_id, card_count = changed.card_count
  FROM unnest($2::uuid[], $3::uuid[], $4::int[]) AS changed (member_id, customer_id, card_count)
 WHERE member.shard_id = $1 AND member.member_id = changed.member_id;

-- load_members --
-- Members with their balances: a row for each currency, or one without any.
SELECT
  member.member_id, member.customer_id, member.enrol_time, member.enrolment_hash,
  member.card_count, member_balance.currency, member_balance.available, member_balance.held
  FROM member
  LEFT JOIN member_balance
    ON member_balance.shard_id = member.shard_id
   AND member_balance.member_id = member.member_id
 WHERE member.shard_id = $1 AND member.member_id = ANY($2::uuid[]);

-- write_balances --
-- The rows come in key order; the head's lock has already put the writers in order.
INSERT INTO member_balance (shard_id, member_id, currency, available, held)
SELECT $1, changed.member_id, changed.currency, changed.available, changed.held
  FROM unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::bigint[])
    AS changed (member_id, currency, available, held)
    ON CONFLICT (shard_id, member_id, currency)
    DO UPDATE SET available = excluded.available, held = excluded.held;
