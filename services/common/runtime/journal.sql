-- lock_head --
-- The first statement of every batch: whoever holds this row writes next, so the order of
-- the journal is the order of the commits.
SELECT shard_id, epoch, seq, head_hash
  FROM shard_head
 WHERE shard_id = $1
   FOR UPDATE;

-- read_head --
SELECT shard_id, epoch, seq, head_hash
  FROM shard_head
 WHERE shard_id = $1;

-- append_block --
-- Moves the head only from where this writer saw it (the fence), and writes the block only
-- when the head moved. Gives the number of heads moved: 1, or 0 for a writer that is too late.
WITH moved AS (
  UPDATE shard_head
     SET seq = $4, head_hash = $7
   WHERE shard_id = $1 AND epoch = $2 AND seq = $3 AND head_hash = $6
  RETURNING shard_id
), written AS (
  INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
  SELECT shard_id, $3 + 1, $4, $5, $6, $7
    FROM moved
)
SELECT count(*)
  FROM moved;

-- facts_after --
SELECT seq, event_id, event_type, subject, payload
  FROM fact
 WHERE shard_id = $1 AND seq > $2
 ORDER BY seq
 LIMIT $3;

-- facts_between --
SELECT seq, event_id, event_type, subject, payload
  FROM fact
 WHERE shard_id = $1 AND seq BETWEEN $2 AND $3
 ORDER BY seq;

-- last_fact_seq --
SELECT max(seq)
  FROM fact
 WHERE shard_id = $1;

-- block_times --
-- The blocks that hold the facts from $2 to $3; a few rows for many facts. Both ends are of the
-- key, so that a reader who is far behind does not walk through all the later blocks.
SELECT seq_to, recorded_time
  FROM block
 WHERE shard_id = $1
   AND seq_to >= $2
   AND seq_to <= (
     SELECT last.seq_to
       FROM block AS last
      WHERE last.shard_id = $1 AND last.seq_to >= $3
      ORDER BY last.seq_to
      LIMIT 1
   )
 ORDER BY seq_to;

-- blocks_after --
SELECT seq_from, seq_to, recorded_time, prev_hash, hash
  FROM block
 WHERE shard_id = $1 AND seq_to > $2
 ORDER BY seq_to
 LIMIT $3;
