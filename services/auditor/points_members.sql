-- Everything in the order of its subject: a member, a ticket without one, or a programme's
-- version. The tables come without regard to the shard, which is compared as a column: a row in
-- a wrong shard is a wrong row. $1 and $2 choose a share of the subjects by their last byte, so
-- that processes can walk side by side.

-- facts --
SELECT subject, shard_id, seq, event_id, event_type, payload
  FROM fact
 WHERE get_byte(uuid_send(subject), 15) % $2 = $1
 ORDER BY subject, seq;

-- members --
SELECT member_id AS subject, member_id, shard_id, customer_id, enrol_time, enrolment_hash,
       card_count
  FROM member
 WHERE get_byte(uuid_send(member_id), 15) % $2 = $1
 ORDER BY subject;

-- cards --
SELECT member_id AS subject, card_number, shard_id, link_time
  FROM card
 WHERE get_byte(uuid_send(member_id), 15) % $2 = $1
 ORDER BY subject;

-- balances --
SELECT member_id AS subject, currency, shard_id, available, held
  FROM member_balance
 WHERE get_byte(uuid_send(member_id), 15) % $2 = $1
 ORDER BY subject;

-- lots --
SELECT member_id AS subject, lot_id, shard_id, currency, earned, remaining, held, earn_time,
       expire_time, source_event_id, programme_id, programme_version, rule_id
  FROM lot
 WHERE get_byte(uuid_send(member_id), 15) % $2 = $1
 ORDER BY subject;

-- holds --
SELECT member_id AS subject, hold_id, shard_id, currency, quantity, spent_quantity, expire_time,
       state
  FROM loyalty_hold
 WHERE get_byte(uuid_send(member_id), 15) % $2 = $1
 ORDER BY subject;

-- hold_lots --
-- By the member of their hold; without one they stand alone.
SELECT coalesce(hold.member_id, part.hold_id) AS subject, part.hold_id, part.place, part.shard_id,
       part.lot_id, part.quantity, part.expire_time
  FROM hold_lot AS part
  LEFT JOIN loyalty_hold AS hold
    ON hold.shard_id = part.shard_id AND hold.hold_id = part.hold_id
 WHERE get_byte(uuid_send(coalesce(hold.member_id, part.hold_id)), 15) % $2 = $1
 ORDER BY subject;

-- tickets --
SELECT coalesce(member_id, ticket_id) AS subject, store_id, business_date, till_id, sequence, kind,
       shard_id, ticket_id, event_id, request_id, member_id, checkout_id, occur_time, record_time,
       total_minor, content_hash, content, decision
  FROM ticket
 WHERE get_byte(uuid_send(coalesce(member_id, ticket_id)), 15) % $2 = $1
 ORDER BY subject;

-- conflicts --
-- By the subject of the ticket that was there first.
SELECT coalesce(ticket.member_id, other.ticket_id) AS subject, other.ticket_id, other.content_hash,
       other.shard_id, other.event_id, other.request_id, other.record_time, other.content
  FROM ticket_conflict AS other
  LEFT JOIN ticket
    ON ticket.shard_id = other.shard_id AND ticket.ticket_id = other.ticket_id
 WHERE get_byte(uuid_send(coalesce(ticket.member_id, other.ticket_id)), 15) % $2 = $1
 ORDER BY subject;

-- settlements --
-- With the ticket as the checkout settled it, which is the recorded one or a conflict with it.
SELECT coalesce(settled.member_id, settled.ticket_id) AS subject, settled.checkout_id,
       settled.shard_id, settled.ticket_id, settled.member_id, settled.event_id,
       settled.settle_time, settled.content_hash, ticket.checkout_id AS first_checkout_id,
       CASE ticket.content_hash
         WHEN settled.content_hash THEN ticket.content
         ELSE other.content
       END AS content,
       settled.settlement
  FROM ticket_settlement AS settled
  LEFT JOIN ticket
    ON ticket.shard_id = settled.shard_id AND ticket.ticket_id = settled.ticket_id
  LEFT JOIN ticket_conflict AS other
    ON other.shard_id = settled.shard_id
   AND other.ticket_id = settled.ticket_id
   AND other.content_hash = settled.content_hash
 WHERE get_byte(uuid_send(coalesce(settled.member_id, settled.ticket_id)), 15) % $2 = $1
 ORDER BY subject;

-- reversals --
SELECT coalesce(member_id, ticket_id) AS subject, checkout_id, currency, shard_id, ticket_id,
       member_id, event_id, refund_id, reverse_time, restored, taken, shortfall
  FROM ticket_reversal
 WHERE get_byte(uuid_send(coalesce(member_id, ticket_id)), 15) % $2 = $1
 ORDER BY subject;

-- programmes --
SELECT programme_id, version, shard_id, effective_from, content, publish_time
  FROM programme
 ORDER BY programme_id, version;

-- published --
SELECT shard_id, seq, payload
  FROM fact
 WHERE event_type = $1
 ORDER BY shard_id, seq;

-- count_holds --
SELECT count(*)
  FROM loyalty_hold;

-- holds_overdue --
-- The newest time that the journal knows is the service's clock at its last batch; the sweep may
-- be late by the tolerance and no more.
SELECT format('hold %s is open and expired at %s', hold_id, expire_time) AS offender
  FROM loyalty_hold
 WHERE state = 1
   AND expire_time + interval '1 hour' < (SELECT max(block.recorded_time) FROM block);
