-- public_facts_after --
-- The relay's read: the facts of the given types, in the journal's order.
SELECT fact.seq, fact.event_id, fact.event_type, fact.payload, block.recorded_time
  FROM fact
 CROSS JOIN LATERAL (
   SELECT recorded_time
     FROM block
    WHERE block.shard_id = fact.shard_id AND block.seq_to >= fact.seq
    ORDER BY block.seq_to
    LIMIT 1
 ) AS block
 WHERE fact.shard_id = $1 AND fact.seq > $2 AND fact.event_type = ANY($4::smallint[])
 ORDER BY fact.seq
 LIMIT $3;
