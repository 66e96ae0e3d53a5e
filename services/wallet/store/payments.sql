-- facts_since --
-- The facts of subjects that follow a place in the journal, each subject's in their order. One
-- probe of an index for each, whatever the planner knows: the limit keeps it from joining otherwise.
SELECT found.event_type, found.payload
  FROM unnest($2::uuid[], $3::bigint[]) AS wanted (subject, seq)
 CROSS JOIN LATERAL (
   SELECT fact.subject, fact.event_type, fact.payload, fact.seq
     FROM fact
    WHERE fact.subject = wanted.subject AND fact.shard_id = $1 AND fact.seq > wanted.seq
    ORDER BY fact.seq
    LIMIT 10000
 ) AS found
 ORDER BY found.subject, found.seq;

-- find_ticket_keys --
-- The checkouts that have the wanted tickets, unless they ended unpaid; at most one each.
SELECT
  found.store_id, found.business_date, found.till_id, found.sequence, found.ticket_kind,
  found.payment_id
  FROM unnest($2::text[], $3::date[], $4::text[], $5::bigint[], $6::smallint[])
    AS wanted (store_id, business_date, till_id, sequence, ticket_kind)
 CROSS JOIN LATERAL (
   SELECT
     payment.store_id, payment.business_date, payment.till_id, payment.sequence,
     payment.ticket_kind, payment.payment_id
     FROM payment
    WHERE payment.store_id = wanted.store_id
      AND payment.business_date = wanted.business_date
      AND payment.till_id = wanted.till_id
      AND payment.sequence = wanted.sequence
      AND payment.ticket_kind = wanted.ticket_kind
      AND payment.shard_id = $1
      AND payment.kind = 1
      AND payment.state NOT IN (5, 6)
    ORDER BY payment.sequence
    LIMIT 1
 ) AS found;

-- due_checkouts --
-- Open checkouts whose time is over, the oldest first.
SELECT payment_id
  FROM payment
 WHERE shard_id = $1 AND kind = 1 AND state = 1 AND expire_time <= $2
 ORDER BY expire_time
 LIMIT $3;

-- in_flight_payments --
-- In the order of their ids, so that a reader can go on after the last one it has seen.
SELECT payment_id, version
  FROM payment
 WHERE shard_id = $1 AND in_flight AND payment_id > $2
 ORDER BY payment_id
 LIMIT $3;

-- find_versions --
SELECT payment_id, version
  FROM payment
 WHERE shard_id = $1 AND payment_id = ANY($2::uuid[]);

-- write_payments --
-- The head's lock has already put the writers in order. What cannot change of a payment is
-- written once.
INSERT INTO payment (
  shard_id, payment_id, kind, version, state, customer_id, in_flight, outcome_unknown,
  ever_unknown, ever_declined, card_captured_minor, card_refunded_minor, expire_time,
  store_id, business_date, till_id, sequence, ticket_kind
)
SELECT
  $1, changed.payment_id, changed.kind, changed.version, changed.state, changed.customer_id,
  changed.in_flight, changed.outcome_unknown, changed.ever_unknown, changed.ever_declined,
  changed.card_captured_minor, changed.card_refunded_minor, changed.expire_time,
  changed.store_id, changed.business_date, changed.till_id, changed.sequence,
  changed.ticket_kind
  FROM unnest(
    $2::uuid[], $3::smallint[], $4::bigint[], $5::smallint[], $6::uuid[], $7::boolean[],
    $8::boolean[], $9::boolean[], $10::boolean[], $11::bigint[], $12::bigint[],
    $13::timestamptz[], $14::text[], $15::date[], $16::text[], $17::bigint[], $18::smallint[]
  ) AS changed (
    payment_id, kind, version, state, customer_id, in_flight, outcome_unknown, ever_unknown,
    ever_declined, card_captured_minor, card_refunded_minor, expire_time, store_id,
    business_date, till_id, sequence, ticket_kind
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
      card_refunded_minor = excluded.card_refunded_minor;

-- write_references --
-- The provider gives a name once; hearing it again changes nothing.
INSERT INTO payment_reference (shard_id, provider_reference, payment_id, leg_id)
SELECT $1, named.provider_reference, named.payment_id, named.leg_id
  FROM unnest($2::text[], $3::uuid[], $4::uuid[])
    AS named (provider_reference, payment_id, leg_id)
    ON CONFLICT (shard_id, provider_reference) DO NOTHING;

-- find_reference --
SELECT payment_id
  FROM payment_reference
 WHERE shard_id = $1 AND provider_reference = $2;
