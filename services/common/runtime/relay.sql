-- read_cursor --
SELECT seq
  FROM relay_cursor
 WHERE shard_id = $1;

-- read_offsets --
SELECT partition, log_offset, seq
  FROM relay_offset
 WHERE shard_id = $1 AND topic = $2;

-- save_progress --
-- Cursor and places in the broker's logs move together, in one statement.
WITH moved AS (
  INSERT INTO relay_cursor (shard_id, seq)
  VALUES ($1, $2)
  ON CONFLICT (shard_id) DO UPDATE SET seq = excluded.seq
)
INSERT INTO relay_offset (shard_id, topic, partition, log_offset, seq)
SELECT $1, $3, partition, log_offset, seq
  FROM unnest($4::int[], $5::bigint[], $6::bigint[]) AS places (partition, log_offset, seq)
ON CONFLICT (shard_id, topic, partition)
  DO UPDATE SET log_offset = excluded.log_offset, seq = excluded.seq;

-- forget_progress --
-- The broker has forgotten some of it, or all.
WITH moved AS (
  UPDATE relay_cursor
     SET seq = 0
   WHERE shard_id = $1
)
DELETE FROM relay_offset
 WHERE shard_id = $1 AND topic = $2;
