-- write_small --
-- All that a small batch writes, in one statement: behind the head, and only from where this writer
-- saw it. Who is too late writes nothing. Gives the number of heads moved (1, or 0 for a writer that is
-- too late), and fails when it did not change each balance and end each hold that it was sent: it is
-- committed before anybody could look at a count.
WITH moved AS (
  UPDATE shard_head
     SET seq = $5, head_hash = $6
   WHERE shard_id = $1 AND epoch = $2 AND seq = $3 AND head_hash = $4
  RETURNING shard_id
), sealed AS (
  INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
  SELECT shard_id, $3 + 1, $5, $7, $4, $6
    FROM moved
), entries AS (
  INSERT INTO transaction (
    transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis, purpose,
    reference, target_id, expire_time, request_hash
  )
  SELECT
    d.transaction_id, d.shard_id, d.seq, d.kind, d.status, d.effective_time, d.recorded_time,
    d.basis, d.purpose, d.reference, d.target_id, d.expire_time, d.request_hash
    FROM moved
   CROSS JOIN unnest($8::uuid[], $9::int[], $10::bigint[], $11::smallint[], $12::smallint[],
                     $13::timestamptz[], $14::timestamptz[], $15::smallint[], $16::text[],
                     $17::text[], $18::uuid[], $19::timestamptz[], $20::bytea[])
           AS d (transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis,
                 purpose, reference, target_id, expire_time, request_hash)
), postings AS (
  INSERT INTO posting (account_id, seq, layer, amount, balance_after, shard_id)
  SELECT d.account_id, d.seq, d.layer, d.amount, d.balance_after, d.shard_id
    FROM moved
   CROSS JOIN unnest($21::bigint[], $22::bigint[], $23::smallint[], $24::bigint[],
                     $25::bigint[], $26::int[])
           AS d (account_id, seq, layer, amount, balance_after, shard_id)
), new_holds AS (
  INSERT INTO hold (transaction_id, shard_id, expire_time, state, resolve_seq)
  SELECT d.transaction_id, moved.shard_id, d.expire_time, d.state, d.resolve_seq
    FROM moved
   CROSS JOIN unnest($27::uuid[], $28::timestamptz[], $29::smallint[], $30::bigint[])
           AS d (transaction_id, expire_time, state, resolve_seq)
), ended AS (
  UPDATE hold AS h
     SET state = d.state, resolve_seq = d.resolve_seq
    FROM moved
   CROSS JOIN unnest($31::uuid[], $32::smallint[], $33::bigint[])
           AS d (transaction_id, state, resolve_seq)
   WHERE h.transaction_id = d.transaction_id AND h.state = 0
  RETURNING h.transaction_id
), change AS MATERIALIZED (
  SELECT d.account_id, d.posted, d.pending_out, d.pending_in, d.debit, d.credit, d.first_seq,
         d.last_seq
    FROM moved
   CROSS JOIN unnest($34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[],
                     $39::bigint[], $40::bigint[], $41::bigint[])
           AS d (account_id, posted, pending_out, pending_in, debit, credit, first_seq, last_seq)
), balances AS (
  -- As in write_sums of sums.sql, like all that follows.
  UPDATE account_balance AS b
     SET posted = d.posted, pending_out = d.pending_out, pending_in = d.pending_in,
         day = CASE WHEN d.last_seq = 0 THEN b.day ELSE $42 END,
         day_debit = d.debit + CASE WHEN b.day = $42 OR d.last_seq = 0 THEN b.day_debit ELSE 0 END,
         day_credit = d.credit
                    + CASE WHEN b.day = $42 OR d.last_seq = 0 THEN b.day_credit ELSE 0 END,
         day_first_seq = CASE WHEN b.day = $42 OR d.last_seq = 0 THEN b.day_first_seq
                              ELSE d.first_seq END,
         day_last_seq = CASE WHEN d.last_seq = 0 THEN b.day_last_seq ELSE d.last_seq END
    FROM change AS d
   WHERE b.account_id = d.account_id
     AND (b.day = $42 OR d.first_seq > 0 OR d.last_seq = 0)
  RETURNING b.account_id
), rolled AS (
  SELECT b.account_id, b.day, b.day_debit, b.day_credit, b.day_first_seq, b.day_last_seq
    FROM change AS d
    JOIN account_balance AS b ON b.account_id = d.account_id
   WHERE d.first_seq > 0 AND b.day <> $42
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
       CROSS JOIN unnest($43::bigint[], $44::date[], $45::bigint[], $46::bigint[], $47::bigint[],
                         $48::bigint[])
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
   CROSS JOIN unnest($49::text[], $50::text[], $51::smallint[], $52::date[], $53::date[],
                     $54::bigint[], $55::bigint[])
           AS d (gl_code, asset, basis, effective_day, recorded_day, debit, credit)
  ON CONFLICT (shard_id, gl_code, asset, basis, effective_day, recorded_day) DO UPDATE
     SET debit = g.debit + excluded.debit,
         credit = g.credit + excluded.credit
), totals AS (
  UPDATE journal_total AS t
     SET accounts = t.accounts + ($56::bigint[])[1],
         transactions = t.transactions + ($56::bigint[])[2],
         refusals = t.refusals + ($56::bigint[])[3],
         postings = t.postings + ($56::bigint[])[4]
    FROM moved
   WHERE t.shard_id = moved.shard_id
  RETURNING t.shard_id
), counted AS (
  SELECT
    (SELECT count(*) FROM moved) AS heads,
    (SELECT count(*) FROM balances) AS balances,
    (SELECT count(*) FROM ended) AS ended,
    (SELECT count(*) FROM totals) AS totals
)
-- A text that is no number fails the statement, which then has written nothing.
SELECT
  CASE
    WHEN heads = 0 OR (balances, ended, totals) = (cardinality($34), cardinality($31), 1) THEN heads
    ELSE format('small batch changed %s of %s balances, ended %s of %s holds, counted in %s totals',
                balances, cardinality($34), ended, cardinality($31), totals)::bigint
  END AS heads
  FROM counted;

