-- write_small --
-- All that a small batch writes, in one statement: behind the head, and only from where this writer
-- saw it. Who is too late writes nothing. Gives the numbers of heads moved (1, or 0 for a writer that
-- is too late), of balances changed and of holds ended, which must be the numbers sent.
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
), balances AS (
  UPDATE account_balance AS b
     SET posted = d.posted, pending_out = d.pending_out, pending_in = d.pending_in
    FROM moved
   CROSS JOIN unnest($34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[])
           AS d (account_id, posted, pending_out, pending_in)
   WHERE b.account_id = d.account_id
  RETURNING b.account_id
), account_days AS (
  INSERT INTO account_day AS a (account_id, effective_day, debit, credit, first_seq, last_seq)
  SELECT d.account_id, d.effective_day, d.debit, d.credit, d.first_seq, d.last_seq
    FROM moved
   CROSS JOIN unnest($38::bigint[], $39::date[], $40::bigint[], $41::bigint[], $42::bigint[],
                     $43::bigint[])
           AS d (account_id, effective_day, debit, credit, first_seq, last_seq)
  ON CONFLICT (account_id, effective_day) DO UPDATE
     SET debit = a.debit + excluded.debit,
         credit = a.credit + excluded.credit,
         last_seq = excluded.last_seq
), gl_days AS (
  INSERT INTO gl_day AS g
         (shard_id, gl_code, asset, basis, effective_day, recorded_day, debit, credit)
  SELECT moved.shard_id, d.gl_code, d.asset, d.basis, d.effective_day, d.recorded_day, d.debit,
         d.credit
    FROM moved
   CROSS JOIN unnest($44::text[], $45::text[], $46::smallint[], $47::date[], $48::date[],
                     $49::bigint[], $50::bigint[])
           AS d (gl_code, asset, basis, effective_day, recorded_day, debit, credit)
  ON CONFLICT (shard_id, gl_code, asset, basis, effective_day, recorded_day) DO UPDATE
     SET debit = g.debit + excluded.debit,
         credit = g.credit + excluded.credit
), totals AS (
  UPDATE journal_total AS t
     SET transactions = t.transactions + $51,
         refusals = t.refusals + $52,
         postings = t.postings + $53
    FROM moved
   WHERE t.shard_id = moved.shard_id
)
SELECT
  (SELECT count(*) FROM moved) AS heads,
  (SELECT count(*) FROM balances) AS balances,
  (SELECT count(*) FROM ended) AS ended;
