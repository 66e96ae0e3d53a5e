-- accepted_after --
-- The relay's read: accepted transactions, in the journal's order.
SELECT transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis,
       purpose, reference, target_id, expire_time, request_hash
  FROM transaction
 WHERE shard_id = $1 AND seq > $2 AND status = 0
 ORDER BY seq
 LIMIT $3;

-- transactions_between --
SELECT transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis,
       purpose, reference, target_id, expire_time, request_hash
  FROM transaction
 WHERE shard_id = $1 AND seq BETWEEN $2 AND $3
 ORDER BY seq;

-- postings_between --
SELECT account_id, seq, layer, amount, balance_after, shard_id
  FROM posting
 WHERE shard_id = $1 AND seq BETWEEN $2 AND $3
 ORDER BY seq, account_id, layer;

-- openings_between --
SELECT account_id, shard_id, open_seq, name, asset, floor, gl_code, open_time
  FROM account
 WHERE shard_id = $1 AND open_seq BETWEEN $2 AND $3
 ORDER BY open_seq;

-- totals --
-- Summed over the shards of this database.
SELECT coalesce(sum(h.seq), 0)::bigint AS seq,
       coalesce(sum(t.accounts), 0)::bigint AS accounts,
       coalesce(sum(t.transactions), 0)::bigint AS transactions,
       coalesce(sum(t.refusals), 0)::bigint AS refusals,
       coalesce(sum(t.postings), 0)::bigint AS postings
  FROM journal_total AS t
  JOIN shard_head AS h ON h.shard_id = t.shard_id;

-- trial_balance --
-- Days up to and including both; the infinite date stands for all.
SELECT gl_code, asset, basis, sum(debit)::bigint AS debit, sum(credit)::bigint AS credit
  FROM gl_day
 WHERE effective_day <= $1 AND recorded_day <= $2
 GROUP BY gl_code, asset, basis
 ORDER BY gl_code, asset, basis;

-- time_of_block --
-- When the block was recorded that ends with a number.
SELECT recorded_time
  FROM block
 WHERE shard_id = $1 AND seq_to = $2;
