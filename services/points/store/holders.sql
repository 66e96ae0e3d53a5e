-- load_holders --
-- Members, by their ids or as customers, with their open lots: a row for each lot, or one without any. Every row says
-- which of the wanted holds there are, and there is one row at least, so that a hold is decided on one statement.
-- The limit, and the offset, keep the planner from joining in another way than by each member's key.
SELECT
  known.hold_ids, holder.member_id, holder.customer_id, holder.enrol_time,
  holder.enrolment_hash, holder.card_count, open_lot.lot_id, open_lot.owner_id,
  open_lot.currency, open_lot.earned, open_lot.remaining, open_lot.held, open_lot.earn_time,
  open_lot.expire_time, open_lot.source_event_id, open_lot.programme_id,
  open_lot.programme_version, open_lot.rule_id
  FROM (
    SELECT
      array(
        SELECT loyalty_hold.hold_id
          FROM loyalty_hold
         WHERE loyalty_hold.shard_id = $1 AND loyalty_hold.hold_id = ANY($4::uuid[])
      ) AS hold_ids
  ) AS known
  LEFT JOIN (
    SELECT wanted.member_id
      FROM unnest($2::uuid[]) AS wanted (member_id)
     UNION
    SELECT named.member_id
      FROM member AS named
     WHERE named.shard_id = $1 AND named.customer_id = ANY($3::uuid[])
  ) AS wanted ON true
  LEFT JOIN LATERAL (
    SELECT
      member.member_id, member.customer_id, member.enrol_time, member.enrolment_hash,
      member.card_count
      FROM member
     WHERE member.shard_id = $1 AND member.member_id = wanted.member_id
     ORDER BY member.member_id
     LIMIT 1
  ) AS holder ON true
  LEFT JOIN LATERAL (
    SELECT
      lot.lot_id, lot.member_id AS owner_id, lot.currency, lot.earned, lot.remaining,
      lot.held, lot.earn_time, lot.expire_time, lot.source_event_id, lot.programme_id,
      lot.programme_version, lot.rule_id
      FROM lot
     WHERE lot.shard_id = $1 AND lot.member_id = holder.member_id AND lot.remaining > 0
     ORDER BY lot.lot_id
    OFFSET 0
  ) AS open_lot ON true;

-- find_holder --
-- One member, by its id, or else by its customer, or else by a card, with its open lots, and whether one hold is there:
-- as above, but without a list. Of lists the planner believes that they are long where it plans for any values, so that
-- it plans anew for each, which takes five times as long as to read.
SELECT
  known.hold_ids, holder.member_id, holder.customer_id, holder.enrol_time,
  holder.enrolment_hash, holder.card_count, open_lot.lot_id, open_lot.owner_id,
  open_lot.currency, open_lot.earned, open_lot.remaining, open_lot.held, open_lot.earn_time,
  open_lot.expire_time, open_lot.source_event_id, open_lot.programme_id,
  open_lot.programme_version, open_lot.rule_id
  FROM (
    SELECT
      array(
        SELECT loyalty_hold.hold_id
          FROM loyalty_hold
         WHERE loyalty_hold.shard_id = $1 AND loyalty_hold.hold_id = $5
      ) AS hold_ids
  ) AS known
  LEFT JOIN LATERAL (
    SELECT
      member.member_id, member.customer_id, member.enrol_time, member.enrolment_hash,
      member.card_count
      FROM member
     WHERE member.shard_id = $1
       AND member.member_id = coalesce(
         $2::uuid,
         (
           SELECT named.member_id
             FROM member AS named
            WHERE named.shard_id = $1 AND named.customer_id = $3
         ),
         (SELECT card.member_id FROM card WHERE card.shard_id = $1 AND card.card_number = $4)
       )
     ORDER BY member.member_id
     LIMIT 1
  ) AS holder ON true
  LEFT JOIN LATERAL (
    SELECT
      lot.lot_id, lot.member_id AS owner_id, lot.currency, lot.earned, lot.remaining,
      lot.held, lot.earn_time, lot.expire_time, lot.source_event_id, lot.programme_id,
      lot.programme_version, lot.rule_id
      FROM lot
     WHERE lot.shard_id = $1 AND lot.member_id = holder.member_id AND lot.remaining > 0
     ORDER BY lot.lot_id
    OFFSET 0
  ) AS open_lot ON true;
