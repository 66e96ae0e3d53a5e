-- Checkouts: how they were settled and what their refunds undid. Rows are only added, once for each
-- checkout, and every column follows from the facts TicketSettled and ValueReversed.

-- The settlement is the canonical message TicketSettlement, with the decision of the earning; the
-- fact has its hash.
CREATE TABLE ticket_settlement (
  shard_id int NOT NULL,
  checkout_id uuid NOT NULL,
  ticket_id uuid NOT NULL,
  member_id uuid,
  -- The id of the fact TicketSettled, which is that of the wallet's CheckoutSettled.
  event_id uuid NOT NULL,
  settle_time timestamptz NOT NULL,
  -- Of the ticket as the checkout settled it: the recorded one, or a conflict with it.
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  settlement bytea NOT NULL,
  PRIMARY KEY (shard_id, checkout_id)
);

-- One row for each loyalty currency of a refunded checkout, whether anything moved or not.
CREATE TABLE ticket_reversal (
  shard_id int NOT NULL,
  checkout_id uuid NOT NULL,
  currency smallint NOT NULL,
  ticket_id uuid NOT NULL,
  member_id uuid,
  -- The id of the fact ValueReversed.
  event_id uuid NOT NULL,
  refund_id uuid NOT NULL,
  reverse_time timestamptz NOT NULL,
  restored bigint NOT NULL CHECK (restored >= 0),
  taken bigint NOT NULL CHECK (taken >= 0),
  shortfall bigint NOT NULL CHECK (shortfall >= 0),
  PRIMARY KEY (shard_id, checkout_id, currency)
);

GRANT SELECT, INSERT ON ticket_settlement TO :runtime_role;
GRANT SELECT, INSERT ON ticket_reversal TO :runtime_role;
