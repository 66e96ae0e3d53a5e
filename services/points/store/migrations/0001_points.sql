-- Members, cards, programmes, tickets, lots, holds. Every row is the journal folded, so that
-- `verify` can prove each column; the facts are in the table `fact`.
--
-- The keys begin with the shard, so that the tables can be spread over servers. The hot tables
-- have no foreign keys: what they reference was decided under the lock of the shard's head.

CREATE TABLE member (
  shard_id int NOT NULL,
  member_id uuid NOT NULL,
  -- Pseudonymous: the `sub` of the shopper's token. Null while the member is anonymous.
  customer_id uuid,
  enrol_time timestamptz NOT NULL,
  -- Tells a repeated enrolment from another one under the same id.
  enrolment_hash bytea NOT NULL CHECK (octet_length(enrolment_hash) = 32),
  card_count int NOT NULL CHECK (card_count >= 0),
  PRIMARY KEY (shard_id, member_id)
) WITH (fillfactor = 90);

CREATE UNIQUE INDEX member_customer ON member (shard_id, customer_id)
 WHERE customer_id IS NOT NULL;

CREATE TABLE card (
  shard_id int NOT NULL,
  card_number text NOT NULL,
  member_id uuid NOT NULL,
  link_time timestamptz NOT NULL,
  PRIMARY KEY (shard_id, card_number)
);

CREATE INDEX card_member ON card (shard_id, member_id);

-- Published versions never change; the content is the canonical protobuf message.
CREATE TABLE programme (
  shard_id int NOT NULL,
  programme_id text NOT NULL,
  version int NOT NULL CHECK (version > 0),
  effective_from timestamptz NOT NULL,
  content bytea NOT NULL,
  publish_time timestamptz NOT NULL,
  PRIMARY KEY (shard_id, programme_id, version)
);

-- The natural key is the primary key: the tickets of a till and day lie together, so the
-- insertions of a day touch few pages of the index. Content and decision are kept as they were
-- sent and answered, and hold every line, so that the ticket can be evaluated again.
CREATE TABLE ticket (
  shard_id int NOT NULL,
  store_id text NOT NULL,
  business_date date NOT NULL,
  till_id text NOT NULL,
  sequence bigint NOT NULL CHECK (sequence > 0),
  kind smallint NOT NULL,
  -- Derived from the key.
  ticket_id uuid NOT NULL,
  -- The id of the fact TicketRecorded.
  event_id uuid NOT NULL,
  request_id uuid NOT NULL,
  member_id uuid,
  checkout_id uuid,
  occur_time timestamptz NOT NULL,
  record_time timestamptz NOT NULL,
  total_minor bigint NOT NULL CHECK (total_minor >= 0),
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  content bytea NOT NULL,
  decision bytea NOT NULL,
  PRIMARY KEY (shard_id, store_id, business_date, till_id, sequence, kind)
);

-- A command's id records one ticket. UUIDv7 grow with time, so this index grows at its end. The
-- shard comes second: on a table without statistics yet, a planner that sees (shard_id, ...) twice
-- may read a whole shard of this index to find a key (254 million rows read for 18,000 tickets).
CREATE UNIQUE INDEX ticket_request ON ticket (request_id, shard_id);

-- The checkout that a ticket belongs to finds it here.
CREATE INDEX ticket_checkout ON ticket (shard_id, checkout_id)
 WHERE checkout_id IS NOT NULL;

-- Other content that was sent under the key of a recorded ticket; a person decides.
CREATE TABLE ticket_conflict (
  shard_id int NOT NULL,
  ticket_id uuid NOT NULL,
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  event_id uuid NOT NULL,
  request_id uuid NOT NULL,
  record_time timestamptz NOT NULL,
  content bytea NOT NULL,
  PRIMARY KEY (shard_id, ticket_id, content_hash)
);

-- One award of one ticket. `remaining` includes what is held. The policy is stamped on the lot
-- as its expiry when it is earned; a later version of the programme never changes it.
CREATE TABLE lot (
  shard_id int NOT NULL,
  member_id uuid NOT NULL,
  lot_id uuid NOT NULL,
  currency smallint NOT NULL,
  earned bigint NOT NULL CHECK (earned > 0),
  remaining bigint NOT NULL,
  held bigint NOT NULL CHECK (held >= 0),
  earn_time timestamptz NOT NULL,
  -- The first instant at which the lot is no longer usable.
  expire_time timestamptz NOT NULL,
  -- The id of the fact ValueEarned.
  source_event_id uuid NOT NULL,
  programme_id text NOT NULL,
  programme_version int NOT NULL,
  rule_id text NOT NULL,
  PRIMARY KEY (shard_id, member_id, lot_id),
  CHECK (remaining BETWEEN held AND earned)
) WITH (fillfactor = 90);

-- The sweep finds what is over by it, and a lot leaves it when nothing is left to expire.
CREATE INDEX lot_due ON lot (shard_id, expire_time)
 WHERE remaining > held;

CREATE TABLE loyalty_hold (
  shard_id int NOT NULL,
  hold_id uuid NOT NULL,
  member_id uuid NOT NULL,
  currency smallint NOT NULL,
  quantity bigint NOT NULL CHECK (quantity > 0),
  spent_quantity bigint NOT NULL CHECK (spent_quantity BETWEEN 0 AND quantity),
  expire_time timestamptz NOT NULL,
  -- 1 open, 2 spent, 3 released, 4 expired.
  state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
  PRIMARY KEY (shard_id, hold_id)
) WITH (fillfactor = 90);

CREATE INDEX loyalty_hold_due ON loyalty_hold (shard_id, expire_time)
 WHERE state = 1;

-- The lots behind a hold, in the order of use.
CREATE TABLE hold_lot (
  shard_id int NOT NULL,
  hold_id uuid NOT NULL,
  place int NOT NULL CHECK (place > 0),
  lot_id uuid NOT NULL,
  quantity bigint NOT NULL CHECK (quantity > 0),
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (shard_id, hold_id, place)
);

-- The sum of a member's lots. Value whose time is over leaves it with the next sweep.
CREATE TABLE member_balance (
  shard_id int NOT NULL,
  member_id uuid NOT NULL,
  currency smallint NOT NULL,
  available bigint NOT NULL CHECK (available >= 0),
  held bigint NOT NULL CHECK (held >= 0),
  PRIMARY KEY (shard_id, member_id, currency)
) WITH (fillfactor = 60);

GRANT SELECT, INSERT, UPDATE ON member TO :runtime_role;
GRANT SELECT, INSERT ON card TO :runtime_role;
GRANT SELECT, INSERT ON programme TO :runtime_role;
GRANT SELECT, INSERT ON ticket TO :runtime_role;
GRANT SELECT, INSERT ON ticket_conflict TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON lot TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON loyalty_hold TO :runtime_role;
GRANT SELECT, INSERT ON hold_lot TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON member_balance TO :runtime_role;
