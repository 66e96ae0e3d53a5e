-- find_tickets --
-- What is recorded under the wanted keys, or by the wanted requests: one probe of an index for
-- each, whatever the planner knows of the table, since the limits keep it from joining in
-- another way. At most one row has a key, and one a request.
SELECT
  found.store_id, found.business_date, found.till_id, found.sequence, found.kind,
  found.ticket_id, found.request_id, found.member_id, found.content_hash, found.total_minor,
  found.decision, found.checkout_id
  FROM unnest($2::text[], $3::date[], $4::text[], $5::bigint[], $6::smallint[], $7::uuid[])
    AS wanted (store_id, business_date, till_id, sequence, kind, request_id)
 CROSS JOIN LATERAL (
   (
     SELECT
       ticket.store_id, ticket.business_date, ticket.till_id, ticket.sequence, ticket.kind,
       ticket.ticket_id, ticket.request_id, ticket.member_id, ticket.content_hash,
       ticket.total_minor, ticket.decision, ticket.checkout_id
       FROM ticket
      WHERE ticket.shard_id = $1
        AND ticket.store_id = wanted.store_id
        AND ticket.business_date = wanted.business_date
        AND ticket.till_id = wanted.till_id
        AND ticket.sequence = wanted.sequence
        AND ticket.kind = wanted.kind
      ORDER BY ticket.sequence
      LIMIT 1
   )
   UNION ALL
   (
     SELECT
       ticket.store_id, ticket.business_date, ticket.till_id, ticket.sequence, ticket.kind,
       ticket.ticket_id, ticket.request_id, ticket.member_id, ticket.content_hash,
       ticket.total_minor, ticket.decision, ticket.checkout_id
       FROM ticket
      WHERE ticket.shard_id = $1 AND ticket.request_id = wanted.request_id
      ORDER BY ticket.request_id
      LIMIT 1
   )
 ) AS found;

-- find_conflict_hashes --
SELECT ticket_id, content_hash
  FROM ticket_conflict
 WHERE shard_id = $1 AND ticket_id = ANY($2::uuid[]);

-- read_ticket --
-- With how its checkout was settled, if it was.
SELECT
  ticket.ticket_id, ticket.checkout_id, ticket.record_time, ticket.content, ticket.decision,
  settled.settlement
  FROM ticket
  LEFT JOIN ticket_settlement AS settled
    ON settled.shard_id = ticket.shard_id AND settled.checkout_id = ticket.checkout_id
 WHERE ticket.shard_id = $1
   AND ticket.store_id = $2
   AND ticket.business_date = $3
   AND ticket.till_id = $4
   AND ticket.sequence = $5
   AND ticket.kind = $6;

-- read_conflicts --
SELECT record_time, content
  FROM ticket_conflict
 WHERE shard_id = $1 AND ticket_id = $2
 ORDER BY record_time, content_hash;
