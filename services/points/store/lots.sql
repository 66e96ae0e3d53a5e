-- find_lots --
-- Lots by their ids, used up or not: one probe of the key for each, since the limit keeps the
-- planner from joining in another way.
SELECT
  found.lot_id, found.member_id, found.currency, found.earned, found.remaining, found.held,
  found.earn_time, found.expire_time, found.source_event_id, found.programme_id,
  found.programme_version, found.rule_id
  FROM unnest($2::uuid[], $3::uuid[]) AS wanted (member_id, lot_id)
 CROSS JOIN LATERAL (
   SELECT
     lot_id, member_id, currency, earned, remaining, held, earn_time, expire_time,
     source_event_id, programme_id, programme_version, rule_id
     FROM lot
    WHERE lot.shard_id = $1 AND lot.member_id = wanted.member_id AND lot.lot_id = wanted.lot_id
    ORDER BY lot.lot_id
    LIMIT 1
 ) AS found;

-- due_lots --
-- What is over and has something that is not held, the oldest first.
SELECT
  lot_id, member_id, currency, earned, remaining, held, earn_time, expire_time,
  source_event_id, programme_id, programme_version, rule_id
  FROM lot
 WHERE shard_id = $1 AND expire_time <= $2 AND remaining > held
 ORDER BY expire_time
 LIMIT $3;

-- update_lots --
-- Only what can change of a lot.
UPDATE lot
   SET remaining = changed.remaining, held = changed.held
  FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[])
    AS changed (member_id, lot_id, remaining, held)
 WHERE lot.shard_id = $1
   AND lot.member_id = changed.member_id
   AND lot.lot_id = changed.lot_id;

-- end_lots --
-- Lots that end sooner than they were earned to: something of them is missing, and is not to come back.
UPDATE lot
   SET expire_time = ended.expire_time
  FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) AS ended (member_id, lot_id, expire_time)
 WHERE lot.shard_id = $1
   AND lot.member_id = ended.member_id
   AND lot.lot_id = ended.lot_id;

-- find_holds --
-- Holds with the lots behind them, in the order of use: a row for each.
SELECT
  known.hold_id, known.member_id, known.currency, known.quantity, known.spent_quantity,
  known.expire_time, known.state, share.lot_id, share.lot_quantity, share.lot_expire_time
  FROM loyalty_hold AS known
 CROSS JOIN LATERAL (
   SELECT
     hold_lot.place, hold_lot.lot_id, hold_lot.quantity AS lot_quantity,
     hold_lot.expire_time AS lot_expire_time
     FROM hold_lot
    WHERE hold_lot.shard_id = $1 AND hold_lot.hold_id = known.hold_id
    ORDER BY hold_lot.place
   OFFSET 0
 ) AS share
 WHERE known.shard_id = $1 AND known.hold_id = ANY($2::uuid[])
 ORDER BY known.hold_id, share.place;

-- due_holds --
SELECT hold_id
  FROM loyalty_hold
 WHERE shard_id = $1 AND expire_time <= $2 AND state = 1
 ORDER BY expire_time
 LIMIT $3;

-- update_holds --
-- Only what can change of a hold.
UPDATE loyalty_hold
   SET spent_quantity = changed.spent_quantity, state = changed.state
  FROM unnest($2::uuid[], $3::bigint[], $4::smallint[]) AS changed (hold_id, spent_quantity, state)
 WHERE loyalty_hold.shard_id = $1 AND loyalty_hold.hold_id = changed.hold_id;