-- write_holds --
-- The same for a batch of nothing but new holds, which somebody waits for at a till: they move no sums of days, and
-- a table that the statement names costs its time even when nothing is written to it.
WITH moved AS (
  UPDATE shard_head
     SET seq = $5, head_hash = $6
   WHERE shard_id = $1 AND epoch = $2 AND seq = $3 AND head_hash = $4
  RETURNING shard_id
), sealed AS (
  INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
  SELECT shard_id, $3 + 1, $5, $7, $4, $6
    FROM moved
), entries AS (
  INSERT INTO transaction (
    transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis, purpose,
    reference, target_id, expire_time, request_hash
  )
  SELECT
    d.transaction_id, d.shard_id, d.seq, d.kind, d.status, d.effective_time, d.recorded_time,
    d.basis, d.purpose, d.reference, d.target_id, d.expire_time, d.request_hash
    FROM moved
   CROSS JOIN unnest($8::uuid[], $9::int[], $10::bigint[], $11::smallint[], $12::smallint[],
                     $13::timestamptz[], $14::timestamptz[], $15::smallint[], $16::text[],
                     $17::text[], $18::uuid[], $19::timestamptz[], $20::bytea[])
           AS d (transaction_id, shard_id, seq, kind, status, effective_time, recorded_time, basis,
                 purpose, reference, target_id, expire_time, request_hash)
), postings AS (
  INSERT INTO posting (account_id, seq, layer, amount, balance_after, shard_id)
  SELECT d.account_id, d.seq, d.layer, d.amount, d.balance_after, d.shard_id
    FROM moved
   CROSS JOIN unnest($21::bigint[], $22::bigint[], $23::smallint[], $24::bigint[],
                     $25::bigint[], $26::int[])
           AS d (account_id, seq, layer, amount, balance_after, shard_id)
), new_holds AS (
  INSERT INTO hold (transaction_id, shard_id, expire_time, state, resolve_seq)
  SELECT d.transaction_id, moved.shard_id, d.expire_time, d.state, d.resolve_seq
    FROM moved
   CROSS JOIN unnest($27::uuid[], $28::timestamptz[], $29::smallint[], $30::bigint[])
           AS d (transaction_id, expire_time, state, resolve_seq)
), balances AS (
  UPDATE account_balance AS b
     SET posted = d.posted, pending_out = d.pending_out, pending_in = d.pending_in
    FROM moved
   CROSS JOIN unnest($31::bigint[], $32::bigint[], $33::bigint[], $34::bigint[])
           AS d (account_id, posted, pending_out, pending_in)
   WHERE b.account_id = d.account_id
  RETURNING b.account_id
), totals AS (
  UPDATE journal_total AS t
     SET accounts = t.accounts + ($35::bigint[])[1],
         transactions = t.transactions + ($35::bigint[])[2],
         refusals = t.refusals + ($35::bigint[])[3],
         postings = t.postings + ($35::bigint[])[4]
    FROM moved
   WHERE t.shard_id = moved.shard_id
  RETURNING t.shard_id
), counted AS (
  SELECT
    (SELECT count(*) FROM moved) AS heads,
    (SELECT count(*) FROM balances) AS balances,
    (SELECT count(*) FROM totals) AS totals
)
SELECT
  CASE
    WHEN heads = 0 OR (balances, totals) = (cardinality($31), 1) THEN heads
    ELSE format('holds changed %s of %s balances, counted in %s totals',
                balances, cardinality($31), totals)::bigint
  END AS heads
  FROM counted;
