-- bookable_facts --
-- Sorted by the id that the transaction must have.
SELECT event_id, event_type, seq, payload
  FROM fact
 WHERE event_type = ANY($1::smallint[])
 ORDER BY event_id, seq;

-- event_transactions --
-- Whatever stands under a purpose that only events have.
SELECT transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis, purpose,
       reference, target_id, expire_time, request_hash
  FROM transaction
 WHERE purpose = ANY($1::text[])
 ORDER BY transaction_id, seq;

-- legs --
SELECT posting.seq, account.name, posting.amount, account.asset, posting.layer
  FROM posting
  JOIN account ON account.account_id = posting.account_id
 WHERE posting.shard_id = $1
   AND posting.seq = ANY($2::bigint[]);

-- booked_by_account --
-- What all sales together did to each account.
SELECT account.name, sum(posting.amount)::bigint AS amount
  FROM transaction AS entry
  JOIN posting ON posting.shard_id = entry.shard_id AND posting.seq = entry.seq
  JOIN account ON account.account_id = posting.account_id
 WHERE entry.purpose = ANY($1::text[])
   AND posting.layer = 0
 GROUP BY account.name;
