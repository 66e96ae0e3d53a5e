-- followed --
SELECT seq, event_type, event_id, payload
  FROM fact
 WHERE event_type = ANY($1::smallint[])
 ORDER BY shard_id, seq;

-- naming_tickets --
-- The tickets that name a checkout, by checkout.
SELECT checkout_id AS subject, ticket_id, total_minor, content_hash, content
  FROM ticket
 WHERE checkout_id IS NOT NULL
 ORDER BY subject, ticket_id;
