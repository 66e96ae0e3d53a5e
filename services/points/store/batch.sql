-- write_batch --
-- All that a batch writes, in one statement: behind the head, and only from where this writer saw it.
-- Who is too late writes nothing. Gives the number of heads moved: 1, or 0 for a writer that is too late.
-- What a batch has made is not among what it has changed, so that no row is written twice. A row to be changed that is
-- not there fails the statement, before anything is committed: a text that is no number has the counts in its message.
WITH moved AS (
  UPDATE shard_head
     SET seq = $5, head_hash = $6
   WHERE shard_id = $1 AND epoch = $2 AND seq = $3 AND head_hash = $4
  RETURNING shard_id
), sealed AS (
  INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
  SELECT shard_id, $3 + 1, $5, $7, $4, $6
    FROM moved
), recorded AS (
  INSERT INTO fact (shard_id, seq, event_id, event_type, subject, payload)
  SELECT
    moved.shard_id, $3 + new.place, new.event_id, new.event_type, new.subject, new.payload
    FROM moved
   CROSS JOIN unnest($8::uuid[], $9::smallint[], $10::uuid[], $11::bytea[])
           WITH ORDINALITY AS new (event_id, event_type, subject, payload, place)
), tickets AS (
  INSERT INTO ticket (
    shard_id, store_id, business_date, till_id, sequence, kind, ticket_id, event_id,
    request_id, member_id, checkout_id, occur_time, record_time, total_minor, content_hash,
    content, decision
  )
  SELECT
    moved.shard_id, new.store_id, new.business_date, new.till_id, new.sequence, new.kind,
    new.ticket_id, new.event_id, new.request_id, new.member_id, new.checkout_id,
    new.occur_time, new.record_time, new.total_minor, new.content_hash, new.content,
    new.decision
    FROM moved
   CROSS JOIN unnest(
      $12::text[], $13::date[], $14::text[], $15::bigint[], $16::smallint[], $17::uuid[],
      $18::uuid[], $19::uuid[], $20::uuid[], $21::uuid[], $22::timestamptz[],
      $23::timestamptz[], $24::bigint[], $25::bytea[], $26::bytea[], $27::bytea[]
    ) AS new (
      store_id, business_date, till_id, sequence, kind, ticket_id, event_id, request_id,
      member_id, checkout_id, occur_time, record_time, total_minor, content_hash, content,
      decision
    )
), settlements AS (
  INSERT INTO ticket_settlement (
    shard_id, checkout_id, ticket_id, member_id, event_id, settle_time, content_hash,
    settlement
  )
  SELECT
    moved.shard_id, new.checkout_id, new.ticket_id, new.member_id, new.event_id,
    new.settle_time, new.content_hash, new.settlement
    FROM moved
   CROSS JOIN unnest(
      $28::uuid[], $29::uuid[], $30::uuid[], $31::uuid[], $32::timestamptz[], $33::bytea[],
      $34::bytea[]
    ) AS new (
      checkout_id, ticket_id, member_id, event_id, settle_time, content_hash, settlement
    )
), lots AS (
  INSERT INTO lot (
    shard_id, lot_id, member_id, currency, earned, remaining, held, earn_time, expire_time,
    source_event_id, programme_id, programme_version, rule_id
  )
  SELECT
    moved.shard_id, new.lot_id, new.member_id, new.currency, new.earned, new.remaining,
    new.held, new.earn_time, new.expire_time, new.source_event_id, new.programme_id,
    new.programme_version, new.rule_id
    FROM moved
   CROSS JOIN unnest(
      $35::uuid[], $36::uuid[], $37::smallint[], $38::bigint[], $39::bigint[], $40::bigint[],
      $41::timestamptz[], $42::timestamptz[], $43::uuid[], $44::text[], $45::int[], $46::text[]
    ) AS new (
      lot_id, member_id, currency, earned, remaining, held, earn_time, expire_time,
      source_event_id, programme_id, programme_version, rule_id
    )
), changed_lots AS (
  UPDATE lot
     SET remaining = changed.remaining, held = changed.held
    FROM moved
   CROSS JOIN unnest($47::uuid[], $48::uuid[], $49::bigint[], $50::bigint[])
           AS changed (member_id, lot_id, remaining, held)
   WHERE lot.shard_id = $1
     AND lot.member_id = changed.member_id
     AND lot.lot_id = changed.lot_id
  RETURNING lot.lot_id
), holds AS (
  INSERT INTO loyalty_hold (
    shard_id, hold_id, member_id, currency, quantity, spent_quantity, expire_time, state
  )
  SELECT
    moved.shard_id, new.hold_id, new.member_id, new.currency, new.quantity, new.spent_quantity,
    new.expire_time, new.state
    FROM moved
   CROSS JOIN unnest(
      $51::uuid[], $52::uuid[], $53::smallint[], $54::bigint[], $55::bigint[],
      $56::timestamptz[], $57::smallint[]
    ) AS new (
      hold_id, member_id, currency, quantity, spent_quantity, expire_time, state
    )
), hold_lots AS (
  INSERT INTO hold_lot (
    shard_id, hold_id, place, lot_id, quantity, expire_time
  )
  SELECT
    moved.shard_id, new.hold_id, new.place, new.lot_id, new.quantity, new.expire_time
    FROM moved
   CROSS JOIN unnest(
      $58::uuid[], $59::int[], $60::uuid[], $61::bigint[], $62::timestamptz[]
    ) AS new (
      hold_id, place, lot_id, quantity, expire_time
    )
), changed_holds AS (
  UPDATE loyalty_hold
     SET spent_quantity = changed.spent_quantity, state = changed.state
    FROM moved
   CROSS JOIN unnest($63::uuid[], $64::bigint[], $65::smallint[])
           AS changed (hold_id, spent_quantity, state)
   WHERE loyalty_hold.shard_id = $1
     AND loyalty_hold.hold_id = changed.hold_id
  RETURNING loyalty_hold.hold_id
), balances AS (
  INSERT INTO member_balance (
    shard_id, member_id, currency, available, held
  )
  SELECT
    moved.shard_id, new.member_id, new.currency, new.available, new.held
    FROM moved
   CROSS JOIN unnest(
      $66::uuid[], $67::smallint[], $68::bigint[], $69::bigint[]
    ) AS new (
      member_id, currency, available, held
    )
      ON CONFLICT (shard_id, member_id, currency)
      DO UPDATE SET available = excluded.available, held = excluded.held
), counted AS (
  SELECT
    (SELECT count(*) FROM moved) AS heads,
    (SELECT count(*) FROM changed_lots) AS lots,
    (SELECT count(*) FROM changed_holds) AS holds
)
SELECT
  CASE
    WHEN heads = 0 OR (lots, holds) = (cardinality($48::uuid[]), cardinality($63::uuid[]))
      THEN heads
    ELSE format(
      'changed %s of %s lots and %s of %s holds',
      lots, cardinality($48::uuid[]), holds, cardinality($63::uuid[])
    )::bigint
  END AS heads
  FROM counted;

