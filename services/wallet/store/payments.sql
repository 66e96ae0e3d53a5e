-- facts_since --
-- The facts of subjects that follow a place in the journal, each subject's in their order. One
-- probe of an index for each, whatever the planner knows: the limit keeps it from joining otherwise.
-- As subqueries the arrays do not tell the planner how long they are: a plan for one subject looks cheaper than
-- the general one, and would be made again for every statement, at more than twice the cost of executing it.
SELECT found.event_type, found.payload
  FROM unnest((SELECT $2::uuid[]), (SELECT $3::bigint[])) AS wanted (subject, seq)
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

-- find_reference --
SELECT payment_id
  FROM payment_reference
 WHERE shard_id = $1 AND provider_reference = $2;
