-- frozen_outcomes --
-- Which of these ids are decided already.
SELECT transaction_id, request_hash, status, seq, recorded_time
  FROM transaction
 WHERE transaction_id = ANY($1::uuid[]);

-- targets --
-- The holds and originals that commands name, with what became of them.
SELECT t.transaction_id, t.seq, t.kind, t.basis, t.expire_time, h.state, h.resolve_seq,
       ARRAY(SELECT r.reversal_seq
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

-- save_sums --
-- All that a batch changes beside the journal, in one round trip: balances ($3 to $6), sums
-- by account and day ($7 to $12), by GL account and days ($13 to $19), and the totals. The
-- long arrays come as text.
-- Gives the number of balances changed, which must be the number sent.
WITH balances AS (
  UPDATE account_balance AS b
     SET posted = d.posted, pending_out = d.pending_out, pending_in = d.pending_in
    FROM unnest($3::text::bigint[], $4::text::bigint[], $5::text::bigint[],
                $6::text::bigint[])
      AS d (account_id, posted, pending_out, pending_in)
   WHERE b.account_id = d.account_id
  RETURNING b.account_id
), account_days AS (
  INSERT INTO account_day AS a (account_id, effective_day, debit, credit, first_seq, last_seq)
  SELECT d.account_id, d.effective_day, d.debit, d.credit, d.first_seq, d.last_seq
    FROM unnest($7::text::bigint[], $8::text::date[], $9::text::bigint[],
                $10::text::bigint[], $11::text::bigint[], $12::text::bigint[])
      AS d (account_id, effective_day, debit, credit, first_seq, last_seq)
  ON CONFLICT (account_id, effective_day) DO UPDATE
     SET debit = a.debit + excluded.debit,
         credit = a.credit + excluded.credit,
         last_seq = excluded.last_seq
), gl_days AS (
  INSERT INTO gl_day AS g
         (shard_id, gl_code, asset, basis, effective_day, recorded_day, debit, credit)
  SELECT $1, d.gl_code, d.asset, d.basis, d.effective_day, d.recorded_day, d.debit, d.credit
    FROM unnest($13::text[], $14::text[], $15::smallint[], $16::date[], $17::date[],
                $18::bigint[], $19::bigint[])
      AS d (gl_code, asset, basis, effective_day, recorded_day, debit, credit)
  ON CONFLICT (shard_id, gl_code, asset, basis, effective_day, recorded_day) DO UPDATE
     SET debit = g.debit + excluded.debit,
         credit = g.credit + excluded.credit
), totals AS (
  UPDATE journal_total
     SET accounts = accounts + ($2::bigint[])[1],
         transactions = transactions + ($2::bigint[])[2],
         refusals = refusals + ($2::bigint[])[3],
         postings = postings + ($2::bigint[])[4]
   WHERE shard_id = $1
)
SELECT count(*)
  FROM balances;
