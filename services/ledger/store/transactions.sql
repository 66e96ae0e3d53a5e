-- frozen_outcomes --
-- Which of these ids are decided already.
SELECT transaction_id, request_hash, status, seq, recorded_time
  FROM transaction
 WHERE transaction_id = ANY($1::uuid[]);

-- targets --
-- The holds and originals that commands name, with what became of them.
SELECT t.transaction_id, t.seq, t.kind, t.basis, t.expire_time, h.state, h.resolve_seq,
       array(SELECT r.reversal_seq
               FROM reversal AS r
              WHERE r.transaction_id = t.transaction_id
              ORDER BY r.reversal_seq) AS reversal_seqs
  FROM transaction AS t
  LEFT JOIN hold AS h ON h.transaction_id = t.transaction_id
 WHERE t.transaction_id = ANY($1::uuid[]) AND t.shard_id = $2 AND t.status = 0;

-- postings_of --
-- The postings under these numbers, in canonical order.
SELECT account_id, seq, layer, amount, balance_after, shard_id
  FROM posting
 WHERE shard_id = $1 AND seq = ANY($2::bigint[])
 ORDER BY seq, account_id, layer;

-- transaction_by_id --
SELECT transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis,
       purpose, reference, target_id, expire_time, request_hash
  FROM transaction
 WHERE transaction_id = $1;

-- holds_due --
-- Open holds whose time is over, the earliest first.
SELECT transaction_id, expire_time
  FROM hold
 WHERE shard_id = $1 AND state = 0 AND expire_time <= $2
 ORDER BY expire_time
 LIMIT $3;

-- end_holds --
UPDATE hold AS h
   SET state = d.state, resolve_seq = d.resolve_seq
  FROM unnest($1::uuid[], $2::smallint[], $3::bigint[]) AS d (transaction_id, state, resolve_seq)
 WHERE h.transaction_id = d.transaction_id AND h.state = 0;
