-- write_batch --
-- All that a batch writes, in one statement: behind the head, and only from where this writer saw it.
-- Who is too late writes nothing. Gives the number of heads moved: 1, or 0 for a writer that is too late; and fails
-- when a block, a fact or a payment that it was sent is not in its table: it is committed before anybody could count.
-- Rows come in the order of the arrays: what gives its ticket free before what takes it. What cannot
-- change of a payment is written once; the provider's name of something is heard of once.
WITH moved AS (
  UPDATE shard_head
     SET seq = $5, head_hash = $6
   WHERE shard_id = $1 AND epoch = $2 AND seq = $3 AND head_hash = $4
  RETURNING shard_id
), sealed AS (
  INSERT INTO block (shard_id, seq_from, seq_to, recorded_time, prev_hash, hash)
  SELECT shard_id, $3 + 1, $5, $7, $4, $6
    FROM moved
  RETURNING shard_id
), recorded AS (
  INSERT INTO fact (shard_id, seq, event_id, event_type, subject, payload)
  SELECT
    moved.shard_id, $3 + new.place, new.event_id, new.event_type, new.subject, new.payload
    FROM moved
   CROSS JOIN unnest($8::uuid[], $9::smallint[], $10::uuid[], $11::bytea[])
           WITH ORDINALITY AS new (event_id, event_type, subject, payload, place)
  RETURNING shard_id
), paid AS (
  INSERT INTO payment (
    shard_id, payment_id, kind, version, state, customer_id, in_flight, outcome_unknown,
    ever_unknown, ever_declined, card_captured_minor, card_refunded_minor, expire_time,
    store_id, business_date, till_id, sequence, ticket_kind
  )
  SELECT
    moved.shard_id, changed.payment_id, changed.kind, changed.version, changed.state,
    changed.customer_id, changed.in_flight, changed.outcome_unknown, changed.ever_unknown,
    changed.ever_declined, changed.card_captured_minor, changed.card_refunded_minor,
    changed.expire_time, changed.store_id, changed.business_date, changed.till_id,
    changed.sequence, changed.ticket_kind
    FROM moved
   CROSS JOIN unnest(
      $12::uuid[], $13::smallint[], $14::bigint[], $15::smallint[], $16::uuid[],
      $17::boolean[], $18::boolean[], $19::boolean[], $20::boolean[], $21::bigint[],
      $22::bigint[], $23::timestamptz[], $24::text[], $25::date[], $26::text[], $27::bigint[],
      $28::smallint[]
    ) AS changed (
      payment_id, kind, version, state, customer_id, in_flight, outcome_unknown,
      ever_unknown, ever_declined, card_captured_minor, card_refunded_minor, expire_time,
      store_id, business_date, till_id, sequence, ticket_kind
    )
      ON CONFLICT (shard_id, payment_id)
      DO UPDATE SET
        version = excluded.version,
        state = excluded.state,
        customer_id = excluded.customer_id,
        in_flight = excluded.in_flight,
        outcome_unknown = excluded.outcome_unknown,
        ever_unknown = excluded.ever_unknown,
        ever_declined = excluded.ever_declined,
        card_captured_minor = excluded.card_captured_minor,
        card_refunded_minor = excluded.card_refunded_minor
  RETURNING shard_id
), named AS (
  INSERT INTO payment_reference (shard_id, provider_reference, payment_id, leg_id)
  SELECT moved.shard_id, heard.provider_reference, heard.payment_id, heard.leg_id
    FROM moved
   CROSS JOIN unnest($29::text[], $30::uuid[], $31::uuid[])
           AS heard (provider_reference, payment_id, leg_id)
      ON CONFLICT (shard_id, provider_reference) DO NOTHING
), counted AS (
  SELECT
    (SELECT count(*) FROM moved) AS heads,
    (SELECT count(*) FROM sealed) AS blocks,
    (SELECT count(*) FROM recorded) AS facts,
    (SELECT count(*) FROM paid) AS payments
)
-- A text that is no number fails the statement, which then has written nothing.
SELECT
  CASE
    WHEN heads = 0 OR (blocks, facts, payments) = (1, cardinality($8), cardinality($12)) THEN heads
    ELSE format('batch wrote %s blocks, %s of %s facts, %s of %s payments',
                blocks, facts, cardinality($8), payments, cardinality($12))::bigint
  END AS heads
  FROM counted;
