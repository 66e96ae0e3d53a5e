-- relay_stands_at_head --
SELECT coalesce(bool_and(head.seq = coalesce(cursor.seq, 0)), true)
  FROM shard_head AS head
  LEFT JOIN relay_cursor AS cursor ON cursor.shard_id = head.shard_id;

-- newest_facts --
SELECT event_id, event_type, seq, payload
  FROM fact
 WHERE shard_id = $1
   AND event_type = ANY($2::smallint[])
 ORDER BY seq DESC
 LIMIT $3;

-- ends --
SELECT shard_id, seq
  FROM shard_head
 ORDER BY shard_id;

-- nobody_is_being_asked --
-- What is in flight waits for an outcome that is unknown; nothing is on its way this moment.
SELECT NOT EXISTS (
         SELECT
           FROM payment
          WHERE payment.in_flight AND NOT payment.outcome_unknown);

-- shards --
SELECT shard_id
  FROM shard_head
 ORDER BY shard_id;

-- known_transactions --
SELECT count(*)
  FROM transaction
 WHERE transaction_id = ANY($1::uuid[]);

-- no_transaction_hold_due --
-- The sweep of the ledger has released what was due at its last batch.
SELECT NOT EXISTS (
         SELECT
           FROM hold
          WHERE hold.state = 0
            AND hold.expire_time < (SELECT max(block.recorded_time) FROM block));

-- no_loyalty_hold_due --
-- The same for points.
SELECT NOT EXISTS (
         SELECT
           FROM loyalty_hold
          WHERE loyalty_hold.state = 1
            AND loyalty_hold.expire_time < (SELECT max(block.recorded_time) FROM block));
