-- Everything in the order of its subject: a checkout, a top-up, or a shopper. The tables come
-- without regard to the shard, which is compared as a column: a row in a wrong shard is a wrong
-- row.

-- facts --
SELECT subject, shard_id, seq, event_id, event_type, payload
  FROM fact
 ORDER BY subject, seq;

-- payments --
SELECT payment_id AS subject, shard_id, payment_id, kind, version, state, customer_id, in_flight,
       outcome_unknown, ever_unknown, ever_declined, card_captured_minor, card_refunded_minor,
       expire_time, store_id, business_date, till_id, sequence, ticket_kind
  FROM payment
 ORDER BY subject, shard_id;

-- references --
SELECT payment_id AS subject, shard_id, provider_reference, payment_id, leg_id
  FROM payment_reference
 ORDER BY subject, provider_reference;

-- newest_time --
SELECT max(recorded_time)
  FROM block;