-- write_holds --
-- The same for a batch of nothing but new holds, which somebody waits for at a till: a table that the statement names
-- costs its time even when nothing is written to it.
WITH moved AS (
  UPDATE shard_head
     SET seq = $5, head_hash = $6
   WHERE shard_id = $1 AND epoch = $2 AND seq = $3 AND head_hash = $4
  RETURNING shard_id
), sealed AS (
  INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
  SELECT shard_id, $3 + 1, $5, $7, $4, $6
    FROM moved
), recorded AS (
  INSERT INTO fact (shard_id, seq, event_id, event_type, subject, payload)
  SELECT
    moved.shard_id, $3 + new.place, new.event_id, new.event_type, new.subject, new.payload
    FROM moved
   CROSS JOIN unnest($8::uuid[], $9::smallint[], $10::uuid[], $11::bytea[])
           WITH ORDINALITY AS new (event_id, event_type, subject, payload, place)
), changed_lots AS (
  UPDATE lot
     SET remaining = changed.remaining, held = changed.held
    FROM moved
   CROSS JOIN unnest($12::uuid[], $13::uuid[], $14::bigint[], $15::bigint[])
           AS changed (member_id, lot_id, remaining, held)
   WHERE lot.shard_id = $1
     AND lot.member_id = changed.member_id
     AND lot.lot_id = changed.lot_id
  RETURNING lot.lot_id
), holds AS (
  INSERT INTO loyalty_hold (
    shard_id, hold_id, member_id, currency, quantity, spent_quantity, expire_time, state
  )
  SELECT
    moved.shard_id, new.hold_id, new.member_id, new.currency, new.quantity, new.spent_quantity,
    new.expire_time, new.state
    FROM moved
   CROSS JOIN unnest(
      $16::uuid[], $17::uuid[], $18::smallint[], $19::bigint[], $20::bigint[],
      $21::timestamptz[], $22::smallint[]
    ) AS new (
      hold_id, member_id, currency, quantity, spent_quantity, expire_time, state
    )
), hold_lots AS (
  INSERT INTO hold_lot (
    shard_id, hold_id, place, lot_id, quantity, expire_time
  )
  SELECT
    moved.shard_id, new.hold_id, new.place, new.lot_id, new.quantity, new.expire_time
    FROM moved
   CROSS JOIN unnest(
      $23::uuid[], $24::int[], $25::uuid[], $26::bigint[], $27::timestamptz[]
    ) AS new (
      hold_id, place, lot_id, quantity, expire_time
    )
), balances AS (
  INSERT INTO member_balance (
    shard_id, member_id, currency, available, held
  )
  SELECT
    moved.shard_id, new.member_id, new.currency, new.available, new.held
    FROM moved
   CROSS JOIN unnest(
      $28::uuid[], $29::smallint[], $30::bigint[], $31::bigint[]
    ) AS new (
      member_id, currency, available, held
    )
      ON CONFLICT (shard_id, member_id, currency)
      DO UPDATE SET available = excluded.available, held = excluded.held
), counted AS (
  SELECT
    (SELECT count(*) FROM moved) AS heads,
    (SELECT count(*) FROM changed_lots) AS lots
)
SELECT
  CASE
    WHEN heads = 0 OR lots = cardinality($13::uuid[]) THEN heads
    ELSE format('changed %s of %s lots', lots, cardinality($13::uuid[]))::bigint
  END AS heads
  FROM counted;
