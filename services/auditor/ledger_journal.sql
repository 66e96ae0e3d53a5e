-- openings --
SELECT account_id, shard_id, open_seq, name, asset, floor, gl_code, open_time
  FROM account
 ORDER BY shard_id, open_seq, account_id;

-- transactions --
SELECT transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis, purpose,
       reference, target_id, expire_time, request_hash
  FROM transaction
 ORDER BY shard_id, seq, transaction_id;

-- postings --
SELECT account_id, seq, layer, amount, balance_after, shard_id
  FROM posting
 ORDER BY shard_id, seq, account_id, layer;
