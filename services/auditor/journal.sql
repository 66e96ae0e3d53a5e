-- heads --
SELECT shard_id, seq, head_hash
  FROM shard_head
 ORDER BY shard_id;

-- block_hash_at --
SELECT hash
  FROM block
 WHERE shard_id = $1 AND seq_to = $2;

-- blocks --
SELECT shard_id, seq_from, seq_to, recorded_time, prev_hash, hash
  FROM block
 ORDER BY shard_id, seq_to;

-- facts --
SELECT shard_id, seq, event_id, event_type, subject, payload
  FROM fact
 ORDER BY shard_id, seq;

-- repeated_events --
SELECT event_id, count(*) AS times
  FROM fact
 GROUP BY event_id
HAVING count(*) > 1;

-- count_facts --
SELECT count(*)
  FROM fact;

-- relay_lag --
-- A cursor that stands anywhere but at the head has facts to publish, or claims some that are not.
SELECT head.shard_id, head.seq, coalesce(cursor.seq, 0) AS published
  FROM shard_head AS head
  LEFT JOIN relay_cursor AS cursor ON cursor.shard_id = head.shard_id
 ORDER BY head.shard_id;

-- lost_cursors --
SELECT cursor.shard_id
  FROM relay_cursor AS cursor
 WHERE NOT EXISTS (SELECT FROM shard_head AS head WHERE head.shard_id = cursor.shard_id);
