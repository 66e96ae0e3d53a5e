-- What the facts of payments fold to, as far as it is looked for by something else than an id.
-- Everything else about a checkout, a top-up or a shopper is read from its facts, so that there
-- is one truth; `verify` folds it again and compares every column.
--
-- The keys begin with the shard, so that the tables can be spread over servers.

CREATE TABLE payment (
  shard_id int NOT NULL,
  -- The checkout or the top-up: the subject of its facts.
  payment_id uuid NOT NULL,
  -- 1 checkout, 2 top-up.
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 2),
  -- The number of its facts.
  version bigint NOT NULL CHECK (version > 0),
  -- CheckoutState or TopUpState, as the protos number them.
  state smallint NOT NULL CHECK (state > 0),
  -- Null while nobody has claimed the checkout.
  customer_id uuid,
  -- Whether an operation is written down as sent and not answered: somebody has to drive it on.
  in_flight boolean NOT NULL,
  outcome_unknown boolean NOT NULL,
  ever_unknown boolean NOT NULL,
  ever_declined boolean NOT NULL,
  card_captured_minor bigint NOT NULL,
  card_refunded_minor bigint NOT NULL,
  -- When an open checkout expires; null for a top-up.
  expire_time timestamptz,
  -- The key of the basket's ticket; null for a top-up.
  store_id text,
  business_date date,
  till_id text,
  sequence bigint,
  ticket_kind smallint,
  PRIMARY KEY (shard_id, payment_id),
  CHECK (card_refunded_minor BETWEEN 0 AND card_captured_minor)
) WITH (fillfactor = 70);

-- A ticket is paid by one checkout, unless that ended unpaid (5 cancelled, 6 expired). The shard
-- comes last: a planner without statistics must not read a whole shard to find a key.
CREATE UNIQUE INDEX payment_ticket
  ON payment (store_id, business_date, till_id, sequence, ticket_kind, shard_id)
 WHERE kind = 1 AND state NOT IN (5, 6);

-- What a process that starts has to go on with.
CREATE INDEX payment_in_flight ON payment (shard_id, payment_id)
 WHERE in_flight;

-- What the sweep looks for: open checkouts whose time is over.
CREATE INDEX payment_due ON payment (shard_id, expire_time)
 WHERE kind = 1 AND state = 1;

-- Whose the provider's names of payments and refunds are, also of attempts that are over.
CREATE TABLE payment_reference (
  shard_id int NOT NULL,
  provider_reference text NOT NULL,
  payment_id uuid NOT NULL,
  leg_id uuid NOT NULL,
  PRIMARY KEY (shard_id, provider_reference)
);

-- What the provider has told us, each event once. It is a hint to ask again and never evidence,
-- so no fact follows from it.
CREATE TABLE provider_event (
  shard_id int NOT NULL,
  provider_event_id text NOT NULL,
  event_type text NOT NULL,
  object_reference text NOT NULL,
  create_time timestamptz NOT NULL,
  receive_time timestamptz NOT NULL,
  PRIMARY KEY (shard_id, provider_event_id)
);

-- Up to where the provider's list of events was read. Webhooks do not move it: one of a late event
-- would jump over earlier ones that were lost.
CREATE TABLE provider_cursor (
  shard_id int PRIMARY KEY,
  provider_event_id text NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE ON payment TO :runtime_role;
GRANT SELECT, INSERT ON payment_reference TO :runtime_role;
GRANT SELECT, INSERT ON provider_event TO :runtime_role;
GRANT SELECT, INSERT, UPDATE ON provider_cursor TO :runtime_role;
