-- write_sums --
-- What follows the rows of a large batch's journal: the fence, the block, and all that the batch changes beside the
-- journal. It moves the head, and only from where this writer saw it; who is too late writes nothing.
-- Balances are $8 to $15, the long arrays as text; an empty one stands for zeros. first_seq is zero where
-- the row is known to carry day $16 already, last_seq where nothing was settled on it. $17 to $22 are sums
-- of other days, $23 to $29 those by GL account, $30 the totals.
-- Gives the numbers of heads moved, of balances changed, which must be the number sent, and of totals.
WITH free AS (
  -- Not waited for: whoever holds the head may be waiting for rows that were sent before this.
  SELECT shard_id
    FROM shard_head
   WHERE shard_id = $1 AND epoch = $2 AND seq = $3 AND head_hash = $4
     FOR UPDATE SKIP LOCKED
), moved AS (
  UPDATE shard_head AS h
     SET seq = $5, head_hash = $6
    FROM free
   WHERE h.shard_id = free.shard_id
  RETURNING h.shard_id
), sealed AS (
  INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
  SELECT shard_id, $3 + 1, $5, $7, $4, $6
    FROM moved
), change AS MATERIALIZED (
  SELECT d.account_id, coalesce(d.posted, 0) AS posted, coalesce(d.pending_out, 0) AS pending_out,
         coalesce(d.pending_in, 0) AS pending_in, coalesce(d.debit, 0) AS debit,
         coalesce(d.credit, 0) AS credit, coalesce(d.first_seq, 0) AS first_seq,
         coalesce(d.last_seq, 0) AS last_seq
    FROM moved
   CROSS JOIN unnest($8::text::bigint[], $9::text::bigint[], $10::text::bigint[],
                     $11::text::bigint[], $12::text::bigint[], $13::text::bigint[],
                     $14::text::bigint[], $15::text::bigint[])
           AS d (account_id, posted, pending_out, pending_in, debit, credit, first_seq, last_seq)
), balances AS (
  -- A row that was wrongly taken to carry the day is left as it is, which the count shows.
  UPDATE account_balance AS b
     SET posted = d.posted, pending_out = d.pending_out, pending_in = d.pending_in,
         day = CASE WHEN d.last_seq = 0 THEN b.day ELSE $16 END,
         day_debit = d.debit + CASE WHEN b.day = $16 OR d.last_seq = 0 THEN b.day_debit ELSE 0 END,
         day_credit = d.credit
                    + CASE WHEN b.day = $16 OR d.last_seq = 0 THEN b.day_credit ELSE 0 END,
         day_first_seq = CASE WHEN b.day = $16 OR d.last_seq = 0 THEN b.day_first_seq
                              ELSE d.first_seq END,
         day_last_seq = CASE WHEN d.last_seq = 0 THEN b.day_last_seq ELSE d.last_seq END
    FROM change AS d
   WHERE b.account_id = d.account_id
     AND (b.day = $16 OR d.first_seq > 0 OR d.last_seq = 0)
  RETURNING b.account_id
), rolled AS (
  -- What the changed rows carried of a day before, as it was before this statement.
  SELECT b.account_id, b.day, b.day_debit, b.day_credit, b.day_first_seq, b.day_last_seq
    FROM change AS d
    JOIN account_balance AS b ON b.account_id = d.account_id
   WHERE d.first_seq > 0 AND b.day <> $16
), account_days AS (
  INSERT INTO account_day AS a (account_id, effective_day, debit, credit, first_seq, last_seq)
  SELECT coalesce(r.account_id, d.account_id), coalesce(r.day, d.effective_day),
         coalesce(r.day_debit, 0) + coalesce(d.debit, 0),
         coalesce(r.day_credit, 0) + coalesce(d.credit, 0),
         least(r.day_first_seq, d.first_seq), greatest(r.day_last_seq, d.last_seq)
    FROM rolled AS r
    FULL JOIN (
      SELECT o.account_id, o.effective_day, o.debit, o.credit, o.first_seq, o.last_seq
        FROM moved
       CROSS JOIN unnest($17::bigint[], $18::date[], $19::bigint[], $20::bigint[], $21::bigint[],
                         $22::bigint[])
               AS o (account_id, effective_day, debit, credit, first_seq, last_seq)
    ) AS d ON d.account_id = r.account_id AND d.effective_day = r.day
  ON CONFLICT (account_id, effective_day) DO UPDATE
     SET debit = a.debit + excluded.debit,
         credit = a.credit + excluded.credit,
         first_seq = least(a.first_seq, excluded.first_seq),
         last_seq = greatest(a.last_seq, excluded.last_seq)
), gl_days AS (
  INSERT INTO gl_day AS g
         (shard_id, gl_code, asset, basis, effective_day, recorded_day, debit, credit)
  SELECT moved.shard_id, d.gl_code, d.asset, d.basis, d.effective_day, d.recorded_day, d.debit,
         d.credit
    FROM moved
   CROSS JOIN unnest($23::text[], $24::text[], $25::smallint[], $26::date[], $27::date[],
                     $28::bigint[], $29::bigint[])
           AS d (gl_code, asset, basis, effective_day, recorded_day, debit, credit)
  ON CONFLICT (shard_id, gl_code, asset, basis, effective_day, recorded_day) DO UPDATE
     SET debit = g.debit + excluded.debit,
         credit = g.credit + excluded.credit
), totals AS (
  UPDATE journal_total AS t
     SET accounts = t.accounts + ($30::bigint[])[1],
         transactions = t.transactions + ($30::bigint[])[2],
         refusals = t.refusals + ($30::bigint[])[3],
         postings = t.postings + ($30::bigint[])[4]
    FROM moved
   WHERE t.shard_id = moved.shard_id
  RETURNING t.shard_id
)
SELECT
  (SELECT count(*) FROM moved) AS heads,
  (SELECT count(*) FROM balances) AS balances,
  (SELECT count(*) FROM totals) AS totals;
