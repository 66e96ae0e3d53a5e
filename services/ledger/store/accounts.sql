-- accounts_by_name --
-- Which accounts of the shard are open under these names.
SELECT account_id, shard_id, open_seq, name, asset, floor, gl_code, open_time
  FROM account
 WHERE shard_id = $1 AND name = ANY($2::text[]);

-- accounts_by_id --
SELECT account_id, shard_id, open_seq, name, asset, floor, gl_code, open_time
  FROM account
 WHERE account_id = ANY($1::bigint[]);

-- read_balances --
-- Not locked: whoever writes a balance holds its shard's head, or has been fenced off there.
SELECT account_id, posted, pending_out, pending_in
  FROM account_balance
 WHERE account_id = ANY($1::bigint[]);

-- balance_now --
-- One statement, so balance and head belong together.
SELECT b.posted, b.pending_out, b.pending_in, h.seq
  FROM account_balance AS b
  JOIN account AS a ON a.account_id = b.account_id
  JOIN shard_head AS h ON h.shard_id = a.shard_id
 WHERE b.account_id = $1;

-- seq_as_of_recorded --
-- The last number that was recorded at or before a time.
SELECT seq_to
  FROM block
 WHERE shard_id = $1 AND recorded_time <= $2
 ORDER BY recorded_time DESC, seq_to DESC
 LIMIT 1;

-- balance_as_of_seq --
-- The last balance of each layer at or before a number: three index reads.
SELECT l.layer, p.balance_after
  FROM (VALUES (0::smallint), (1::smallint), (2::smallint)) AS l (layer)
 CROSS JOIN LATERAL (
   SELECT q.balance_after
     FROM posting AS q
    WHERE q.account_id = $1 AND q.seq <= $2 AND q.layer = l.layer
    ORDER BY q.seq DESC
    LIMIT 1
 ) AS p;

-- balance_as_of_effective --
-- Whole days before the day of the time from the day sums, and of that day the postings that
-- take effect at or before the time; they lie between the day's first and last number. The
-- account's current day is beside its balance.
WITH day AS (
  SELECT effective_day, debit, credit, first_seq, last_seq
    FROM account_day
   WHERE account_id = $1 AND effective_day <= $2
   UNION ALL
  SELECT day, day_debit, day_credit, day_first_seq, day_last_seq
    FROM account_balance
   WHERE account_id = $1 AND day <= $2
)
SELECT coalesce((SELECT sum(credit - debit) FROM day WHERE effective_day < $2), 0)::bigint
     + coalesce((
         SELECT sum(p.amount)
           FROM (SELECT min(first_seq) AS first_seq, max(last_seq) AS last_seq
                   FROM day
                  WHERE effective_day = $2) AS d
           JOIN posting AS p
             ON p.account_id = $1 AND p.seq BETWEEN d.first_seq AND d.last_seq
           JOIN transaction AS t
             ON t.shard_id = p.shard_id AND t.seq = p.seq
          WHERE p.layer = 0 AND t.effective_time <= $3 AND t.effective_time >= $4), 0)::bigint
       AS posted;

-- statement --
-- Newest first, from a place (seq, layer) on.
SELECT t.transaction_id, t.seq, t.effective_time, t.recorded_time, t.purpose, t.reference,
       p.layer, p.amount, p.balance_after
  FROM posting AS p
  JOIN transaction AS t ON t.shard_id = p.shard_id AND t.seq = p.seq
 WHERE p.account_id = $1 AND (p.seq, p.layer) < ($2, $3::smallint)
 ORDER BY p.seq DESC, p.layer DESC
 LIMIT $4;
